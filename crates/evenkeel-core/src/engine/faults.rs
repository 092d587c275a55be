//! What the engine tells the ledger of incidents, and what it passes on of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::address::{Address, Target};
use crate::diagnose::{Evidence, Source};
use crate::health::traffic::By;
use crate::health::{DecidedBy, Endpoint, Order, Sign};
use crate::id::EndpointId;
use crate::incident::{About, Observation, Record, SubjectSpec};
use crate::observe::Failure;
use crate::settings::{PoolSpec, ServiceSpec};
use crate::table::State;

use super::command::{Command, Remark, ServiceTransition, Switch, Transition};
use super::{Engine, Event};

impl Engine {
    /// Every incident, newest first.
    pub fn incidents(&self) -> Vec<Record> {
        self.ledger.records()
    }

    /// One incident; of one that turned out to be part of another, that other.
    pub fn incident(&self, id: u64) -> Option<Record> {
        self.ledger.record(id)
    }

    /// How many are open.
    pub fn incidents_open(&self) -> usize {
        self.ledger.open_count()
    }

    /// The changes of state since `from` in the queue of commands are told to the ledger; the neighbours of what failed
    /// are looked at at once.
    pub(super) fn account(&mut self, from: usize) {
        let mut endpoints: Vec<Transition> = Vec::new();
        let mut services: Vec<ServiceTransition> = Vec::new();
        let mut remarks: Vec<Remark> = Vec::new();
        let mut switches: Vec<Switch> = Vec::new();
        for command in self.commands.iter().skip(from) {
            match command {
                Command::Changed(transition) => endpoints.push(transition.clone()),
                Command::ServiceChanged(transition) => services.push(transition.clone()),
                Command::Said(remark) => remarks.push(remark.clone()),
                Command::Switched(switch) => switches.push(switch.clone()),
                _ => {}
            }
        }
        for remark in remarks {
            let suspected = |endpoint: &Endpoint| endpoint.suspicion.is_some();
            if self.place_of(remark.endpoint).is_some_and(suspected) {
                self.concluded(remark.endpoint, DecidedBy::Outlier, &remark.text);
            }
        }
        let ending = std::mem::take(&mut self.ending);
        for transition in services {
            let status = ending.iter().find(|(name, _)| *name == transition.name);
            let status = status.map(|(_, status)| status.as_str());
            let fence = self.fences.last();
            self.ledger
                .service_changed(&transition, status, fence, self.now);
        }
        for transition in endpoints {
            self.ledger.changed(&transition);
            if transition.to == State::Down {
                self.concluded(transition.endpoint, transition.decided_by, &transition.why);
                for neighbour in self.ledger.neighbours(transition.endpoint) {
                    self.sign(neighbour, Sign::Look);
                }
            }
        }
        for switch in switches.iter().filter(|switch| !switch.change.back) {
            self.ledger
                .switched(switch.endpoint, &switch.change, self.now);
        }
    }

    pub(super) fn tell_incidents(&mut self) {
        let changes = self.ledger.finish(self.now).into_iter();
        let commands = changes.map(|change| Command::IncidentChanged(Box::new(change)));
        self.commands.extend(commands);
    }

    /// What the balancer knows of itself.
    pub(super) fn own_fault(&mut self, evidence: Evidence, present: bool, value: &str) {
        let seen = Observation {
            about: About::Everything,
            evidence,
            present,
            source: Source::Company,
            value: value.to_owned(),
        };
        self.ledger.observed(&seen, self.now);
    }

    /// What traffic or heartbeats came to, where that is more than single failures.
    fn concluded(&mut self, endpoint: EndpointId, by: DecidedBy, why: &str) {
        let Some(known) = self.place_of(endpoint) else {
            return;
        };
        let (evidence, source) = match by {
            DecidedBy::Heartbeat => (Evidence::HeartbeatMissed, Source::Heartbeat),
            DecidedBy::Outlier if known.suspicion.is_some() => (Evidence::Stalled, Source::Traffic),
            DecidedBy::Outlier => match known.ejected_by {
                Some(By::Stall) => (Evidence::Stalled, Source::Traffic),
                Some(By::Latency) => (Evidence::SlowAnswers, Source::Traffic),
                _ => return,
            },
            _ => return,
        };
        let seen = Observation {
            about: About::Endpoint(endpoint),
            evidence,
            present: true,
            source,
            value: why.to_owned(),
        };
        self.ledger.observed(&seen, self.now);
    }

    /// A name was looked up.
    pub(super) fn resolved(
        &mut self,
        endpoint: EndpointId,
        target: &Target,
        address: Option<&Address>,
    ) {
        let sign = match address {
            Some(address) => Sign::Resolved(target, address),
            None => Sign::Unresolved(target),
        };
        if self
            .place_of(endpoint)
            .is_some_and(|e| e.path.target() != target)
        {
            return self.sign(endpoint, sign);
        }
        let seen = Observation {
            about: About::Endpoint(endpoint),
            evidence: Evidence::NameUnknown,
            present: address.is_none(),
            source: Source::Configuration,
            value: String::new(),
        };
        self.ledger.observed(&seen, self.now);
        self.sign(endpoint, sign);
    }

