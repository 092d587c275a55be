//! `GET /v1/availability`: the account of a pool, and what the model says of another fleet.

use evenkeel_core::account::{EndpointReport, Figures, Kind, PoolReport, Stage, Times, what_if};
use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;
use crate::text::{duration, nines};

/// `GET /v1/availability`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Availabilities {
    /// By name.
    pub pools: Vec<Availability>,
    /// What a service that needs every one of these pools would have, if they failed independently of each other; `null`
    /// while one of them is not known.
    pub all: Option<f64>,
}

/// Seconds of the window by kind, and what they say. Figures of nothing seen yet are `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// It served, or could have.
    pub up_s: f64,
    /// It should have served, and could not.
    pub down_s: f64,
    /// Draining or in maintenance.
    pub planned_s: f64,
    /// Nobody looked: not probed yet, or the balancer did not run.
    pub unknown_s: f64,
    /// up / (up + down).
    pub availability: Option<f64>,
}

/// Mean times; intervals hold the true mean nine times in ten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanTimes {
    /// Mean operating (up) time between failures.
    pub mtbf_s: Option<f64>,
    /// Mean time to repair.
    pub mttr_s: Option<f64>,
    /// Of `mtbf_s`.
    pub mtbf_interval_s: (Option<f64>, Option<f64>),
    /// Of `mttr_s`.
    #[serde(default)]
    pub mttr_interval_s: (Option<f64>, Option<f64>),
}

/// `GET /v1/availability/POOL`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Availability {
    /// Its name.
    pub pool: String,
    /// The objective's; everything here is of this time until now, as far as it was observed.
    pub window: String,
    /// The pool's: it is up while one endpoint is usable.
    #[serde(flatten)]
    pub account: Account,
    /// Good / all requests; bad is 5xx, an endpoint's or evenkeel's own, after all tries.
    pub request_availability: Option<f64>,
    /// The pool's.
    #[serde(flatten)]
    pub times: MeanTimes,
    /// Share of the error budget that is left; less than 0 = overspent.
    pub budget_left: f64,
    /// How many times as fast as allowed it was spent in the last hour.
    pub burn_rate: f64,
    /// What is aimed for.
    pub objective: String,
    /// What it is now: `up`, `down`, `planned`, `unknown`.
    pub state: String,
    /// When the account began.
    pub since: Stamp,
    /// Times the pool went down.
    pub faults: u64,
    /// Requests answered.
    pub requests: u64,
    /// Of those, bad.
    pub failed_requests: u64,
    /// Burn alerts that go on, worst first.
    pub alerts: Vec<Alert>,
    /// What the pool's availability would be if its endpoints failed independently of each other, each as it did.
    pub availability_if_independent: Option<f64>,
    /// An endpoint's even share of what all of them had: 1/K, whatever its weight.
    pub even_share: Share,
    /// By name.
    pub endpoints: Vec<EndpointAvailability>,
    /// Times by cause, of all incidents since the account began; of those that were labelled, under the label.
    pub causes: Vec<Cause>,
    /// Where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what_if: Option<WhatIfAnswer>,
}

/// An even share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Of the requests (tries).
    pub requests: f64,
    /// Of the faults.
    pub faults: f64,
    /// Of the failovers.
    pub failovers: f64,
}

/// One of [`Availability::endpoints`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointAvailability {
    /// Its name.
    pub name: String,
    /// What it is now: `up`, `down`, `planned`, `unknown`.
    pub state: String,
    /// Its own.
    #[serde(flatten)]
    pub account: Account,
    /// Its own.
    #[serde(flatten)]
    pub times: MeanTimes,
    /// Tries it was given.
    pub requests: u64,
    /// Of those, failed.
    pub failures: u64,
    /// Times it went down, or was found so at first.
    pub faults: u64,
    /// Times a fault took it, or what was done about one, while another was there to take its work; what an operator takes
    /// out is planned.
    pub failovers: u64,
    /// Its even share: of the requests its share of the weight (0 in a later tier and for a standby), of the rest 1/K.
    pub even_share: Share,
    /// What it had, as a multiple of that; `null` where there is nothing to share.
    pub against_even: Ratio,
}

/// Multiples of an even share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Of the requests (tries).
    pub requests: Option<f64>,
    /// Of the faults.
    pub faults: Option<f64>,
    /// Of the failovers.
    pub failovers: Option<f64>,
}

/// A burn alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// `page`: somebody has to look now. `ticket`: within days.
    pub severity: String,
    /// Begins at this burn: the rule's, or nine tenths of the fastest there is where the objective leaves no room for that.
    pub burn: f64,
    /// Over this window…
    pub long: String,
    /// … and over this one.
    pub short: String,
    /// Since when.
    pub since: Stamp,
    /// The burn over the long window now.
    pub burn_long: f64,
    /// The burn over the short window now.
    pub burn_short: f64,
}

