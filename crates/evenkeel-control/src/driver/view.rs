//! What the admin API shows of all this.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::balance::stays_near;
use evenkeel_core::engine::{AgentView, BeatsView, EndpointView, Engine, PoolView, ServiceView};
use evenkeel_core::prevent::Filling;
use evenkeel_core::recover::actions;
use evenkeel_core::settings::Protocol;
use evenkeel_core::table::State;
use evenkeel_core::time::WallTime;
use evenkeel_probe::clock::now;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{
    AdmissionStatus, AgentCheckStatus, EndpointService, EndpointStatus, FillingStatus,
    HeartbeatStatus, HeatStatus, ListenerStatus, PoolStatus, RedoStatus, ReliefStatus,
    ServiceAgent, ServiceStatus, Status, TlsStatus, ZoneStatus,
};

use super::beats::millis;
use super::{Driver, Newest, paths, redo};
use crate::metrics::{EndpointSample, Sample};

impl Driver {
    pub(super) fn status(&self) -> Status {
        let listeners = self.host.listeners().into_iter();
        let listeners = listeners.map(|(name, bind)| ListenerStatus {
            tls: self.tls_of(&name),
            name,
            bind,
        });
        Status {
            node: self.config.node.name.clone(),
            pid: self.host.keeper_pid(),
            worker_pid: std::process::id(),
            revision: self.revisions.current(),
            listeners: listeners.collect(),
            pools: self
                .engine
                .pools()
                .map(|view| PoolStatus {
                    alerts: self.alerts(&view.spec.name),
                    redo: self.redo_of(&view.spec.name),
                    sessions: self.sessions_of(&view),
                    learned: self.learned_of(&view),
                    ..pool(&self.engine, &view, &self.facts)
                })
                .collect(),
            services: self
                .engine
                .services()
                .map(|view| service(&view, &self.facts))
                .collect(),
            machine: self.facts.machine(),
            agents_bind: self.agents.bind(),
            agents: self.agent_statuses(),
            own: self.own_status(),
            journal: self.journal_status(),
            incidents_open: u32::try_from(self.engine.incidents_open()).unwrap_or(u32::MAX),
            since: Some(Stamp(self.started.wall)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rejected: self.rejected.clone(),
            certificates: self.certificates.status(now().wall),
        }
    }

    fn redo_of(&self, pool: &str) -> Option<RedoStatus> {
        let counters = self.host.counters();
        redo::status(counters.redo.get(pool)?.read())
    }

    /// What a listener does with TLS; `None` = nothing.
    fn tls_of(&self, name: &str) -> Option<TlsStatus> {
        let listeners = &self.config.listeners;
        let settings = &listeners
            .iter()
            .find(|l| *l.settings.name == *name)?
            .settings;
        match (&settings.protocol, settings.tls.as_slice()) {
            (Protocol::Passthrough, _) => Some(TlsStatus::Passthrough),
            (_, []) => None,
            (_, hosts) if hosts.iter().any(|host| host.client_ca.is_some()) => {
                Some(TlsStatus::ClientCertificates)
            }
            _ => Some(TlsStatus::Terminated),
        }
    }

    pub(super) fn sample(&self) -> Sample {
        let at = now().at;
        let mut endpoints = Vec::new();
        let mut admissions = Vec::new();
        for pool in self.engine.pools() {
            let asked = f64::from(pool.admission.asked().factor()) / 1000.0;
            let braked = pool.admission.brake.why();
            let braked = braked.map_or(1.0, |(percent, _)| f64::from(percent) / 100.0);
            admissions.push((pool.name().clone(), asked.min(braked)));
            for endpoint in &pool.endpoints {
                endpoints.push(EndpointSample {
                    pool: endpoint.pool_name.clone(),
                    name: endpoint.name.clone(),
                    state: endpoint.state,
                    suspected: endpoint.suspicion.is_some(),
                    ejections: *endpoint.ejections,
                    spared: *endpoint.spared,
                    shared: endpoint.shared.clone(),
                    checks: self.checks.get(&endpoint.id).cloned(),
                    heartbeat: endpoint.heartbeat.view(at),
                    path: self.swept.paths.sample(endpoint),
                    heat: endpoint.heat.map(|heat| heat.percent),
                    effective_weight: endpoint.effective_weight(),
                    filling: endpoint.filling.to_vec(),
                });
            }
        }
        let services = self.engine.services();
        let (pauses, paused) = self.own.pauses();
        let (agents, agents_refused) = self.agents.samples();
        Sample {
            agents,
            agents_refused,
            pauses,
            paused_s: paused.as_secs_f64(),
            alone: self.engine.cut().is_some(),
            notices: self.notices.sample(),
            store_failing: self.storage.trouble().is_some(),
            journal: self.journal.view(),
            counters: self.host.counters(),
            sticky: self.config.sessions.keys().cloned().collect(),
            now_s: now().wall.0 / 1000,
            endpoints,
            admissions,
            services: services
                .map(|s| (s.spec.name.clone(), u64::from(s.restarts)))
                .collect(),
            certificates: self.certificates.seen().to_vec(),
            facts: self.facts.clone(),
            accounts: self.account_samples(),
            incidents: self.incidents_by_cause.clone(),
            incidents_open: self.engine.incidents_open() as u64,
            revision: self.revisions.current(),
            rejected: self.rejected_total,
            started_s: self.started.wall.0 / 1000,
        }
    }

    /// Ready once every endpoint was probed, or could have been; from then on until the shutdown.
    pub(super) fn readiness(&mut self) -> Result<(), String> {
        if !self.phase.serving() {
            return Err("shutting down".into());
        }
        let running = now().at.since(self.started.at);
        let waiting = |endpoint: &EndpointView<'_>| {
            !endpoint.probed
                && running < endpoint.check.timeout
                && endpoint.state != State::Maintenance
        };
        if !self.ready {
            let unseen: usize = self
                .engine
                .pools()
                .map(|pool| pool.endpoints.iter().filter(|e| waiting(e)).count())
                .sum();
            if unseen > 0 {
                return Err(format!("{unseen} endpoints were not probed yet"));
            }
            self.ready = true;
        }
        Ok(())
    }
}

