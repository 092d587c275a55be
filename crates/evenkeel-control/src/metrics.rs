//! `/metrics`: what the counters say at this moment, as OpenMetrics or in the older Prometheus text format. Nothing is kept here; every scrape
//! reads the counters that are counted anyway. Labels are names of the configuration, never anything a client sent.

mod account;
mod agents;
mod beats;
mod certificates;
mod ejections;
mod facts;
mod incidents;
mod journal;
mod notices;
mod page;
mod paths;
mod prevention;
mod redo;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::counters::{
    CounterSet, EndpointShared, Handshake, Histogram, ListenerWorker, PoolWorker, Reject,
};
use evenkeel_core::engine::BeatsView;
use evenkeel_core::health::traffic::By;
use evenkeel_core::prevent::Filling;
use evenkeel_core::table::State;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::driver::{AgentSample, Newest};
use crate::tls::Certificate;
use page::Page;

pub(crate) use account::AccountSample;
pub(crate) use paths::PathSample;

/// One endpoint's.
#[derive(Clone, Debug)]
pub(crate) struct EndpointSample {
    pub(crate) pool: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) state: State,
    pub(crate) suspected: bool,
    /// By rule: carried out, and found but not carried out.
    pub(crate) ejections: [u64; By::ALL.len()],
    pub(crate) spared: [u64; By::ALL.len()],
    /// How near it is to what it may use, in percent, where that is known.
    pub(crate) heat: Option<u32>,
    pub(crate) effective_weight: u32,
    pub(crate) filling: Vec<Filling>,
    pub(crate) shared: Arc<EndpointShared>,
    /// Of its checks, once there was one.
    pub(crate) checks: Option<Arc<Histogram>>,
    /// Of its heartbeats, once there was one.
    pub(crate) heartbeat: Option<BeatsView>,
    /// Where it has several addresses.
    pub(crate) path: Option<PathSample>,
}

/// Everything a scrape shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) counters: Arc<CounterSet>,
    pub(crate) endpoints: Vec<EndpointSample>,
    /// Pools that know their clients again.
    pub(crate) sticky: BTreeSet<Arc<str>>,
    /// Now, in seconds since 1970.
    pub(crate) now_s: u64,
    /// Restarts by service.
    pub(crate) services: BTreeMap<Arc<str>, u64>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) facts: Newest,
    /// Agents of other hosts.
    pub(crate) agents: Vec<AgentSample>,
    /// How often somebody was not let in as one, by reason.
    pub(crate) agents_refused: [(&'static str, u64); 3],
    pub(crate) accounts: Vec<AccountSample>,
    /// Of each pool, the share of what could be let in that is.
    pub(crate) admissions: Vec<(Arc<str>, f64)>,
    /// Incidents that are over, by cause.
    pub(crate) incidents: BTreeMap<&'static str, u64>,
    pub(crate) incidents_open: u64,
    pub(crate) revision: u64,
    pub(crate) rejected: u64,
    /// Times this process did not run for a while.
    pub(crate) pauses: u64,
    /// All of them together.
    pub(crate) paused_s: f64,
    /// Does this machine reach nobody?
    pub(crate) alone: bool,
    /// Messages to people by pool and outcome; waiting; withheld.
    pub(crate) notices: (BTreeMap<(String, &'static str), u64>, usize, u64),
    /// What should be kept cannot be stored.
    pub(crate) store_failing: bool,
    /// How the journal is.
    pub(crate) journal: evenkeel_journal::View,
    /// When this balancer started, seconds since 1970.
    pub(crate) started_s: u64,
}

/// Content type and text: OpenMetrics for a scraper that accepts it, else the older format that everything reads.
pub(crate) fn page(sample: Sample, accept: &str) -> (&'static str, String) {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(sample));
    let mut text = String::new();
    // Only the writer can fail, and a String does not.
    let _ = encode(&mut text, &registry);
    match accept.contains("application/openmetrics-text") {
        true => (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            text,
        ),
        false => ("text/plain; version=0.0.4; charset=utf-8", classic(&text)),
    }
}

/// The older format knows no `# EOF`, and its counters are described under their whole name, with `_total`.
fn classic(text: &str) -> String {
    let counters: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut classic = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(word), Some(name), Some(rest)) if counters.contains(name) => {
                classic.extend(["# ", word, " ", name, "_total ", rest, "\n"]);
            }
            _ => classic.extend([line, "\n"]),
        }
    }
    classic
}