    /// A try failed.
    pub(super) fn failed(&mut self, failure: &Failure) {
        let known = self.place_of(failure.endpoint);
        if known.is_some_and(|known| known.path.id() == failure.path) {
            self.ledger.failed(failure, self.now);
        }
        self.sign(failure.endpoint, Sign::Failed(failure));
    }

    /// What people say and want, and what became of their requests.
    pub(super) fn told(&mut self, said: Event) {
        match said {
            Event::Order { endpoint, order } => self.order(endpoint, order),
            Event::Weight { endpoint, weight } => self.weigh(endpoint, weight),
            Event::Asked {
                service,
                action,
                ended,
            } => self.asked(&service, &action, ended.as_ref()),
            Event::Label {
                incident,
                cause,
                by,
            } => drop(self.ledger.label(incident, cause, by, self.now)),
            Event::Noticed { pool, noticed } => {
                self.ledger.noticed(&pool, noticed, self.now.at);
            }
            Event::Redone {
                pool,
                redone,
                given_up,
            } => self.ledger.redone(&pool, redone, given_up, self.now),
            _ => {}
        }
    }

    /// A person's word on an endpoint.
    fn order(&mut self, endpoint: EndpointId, order: Order) {
        let overtaken = self.ledger.ordered(endpoint, order, self.now);
        self.planner.overtaken(&overtaken);
        self.sign(endpoint, Sign::Order(order));
    }

    /// A person wants this weight.
    pub(super) fn weight_asked(&mut self, endpoint: EndpointId, weight: Option<u32>) {
        let overtaken = self.ledger.weighed(endpoint, weight, self.now);
        self.planner.overtaken(&overtaken);
    }

    /// A person wants an action on a service, or that has ended.
    fn asked(&mut self, service: &str, action: &Arc<str>, ended: Option<&Result<String, String>>) {
        let overtaken = self.ledger.asked(service, action, ended, self.now);
        self.planner.overtaken(&overtaken);
    }

    /// A graceful end: nothing that ends now is a fault.
    pub(super) fn stop_services(&mut self) {
        self.ledger.end();
        let (services, mut ctx) = self.supervision();
        services.stop_all(&mut ctx);
    }

    /// All endpoints, and the services that no endpoint names.
    pub(super) fn subjects(&self, services: &[ServiceSpec]) -> Vec<SubjectSpec> {
        let mut unnamed: BTreeMap<_, _> = services.iter().map(|s| (s.name.clone(), s)).collect();
        let mut subjects = Vec::new();
        for pool in self.pools.values() {
            let common = fingerprint(&PoolSpec {
                endpoints: Vec::new(),
                ..pool.spec.clone()
            });
            for endpoint in &pool.endpoints {
                let mut spec = subject(&pool.spec, endpoint);
                let service = spec.service.as_ref();
                let service = service.and_then(|name| services.iter().find(|s| s.name == *name));
                spec.fingerprint =
                    common ^ fingerprint(&endpoint.spec).rotate_left(1) ^ fingerprint(&service);
                if let Some(service) = service {
                    spec.tended = !service.care.disk_paths.is_empty();
                    unnamed.remove(&service.name);
                }
                subjects.push(spec);
            }
        }
        subjects.extend(unnamed.into_values().map(service));
        subjects
    }
}

fn subject(pool: &PoolSpec, endpoint: &Endpoint) -> SubjectSpec {
    let spec = &endpoint.spec;
    let machine = spec.machine.clone().or_else(|| host(&spec.target));
    SubjectSpec {
        key: format!("{}/{}", pool.name, spec.name).into(),
        endpoint: Some(endpoint.id),
        pool: Some(pool.name.clone()),
        service: spec.service.clone(),
        instance: match &spec.service {
            Some(service) => service.clone(),
            None => spec.target.to_string().into(),
        },
        machine,
        zone: spec.zone.clone(),
        state: endpoint.shown.state,
        tended: false,
        fingerprint: 0,
    }
}

fn service(spec: &ServiceSpec) -> SubjectSpec {
    SubjectSpec {
        key: spec.name.clone(),
        endpoint: None,
        pool: None,
        service: Some(spec.name.clone()),
        instance: spec.name.clone(),
        machine: None,
        zone: None,
        state: State::Up,
        tended: !spec.care.disk_paths.is_empty(),
        fingerprint: fingerprint(spec),
    }
}

/// The machine an address is on, unless the configuration says; a unix socket's needs no name.
fn host(target: &Target) -> Option<Arc<str>> {
    match target {
        Target::Address(Address::Ip(ip)) => Some(ip.ip().to_string().into()),
        Target::Address(Address::Unix(_)) => None,
        Target::Name { host, .. } => Some(host.as_str().into()),
    }
}

/// FNV-1a of what it prints as: equal settings have equal ones, and it need not last longer than the process.
fn fingerprint(settings: &impl std::fmt::Debug) -> u64 {
    let text = format!("{settings:?}");
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}