fn pool(engine: &Engine, view: &PoolView<'_>, facts: &Newest) -> PoolStatus {
    PoolStatus {
        name: view.spec.name.to_string(),
        policy: view.spec.policy.name.to_string(),
        tls: view.spec.tls.is_some(),
        zone: zone(view),
        alerts: Vec::new(),
        admission: admission(view),
        recovery: super::recovery::status(engine, view.spec),
        redo: None,
        sessions: None,
        learned: None,
        endpoints: view
            .endpoints
            .iter()
            .map(|e| endpoint(engine, e, facts))
            .collect(),
    }
}

pub(super) fn endpoint(engine: &Engine, view: &EndpointView<'_>, facts: &Newest) -> EndpointStatus {
    let workers = &view.shared.workers;
    let service = view.service.and_then(|id| engine.service(id));
    EndpointStatus {
        name: view.name.to_string(),
        address: view.target.to_string(),
        state: view.state,
        since: Stamp(view.since),
        why: view.why.to_owned(),
        decided_by: view.decided_by.name().to_owned(),
        weight: view.weight,
        effective_weight: view.effective_weight(),
        relief: view.relief.why().map(|(by, why)| ReliefStatus {
            percent: view.relief.factor() / 10,
            decided_by: by.name().to_owned(),
            why: why.to_owned(),
        }),
        heat: view.heat.map(|heat| HeatStatus {
            percent: heat.percent,
            why: heat.why.clone(),
            filling: view.filling.iter().map(filling).collect(),
        }),
        tier: view.tier,
        zone: view.zone.map(|zone| zone.to_string()),
        in_flight: u64::from(view.shared.in_flight.load(Relaxed)),
        requests: workers.sum(|w| w.tries.value()),
        failures: workers.sum(|w| w.failures.value()),
        service: match service {
            Some(s) => Some(EndpointService {
                name: Some(s.spec.name.to_string()),
                actions: actions::of(s.spec),
                pid: s.pid,
                restarts: u64::from(s.restarts),
                facts: facts.service(&s),
                agent: s.agent.map(|agent| self::agent(&agent)),
            }),
            None => view.service_name.and_then(|name| unseen(name, view.since)),
        },
        heartbeat: view
            .heartbeat
            .view(now().at)
            .map(|beats| heartbeat(&beats, view.detector)),
        agent_check: view.agent_check.view().map(|told| AgentCheckStatus {
            line: told.line.map(str::to_owned),
            heard: told.heard.map(Stamp),
            trouble: told.trouble.map(str::to_owned),
            percent: told.percent,
            maxconn: told.limit,
        }),
        next: Some(view.next.clone()).filter(|next| !next.is_empty()),
        path: paths::status(view.path),
    }
}

