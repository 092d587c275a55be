//! Looking: checks of endpoints, readiness of services, addresses of names. Each look is a task with its own time-out;
//! the engine asks, the report comes back with the fence it was asked under.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::diagnose::Source;
use evenkeel_core::engine::{AgentLook, AgentSaid, Event};
use evenkeel_core::id::{EndpointId, Epoch, ServiceId};
use evenkeel_core::incident::{About, Observation};
use evenkeel_core::supervise::ServiceEvent;
use evenkeel_probe::{Layer, Outcome};
use tokio::sync::{Semaphore, mpsc};

use super::{Driver, Report};
use crate::names::{Resolved, choose};

/// Looks at once, each with one descriptor: with all of them hanging for the default second, still hundreds a second.
const LOOKS_MAX: usize = 512;
/// One look at whether a service is ready; the engine asks again.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// A probe ended.
pub(crate) struct Probed {
    endpoint: EndpointId,
    /// Where it was made to.
    address: Address,
    epoch: Epoch,
    outcome: Outcome,
}

/// Starts looks, with a bound on how many run at once.
pub(super) struct Looks {
    permits: Arc<Semaphore>,
    reports: mpsc::Sender<Report>,
    blind: Arc<Blind>,
}

/// Whether checks can look at all. Out of descriptors they see nothing, which must not be taken for endpoints that are
/// down: what is known stays until they see again.
#[derive(Default)]
struct Blind(AtomicBool);

impl Blind {
    /// Did this check see nothing, for want of something here? The first and the last time are told.
    fn is(&self, outcome: &Outcome) -> bool {
        let blind = outcome.layer == Layer::Here;
        if self.0.swap(blind, Relaxed) != blind {
            match blind {
                true => tracing::error!(
                    error = %outcome.detail,
                    "checks cannot look: this process is out of descriptors or memory (ulimit -n); endpoints stay as they are"
                ),
                false => tracing::info!("checks can look again"),
            }
        }
        blind
    }
}

impl Looks {
    pub(super) fn new(reports: mpsc::Sender<Report>) -> Looks {
        Looks {
            permits: Arc::new(Semaphore::new(LOOKS_MAX)),
            reports,
            blind: Arc::default(),
        }
    }

    fn start<L>(&self, look: L)
    where
        L: Future<Output = Report> + Send + 'static,
    {
        let (permits, reports) = (self.permits.clone(), self.reports.clone());
        tokio::spawn(async move {
            let Ok(permit) = permits.acquire().await else {
                return;
            };
            let report = look.await;
            drop(permit);
            // A loop that ended wants no report.
            let _ = reports.send(report).await;
        });
    }
}

impl Driver {
    pub(super) fn probe(
        &self,
        endpoint: EndpointId,
        address: Address,
        timeout: Duration,
        epoch: Epoch,
    ) {
        let Some(view) = self.engine.endpoint(endpoint) else {
            return;
        };
        let (mut check, host) = (view.check.clone(), host_field(view.target));
        check.timeout = timeout;
        let (tls, name) = (
            self.tls.pool(view.pool_name).cloned(),
            bare_host(view.target),
        );
        let blind = self.looks.blind.clone();
        self.looks.start(async move {
            loop {
                let tls = tls.as_deref().map(|client| evenkeel_probe::Tls {
                    client,
                    host: &name,
                });
                let outcome = evenkeel_probe::run(&check, &address, &host, tls).await;
                if !blind.is(&outcome) {
                    return Report::Probed(Probed {
                        endpoint,
                        address,
                        epoch,
                        outcome,
                    });
                }
                tokio::time::sleep(check.fast_interval).await;
            }
        });
    }

