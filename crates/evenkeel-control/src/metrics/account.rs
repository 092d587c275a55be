//! The accounts as metrics. Figures of nothing seen yet are left out: a zero would be read as an outage.

use std::fmt;
use std::sync::Arc;

use evenkeel_core::account::burn::{RULES, Rule};
use evenkeel_core::account::{CauseTimes, Stage};
use evenkeel_schema::admin::{Account, Availability, EndpointAvailability};
use evenkeel_schema::text::duration;
use prometheus_client::metrics::MetricType;

use super::page::{Family, Page};

/// One pool's account.
#[derive(Clone, Debug)]
pub(crate) struct AccountSample {
    pub(crate) pool: Arc<str>,
    pub(crate) seen: Availability,
    /// The burn of each rule's long and short window.
    pub(crate) burns: Vec<(&'static Rule, f64, f64)>,
    /// How long incidents took, by cause and stage.
    pub(crate) causes: CauseTimes,
}

/// Of incidents, in seconds: a stall is seen within 0.3, a restart takes seconds, a person minutes.
const STAGE_BOUNDS_S: [f64; 11] = [
    0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0,
];

/// A gauge of the pool, and where its value is.
type Gauge = (&'static str, &'static str, fn(&Availability) -> Option<f64>);

const GAUGES: [Gauge; 3] = [
    (
        "evenkeel_availability",
        "Share of the pool's known time in the objective's window in which it was up",
        |a| a.account.availability,
    ),
    (
        "evenkeel_request_availability",
        "Share of the pool's requests in the objective's window that were not answered with 5xx",
        |a| a.request_availability,
    ),
    (
        "evenkeel_error_budget_left",
        "Share of the pool's error budget that is left; below 0 = overspent",
        |a| Some(a.budget_left),
    ),
];

pub(super) fn encode(all: &[AccountSample], page: &mut Page<'_>) -> fmt::Result {
    for (name, help, value) in GAUGES {
        page.family(name, help, MetricType::Gauge, |family| {
            all.iter().try_for_each(|sample| {
                let value = value(&sample.seen);
                value.map_or(Ok(()), |v| family.gauge_f64(&[("pool", &sample.pool)], v))
            })
        })?;
    }
    burns(all, page)?;
    stages(all, page)?;
    page.family(
        "evenkeel_endpoint_availability",
        "Share of the endpoint's known time in the objective's window in which it was up",
        MetricType::Gauge,
        |family| each_endpoint(all, family, |a| a.availability),
    )?;
    page.family(
        "evenkeel_endpoint_even_share_ratio",
        "The endpoint's requests in the objective's window as a multiple of its share of the weight",
        MetricType::Gauge,
        |family| {
            for sample in all {
                for endpoint in &sample.seen.endpoints {
                    let labels = [("pool", &*sample.pool), ("endpoint", &endpoint.name)];
                    if let Some(ratio) = endpoint.against_even.requests {
                        family.gauge_f64(&labels, ratio)?;
                    }
                }
            }
            Ok(())
        },
    )?;
    counts(
        all,
        page,
        "evenkeel_endpoint_faults",
        "Times in the objective's window the endpoint went down",
        |e| e.faults,
    )?;
    counts(
        all,
        page,
        "evenkeel_endpoint_failovers",
        "Times in the objective's window a fault took the endpoint while another was there to take its work",
        |e| e.failovers,
    )?;
    page.family(
        "evenkeel_endpoint_down_seconds",
        "Time of the objective's window in which the endpoint was down",
        MetricType::Gauge,
        |family| each_endpoint(all, family, |a| Some(a.down_s)),
    )
}

fn burns(all: &[AccountSample], page: &mut Page<'_>) -> fmt::Result {
    page.family(
        "evenkeel_burn_rate",
        "How many times as fast as allowed the error budget was spent in this window",
        MetricType::Gauge,
        |family| {
            for sample in all {
                for (rule, long, short) in &sample.burns {
                    for (window, burn) in [(rule.long, long), (rule.short, short)] {
                        // A window that two rules look at is one.
                        if first(rule, window) {
                            let window = duration(window);
                            let labels = [("pool", &*sample.pool), ("window", &window)];
                            family.gauge_f64(&labels, *burn)?;
                        }
                    }
                }
            }
            Ok(())
        },
    )?;
    page.family(
        "evenkeel_burn_alert",
        "1 = this alert goes on: the error budget is spent faster than burn over both windows",
        MetricType::Gauge,
        |family| {
            for sample in all {
                for rule in &RULES {
                    let same = |alert: &&_| is(rule, alert);
                    let firing = sample.seen.alerts.iter().find(same).is_some();
                    let burn = rule.burn().to_string();
                    let labels = [
                        ("pool", &*sample.pool),
                        ("severity", rule.severity),
                        ("burn", &burn),
                    ];
                    family.gauge(&labels, i64::from(firing))?;
                }
            }
            Ok(())
        },
    )
}

fn stages(all: &[AccountSample], page: &mut Page<'_>) -> fmt::Result {
    page.family(
        "evenkeel_incident_stage_seconds",
        "How long each step of the pool's closed incidents took, by cause (a label moves them to another), since its account began; times are known within a tenth",
        MetricType::Histogram,
        |family| {
            for sample in all {
                for (cause, stages) in sample.causes.iter() {
                    for (stage, times) in Stage::ALL.into_iter().zip(stages) {
                        let labels = [
                            ("pool", &*sample.pool),
                            ("cause", &**cause),
                            ("stage", stage.name()),
                        ];
                        family.times(&labels, times, &STAGE_BOUNDS_S)?;
                    }
                }
            }
            Ok(())
        },
    )
}

fn is(rule: &Rule, alert: &evenkeel_schema::admin::Alert) -> bool {
    alert.long == duration(rule.long)
}

/// Is it this rule that shows the window?
fn first(rule: &Rule, window: std::time::Duration) -> bool {
    let shows = RULES.iter().find(|r| r.long == window || r.short == window);
    shows == Some(rule)
}

fn counts(
    all: &[AccountSample],
    page: &mut Page<'_>,
    name: &str,
    help: &str,
    value: fn(&EndpointAvailability) -> u64,
) -> fmt::Result {
    page.family(name, help, MetricType::Gauge, |family| {
        for sample in all {
            for endpoint in &sample.seen.endpoints {
                let labels = [("pool", &*sample.pool), ("endpoint", &endpoint.name)];
                let value = i64::try_from(value(endpoint)).unwrap_or(i64::MAX);
                family.gauge(&labels, value)?;
            }
        }
        Ok(())
    })
}

fn each_endpoint(
    all: &[AccountSample],
    family: &mut Family<'_>,
    value: fn(&Account) -> Option<f64>,
) -> fmt::Result {
    for sample in all {
        for endpoint in &sample.seen.endpoints {
            let labels = [("pool", &*sample.pool), ("endpoint", &endpoint.name)];
            if let Some(value) = value(&endpoint.account) {
                family.gauge_f64(&labels, value)?;
            }
        }
    }
    Ok(())
}