/// One of [`Availability::causes`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Its name.
    pub cause: String,
    /// From the first sign to the incident.
    pub detect: CauseTimes,
    /// From there to the decision.
    pub decide: CauseTimes,
    /// From there to the action's end.
    pub act: CauseTimes,
    /// From the first sign until all was well.
    pub restore: CauseTimes,
}

/// How long something took, within a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseTimes {
    /// How many.
    pub count: u64,
    /// Half of them were not slower.
    pub p50_ms: Option<f64>,
    /// Nine in ten were not slower.
    pub p90_ms: Option<f64>,
    /// The slowest.
    pub max_ms: Option<f64>,
}

/// What the Markov model says of another fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhatIfAnswer {
    /// How many endpoints.
    pub endpoints: u32,
    /// How many of them are needed.
    pub needed: u32,
    /// How many are repaired at a time.
    pub crews: u32,
    /// Mean time to failure of one.
    pub mttf_s: Option<f64>,
    /// Mean time to repair.
    pub mttr_s: Option<f64>,
    /// The share of time in which enough work.
    pub availability: Option<f64>,
    /// 1 − availability, with its digits.
    pub unavailability: Option<f64>,
    /// The availability at both ends of what the mean time to failure may be, nine times in ten.
    pub availability_interval: (Option<f64>, Option<f64>),
    /// Outage in a year.
    pub down_per_year_s: Option<f64>,
    /// What was assumed, and how little is known.
    pub notes: Vec<String>,
}

impl From<&Figures> for Account {
    fn from(figures: &Figures) -> Account {
        let sum = &figures.sum;
        Account {
            up_s: sum.seconds(Kind::Up),
            down_s: sum.seconds(Kind::Down),
            planned_s: sum.seconds(Kind::Planned),
            unknown_s: sum.seconds(Kind::Unknown),
            availability: sum.availability(),
        }
    }
}

impl From<&Figures> for MeanTimes {
    fn from(figures: &Figures) -> MeanTimes {
        MeanTimes {
            mtbf_s: figures.mtbf_s,
            mttr_s: figures.mttr_s,
            mtbf_interval_s: figures.mtbf_interval_s,
            mttr_interval_s: figures.mttr_interval_s,
        }
    }
}

impl From<&EndpointReport> for EndpointAvailability {
    fn from(report: &EndpointReport) -> EndpointAvailability {
        EndpointAvailability {
            name: report.name.to_string(),
            state: report.figures.kind.name().to_owned(),
            account: (&report.figures).into(),
            times: (&report.figures).into(),
            requests: report.requests,
            failures: report.failures,
            faults: report.figures.sum.failures,
            failovers: report.failovers,
            even_share: Share::default(),
            against_even: Ratio::default(),
        }
    }
}

impl EndpointAvailability {
    /// Compares it with its share of what all of them had. `all` is 1/K of it.
    fn compare(&mut self, all: &Share, requests: u64, weight_share: f64) {
        self.even_share = Share {
            requests: requests as f64 * weight_share,
            ..*all
        };
        let ratio = |had: u64, even: f64| (even > 0.0).then(|| had as f64 / even);
        self.against_even = Ratio {
            requests: ratio(self.requests, self.even_share.requests),
            faults: ratio(self.faults, self.even_share.faults),
            failovers: ratio(self.failovers, self.even_share.failovers),
        };
    }
}

impl From<&PoolReport<'_>> for Availability {
    fn from(report: &PoolReport<'_>) -> Availability {
        let (endpoints, even_share) = shared(&report.endpoints);
        Availability {
            pool: report.name.to_string(),
            window: duration(report.objective.window),
            account: (&report.figures).into(),
            request_availability: report.request_availability(),
            times: (&report.figures).into(),
            budget_left: report.budget_left,
            burn_rate: report.burn_rate,
            objective: nines(report.objective.availability),
            state: report.figures.kind.name().to_owned(),
            since: Stamp(report.began),
            faults: report.figures.sum.failures,
            requests: report.requests,
            failed_requests: report.failed_requests,
            alerts: alerts(report),
            availability_if_independent: report.independent,
            even_share,
            endpoints,
            causes: causes(report),
            what_if: None,
        }
    }
}

/// Endpoints with what each had against its even share, and 1/K of what all had.
fn shared(reports: &[EndpointReport]) -> (Vec<EndpointAvailability>, Share) {
    let mut endpoints: Vec<EndpointAvailability> = reports.iter().map(Into::into).collect();
    let sum = |of: fn(&EndpointAvailability) -> u64| endpoints.iter().map(of).sum::<u64>();
    let even = |sum: u64| sum as f64 / endpoints.len().max(1) as f64;
    let requests = sum(|e| e.requests);
    let share = Share {
        requests: even(requests),
        faults: even(sum(|e| e.faults)),
        failovers: even(sum(|e| e.failovers)),
    };
    for (endpoint, report) in endpoints.iter_mut().zip(reports) {
        endpoint.compare(&share, requests, report.weight_share);
    }
    (endpoints, share)
}