    pub(super) fn probed(&mut self, probed: Probed) {
        let Probed {
            endpoint,
            address,
            epoch,
            outcome,
        } = probed;
        // What is seen at another address than the one in use says nothing of how the endpoint serves.
        let used = self.engine.endpoint(endpoint);
        let used = used.is_some_and(|view| view.address == Some(&address));
        if used {
            let us = u64::try_from(outcome.took.as_micros()).unwrap_or(u64::MAX);
            self.checks.entry(endpoint).or_default().observe_us(us);
        }
        if let Some(evidence) = outcome.evidence.filter(|_| used) {
            self.event(Event::Observed(Observation {
                about: About::Endpoint(endpoint),
                evidence,
                present: true,
                source: Source::Check,
                value: outcome.detail.clone(),
            }));
        }
        self.event(Event::Probed {
            endpoint,
            epoch,
            passed: outcome.passed,
            contact: outcome.contact,
            detail: outcome.detail,
        });
    }

    /// Reads a line of an endpoint's agent.
    pub(super) fn ask_agent(&self, look: AgentLook) {
        self.looks.start(async move {
            Report::AgentSaid(AgentSaid {
                endpoint: look.endpoint,
                epoch: look.epoch,
                answer: evenkeel_probe::agent_line(&look.address, look.timeout).await,
            })
        });
    }

    pub(super) fn look_ready(&self, service: ServiceId, epoch: Epoch) {
        let Some(view) = self.engine.service(service) else {
            return;
        };
        let (ready, directory) = (view.spec.ready.clone(), view.spec.directory.clone());
        self.looks.start(async move {
            let outcome = evenkeel_probe::ready(&ready, &directory, READY_WITHIN).await;
            Report::Ready(service, epoch, outcome)
        });
    }

    pub(super) fn looked_ready(&mut self, service: ServiceId, epoch: Epoch, outcome: &Outcome) {
        tracing::debug!(service = service.0, "ready? {}", outcome.detail);
        let passed = outcome.passed;
        let event = ServiceEvent::ReadyProbed { epoch, passed };
        self.event(Event::Service { service, event });
    }

    /// Every host name among the endpoints, once.
    pub(super) fn look_up_names(&mut self) {
        let mut names = BTreeSet::new();
        for endpoint in self.config.pools.iter().flat_map(|p| &p.endpoints) {
            for target in std::iter::once(&endpoint.target).chain(&endpoint.others) {
                if let Target::Name { host, port } = target {
                    names.insert((host.clone(), *port));
                }
            }
        }
        self.names.look_up(names);
    }

    pub(super) fn resolved(&mut self, resolved: Resolved) {
        self.names.done(&resolved);
        let addresses = resolved.addresses.as_deref().unwrap_or_default();
        let (host, port) = resolved.name.clone();
        let target = Target::Name { host, port };
        for (endpoint, current) in self.named(&target) {
            self.event(Event::Resolved {
                endpoint,
                target: target.clone(),
                address: choose(current, addresses).map(Address::Ip),
            });
        }
    }

    /// The endpoints of this name, with where they are now.
    fn named(&self, name: &Target) -> Vec<(EndpointId, Option<SocketAddr>)> {
        let mut found = Vec::new();
        for endpoint in self.engine.pools().flat_map(|pool| pool.endpoints) {
            let (ways, _) = endpoint.path.ways();
            if let Some(way) = ways.iter().find(|way| way.target() == name) {
                let current = match way.address() {
                    Some(Address::Ip(ip)) => Some(*ip),
                    _ => None,
                };
                found.push((endpoint.id, current));
            }
        }
        found
    }
}

/// What a check sends as `Host` unless told otherwise: the endpoint as configured. A unix socket has no name.
fn host_field(target: &Target) -> String {
    match target {
        Target::Address(Address::Unix(_)) => "localhost".into(),
        other => other.to_string(),
    }
}

/// Whom a certificate must be made for unless the pool says so: the endpoint as configured, without its port. The schema
/// wants a name where it is a unix socket.
fn bare_host(target: &Target) -> String {
    match target {
        Target::Address(Address::Ip(ip)) => ip.ip().to_string(),
        Target::Address(Address::Unix(_)) => "localhost".into(),
        Target::Name { host, .. } => host.clone(),
    }
}