/// A metric's name, its help, and where its value is.
type Column<T, V> = (&'static str, &'static str, fn(&T) -> V);

impl Collector for Sample {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.requests(&mut page)?;
        self.listeners(&mut page)?;
        self.pools(&mut page)?;
        self.endpoints(&mut page)?;
        self.redo(&mut page)?;
        self.sessions(&mut page)?;
        self.heartbeats(&mut page)?;
        self.certificates(&mut page)?;
        self.facts(&mut page)?;
        self.agents(&mut page)?;
        account::encode(&self.accounts, &mut page)?;
        self.incidents(&mut page)?;
        self.journal(&mut page)?;
        self.notices(&mut page)?;
        self.process(&mut page)
    }
}

impl Sample {
    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        const CODES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
        let routes = &self.counters.routes;
        page.family(
            "evenkeel_requests",
            "Requests by the class of the status sent; none = ended without one",
            MetricType::Counter,
            |family| {
                for (label, workers) in routes {
                    for (class, code) in CODES.iter().enumerate() {
                        let labels = [
                            ("listener", label.listener.as_str()),
                            ("route", &label.route),
                            ("pool", &label.pool),
                            ("code", code),
                        ];
                        family.count(&labels, workers.sum(|w| w.by_class[class].value()))?;
                    }
                }
                Ok(())
            },
        )?;
        page.family(
            "evenkeel_request_seconds",
            "From the last byte of a request's head to the end of its answer",
            MetricType::Histogram,
            |family| {
                for (label, workers) in routes {
                    let labels = [
                        ("listener", label.listener.as_str()),
                        ("route", &label.route),
                        ("pool", &label.pool),
                    ];
                    family.histogram(&labels, workers.iter().map(|w| &w.seconds))?;
                }
                Ok(())
            },
        )
    }

    fn listeners(&self, page: &mut Page<'_>) -> fmt::Result {
        const COUNTS: [Column<ListenerWorker, u64>; 3] = [
            (
                "evenkeel_connections_accepted",
                "Client connections accepted",
                |w| w.accepted.value(),
            ),
            ("evenkeel_received_bytes", "Bytes read from clients", |w| {
                w.bytes_in.value()
            }),
            ("evenkeel_sent_bytes", "Bytes written to clients", |w| {
                w.bytes_out.value()
            }),
        ];
        let listeners = &self.counters.listeners;
        let help = "Client connections open now";
        page.family("evenkeel_connections", help, MetricType::Gauge, |family| {
            listeners.iter().try_for_each(|(name, workers)| {
                let open = workers.iter().map(|w| w.open.value()).sum();
                family.gauge(&[("listener", name)], open)
            })
        })?;
        for (name, help, value) in COUNTS {
            page.family(name, help, MetricType::Counter, |family| {
                listeners.iter().try_for_each(|(listener, workers)| {
                    family.count(&[("listener", listener)], workers.sum(value))
                })
            })?;
        }
        let help = "TLS handshakes with clients";
        page.family(
            "evenkeel_tls_handshakes",
            help,
            MetricType::Counter,
            |family| {
                for (listener, workers) in listeners {
                    for result in Handshake::ALL {
                        let labels = [("listener", listener.as_str()), ("result", result.name())];
                        family.count(&labels, workers.sum(|w| w.handshakes(result).value()))?;
                    }
                }
                Ok(())
            },
        )?;
        let help = "Answers evenkeel gave itself and connections it cut";
        page.family("evenkeel_rejected", help, MetricType::Counter, |family| {
            for (listener, workers) in listeners {
                for reason in Reject::ALL {
                    let labels = [("listener", listener.as_str()), ("reason", reason.name())];
                    family.count(&labels, workers.sum(|w| w.rejected(reason).value()))?;
                }
            }
            Ok(())
        })
    }

    fn pools(&self, page: &mut Page<'_>) -> fmt::Result {
        const COUNTS: [Column<PoolWorker, u64>; 3] = [
            ("evenkeel_retries", "Further tries made", |w| {
                w.retries.value()
            }),
            (
                "evenkeel_retries_refused",
                "Further tries that the retry budget refused",
                |w| w.retries_refused.value(),
            ),
            (
                "evenkeel_failure_reports_dropped",
                "Failures that did not fit the queue to control",
                |w| w.failures_dropped.value(),
            ),
        ];
        let pools = &self.counters.pools;
        for (name, help, value) in COUNTS {
            page.family(name, help, MetricType::Counter, |family| {
                pools.iter().try_for_each(|(pool, workers)| {
                    family.count(&[("pool", pool)], workers.sum(value))
                })
            })?;
        }
        let help = "Requests waiting for an endpoint with room";
        page.family("evenkeel_queued", help, MetricType::Gauge, |family| {
            pools.iter().try_for_each(|(pool, workers)| {
                let queued = workers.iter().map(|w| w.queued.value()).sum();
                family.gauge(&[("pool", pool)], queued)
            })
        })
    }

    fn endpoints(&self, page: &mut Page<'_>) -> fmt::Result {
        const COUNTS: [Column<EndpointSample, u64>; 3] = [
            ("evenkeel_endpoint_tries", "Tries begun", |e| {
                e.shared.workers.sum(|w| w.tries.value())
            }),
            ("evenkeel_endpoint_failures", "Tries that failed", |e| {
                e.shared.workers.sum(|w| w.failures.value())
            }),
            ("evenkeel_endpoint_connects", "Connections opened", |e| {
                e.shared.workers.sum(|w| w.connects.value())
            }),
        ];
        let all = &self.endpoints;
        let states = State::ALL.iter().enumerate();
        let states: Vec<_> = states.map(|(n, s)| format!("{n} {}", s.name())).collect();
        let help = format!("State of the endpoint: {}", states.join(", "));
        page.family(
            "evenkeel_endpoint_state",
            &help,
            MetricType::Gauge,
            |family| {
                all.iter()
                    .try_for_each(|e| family.gauge(&e.labels(), e.state as i64))
            },
        )?;
        let help = "Requests or connections at the endpoint now";
        page.family(
            "evenkeel_endpoint_in_flight",
            help,
            MetricType::Gauge,
            |family| {
                all.iter().try_for_each(|e| {
                    let in_flight = e.shared.in_flight.load(Relaxed);
                    family.gauge(&e.labels(), i64::from(in_flight))
                })
            },
        )?;
        for (name, help, value) in COUNTS {
            page.family(name, help, MetricType::Counter, |family| {
                all.iter()
                    .try_for_each(|e| family.count(&e.labels(), value(e)))
            })?;
        }
        self.ejections(page)?;
        self.paths(page)?;
        self.prevention(page)?;
        let help = "How long the endpoint's checks took";
        page.family(
            "evenkeel_check_seconds",
            help,
            MetricType::Histogram,
            |family| {
                let checked = all.iter().filter_map(|e| Some((e, e.checks.as_ref()?)));
                for (endpoint, checks) in checked {
                    family.histogram(&endpoint.labels(), std::iter::once(&**checks))?;
                }
                Ok(())
            },
        )
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        self.own(page)?;
        let gauges = [
            (
                "evenkeel_config_revision",
                "The configuration in force",
                self.revision,
            ),
            (
                "evenkeel_start_time_seconds",
                "When this balancer process started",
                self.started_s,
            ),
        ];
        for (name, help, value) in gauges {
            page.family(name, help, MetricType::Gauge, |family| {
                family.gauge(&[], i64::try_from(value).unwrap_or(i64::MAX))
            })?;
        }
        page.family(
            "evenkeel_config_rejected",
            "Configurations refused since this balancer process started",
            MetricType::Counter,
            |family| family.count(&[], self.rejected),
        )?;
        page.family(
            "evenkeel_service_restarts",
            "Restarts of supervised services",
            MetricType::Counter,
            |family| {
                self.services
                    .iter()
                    .try_for_each(|(name, restarts)| family.count(&[("service", name)], *restarts))
            },
        )
    }
}

impl Certificate {
    /// All from the configuration.
    fn labels(&self) -> [(&'static str, &str); 3] {
        [
            ("used_by", self.kind),
            ("name", &self.name),
            ("file", &self.file),
        ]
    }
}

impl EndpointSample {
    fn labels(&self) -> [(&'static str, &str); 2] {
        [("pool", &self.pool), ("endpoint", &self.name)]
    }
}