/// Burn alerts that go on, worst first.
pub fn alerts(report: &PoolReport<'_>) -> Vec<Alert> {
    let firing = report.firing.iter().filter_map(|firing| {
        let same = |(rule, ..): &&(&_, f64, f64)| *rule == firing.rule;
        let (rule, burn_long, burn_short) = report.burns.iter().find(same)?;
        Some(Alert {
            severity: rule.severity.to_owned(),
            burn: rule.burn_at(report.objective.availability),
            long: duration(rule.long),
            short: duration(rule.short),
            since: Stamp(firing.since),
            burn_long: *burn_long,
            burn_short: *burn_short,
        })
    });
    firing.collect()
}

fn causes(report: &PoolReport<'_>) -> Vec<Cause> {
    let causes = report.causes.iter().map(|(cause, stages)| {
        let of = |stage: Stage| CauseTimes::from(&stages[stage as usize]);
        Cause {
            cause: cause.to_string(),
            detect: of(Stage::Detect),
            decide: of(Stage::Decide),
            act: of(Stage::Act),
            restore: of(Stage::Restore),
        }
    });
    causes.collect()
}

impl From<&Times> for CauseTimes {
    fn from(times: &Times) -> CauseTimes {
        let ms = |share| Some(times.quantile(share)?.as_secs_f64() * 1e3);
        CauseTimes {
            count: times.count(),
            p50_ms: ms(0.5),
            p90_ms: ms(0.9),
            max_ms: ms(1.0),
        }
    }
}

impl From<what_if::Answer> for WhatIfAnswer {
    fn from(answer: what_if::Answer) -> WhatIfAnswer {
        WhatIfAnswer {
            endpoints: answer.endpoints,
            needed: answer.needed,
            crews: answer.crews,
            mttf_s: answer.mttf_s,
            mttr_s: answer.mttr_s,
            availability: answer.unavailability.map(|u| 1.0 - u),
            unavailability: answer.unavailability,
            availability_interval: answer.availability_interval,
            down_per_year_s: answer.down_per_year_s(),
            notes: answer.notes,
        }
    }
}

/// What `--what-if` and `?what_if=` take, for messages.
pub const WHAT_IF_WANTED: &str = "endpoints=N, needed=N, crews=N, mttf=TIME, mttr=TIME, joined by commas; a TIME is like 30d, 12h, 5m or 90s";

/// Reads `endpoints=4,crews=1`.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse_what_if(text: &str) -> Result<what_if::Question, String> {
    let mut question = what_if::Question::default();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        let number = || {
            value
                .parse::<u32>()
                .map_err(|_| wrong(part, "a whole number"))
        };
        let time = || seconds(value).ok_or_else(|| wrong(part, "a time like 30d, 12h, 5m or 90s"));
        let twice = match key.trim() {
            "endpoints" => question.endpoints.replace(number()?).is_some(),
            "needed" => question.needed.replace(number()?).is_some(),
            "crews" => question.crews.replace(number()?).is_some(),
            "mttf" => question.mttf_s.replace(time()?).is_some(),
            "mttr" => question.mttr_s.replace(time()?).is_some(),
            _ => return Err(wrong(part, WHAT_IF_WANTED)),
        };
        if twice {
            return Err(wrong(part, "each only once"));
        }
    }
    Ok(question)
}

fn wrong(found: &str, wanted: &str) -> String {
    format!("found {found:?}, wanted {wanted}")
}

/// Means may be fractions, and longer than any duration of a configuration.
fn seconds(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 6] = [
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86_400.0),
        ("y", 31_536_000.0),
    ];
    let unit = |(unit, seconds): &(&str, f64)| Some((text.strip_suffix(unit)?, *seconds));
    let (number, unit) = UNITS.iter().find_map(unit)?;
    let number = number.parse::<f64>().ok()?;
    let seconds = number * unit;
    (seconds.is_finite() && seconds > 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_what_if_is_read_and_what_it_does_not_know_is_refused() {
        let question = parse_what_if("endpoints=4, crews=1,needed=2,mttf=1.5h,mttr=500ms").unwrap();
        let expected = what_if::Question {
            endpoints: Some(4),
            needed: Some(2),
            crews: Some(1),
            mttf_s: Some(5400.0),
            mttr_s: Some(0.5),
        };
        assert_eq!(question, expected);
        assert_eq!(parse_what_if(""), Ok(what_if::Question::default()));
        for (text, why) in [
            ("endpoints", "a whole number"),
            ("endpoints=-1", "a whole number"),
            ("endpoints=4,endpoints=5", "only once"),
            ("mttf=5", "a time like"),
            ("mttf=0s", "a time like"),
            ("mttr=nans", "a time like"),
            ("mttr=infs", "a time like"),
            ("crew=1", "endpoints=N"),
        ] {
            let error = parse_what_if(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