/// A service of an agent that was never connected.
fn unseen(service: &str, since: WallTime) -> Option<EndpointService> {
    let (agent, _) = service.split_once('/')?;
    Some(EndpointService {
        name: Some(service.to_owned()),
        actions: Vec::new(),
        pid: None,
        restarts: 0,
        facts: None,
        agent: Some(ServiceAgent {
            name: agent.to_owned(),
            connected: false,
            since: Stamp(since),
        }),
    })
}

fn agent(view: &AgentView<'_>) -> ServiceAgent {
    ServiceAgent {
        name: view.name.to_string(),
        connected: view.connected,
        since: Stamp(view.since),
    }
}

fn filling(filling: &Filling) -> FillingStatus {
    FillingStatus {
        what: filling.what.clone(),
        full_in_s: filling.full_in.as_secs_f64().round(),
    }
}

/// The balancer's zone, where that counts.
fn zone(view: &PoolView<'_>) -> Option<ZoneStatus> {
    let name = view.spec.failover.zone.as_ref()?;
    let stays = stays_near(view.table, now().at)?;
    Some(ZoneStatus {
        name: name.to_string(),
        stays: f64::from(stays.0) / 100.0,
    })
}

/// What is kept out of a pool.
fn admission(view: &PoolView<'_>) -> Option<AdmissionStatus> {
    let (percent, by, why) = view.admission.why()?;
    Some(AdmissionStatus {
        percent,
        per_endpoint: view.table.limit.per_endpoint,
        queue: view.table.limit.queue,
        decided_by: by.name().to_owned(),
        why: why.to_owned(),
    })
}

fn heartbeat(beats: &BeatsView, detector: &str) -> HeartbeatStatus {
    // Enough to see it rise; more digits only make the answer restless.
    let rounded = |x: f64| (x * 1000.0).round() / 1000.0;
    HeartbeatStatus {
        detector: detector.to_owned(),
        sequence: beats.sequence,
        heard: beats.heard.map(Stamp),
        age_ms: millis(beats.age),
        interval_ms: millis(beats.interval),
        suspicion: rounded(beats.suspicion),
        detects_within_ms: millis(beats.bound),
        state: beats.says.into(),
        utilization: beats.utilization,
        beats: beats.beats,
        mistakes: beats.mistakes,
    }
}

fn service(view: &ServiceView<'_>, facts: &Newest) -> ServiceStatus {
    ServiceStatus {
        name: Arc::clone(&view.spec.name).to_string(),
        state: view.state.name().to_owned(),
        since: Stamp(view.since),
        why: view.why.to_owned(),
        pid: view.pid,
        restarts: u64::from(view.restarts),
        facts: facts.service(view),
        agent: view.agent.map(|agent| self::agent(&agent)),
    }
}
