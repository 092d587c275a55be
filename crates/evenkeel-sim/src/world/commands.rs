//! What the engine wants, carried out: probes that are late or lost, services that take their time.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::diagnose::{Evidence, Source};
use evenkeel_core::engine::{Command, DecidedBy, Event};
use evenkeel_core::id::{EndpointId, Epoch, ServiceId};
use evenkeel_core::incident::{About, IncidentChange, News, Observation};
use evenkeel_core::observe::Contact;
use evenkeel_core::table::{EndpointRow, PoolTable, State};

use super::{Look, Process, What, World};
use crate::scene::{Behaviour, Key, Note, Scene};

impl World {
    /// Hands one event in and carries out what comes of it. Returns how many commands changed something.
    pub(super) fn feed(&mut self, event: Event) -> usize {
        self.handle(event);
        let mut acting = 0;
        while let Some(command) = self.engine.poll() {
            // What is said, and what is only weighed, changes nothing by itself.
            let idle = matches!(
                command,
                Command::Probe { .. }
                    | Command::Said(_)
                    | Command::Prevented(_)
                    | Command::Weigh { .. }
                    | Command::Use { .. }
                    | Command::IncidentChanged(_)
            );
            acting += usize::from(!idle);
            self.carry_out(command);
        }
        acting
    }

    pub(super) fn carry_out(&mut self, command: Command) {
        match command {
            Command::Publish(table) => self.publish(table),
            Command::Withdraw { name, epoch, .. } => {
                self.fence(epoch);
                self.scene.tables.remove(&name);
            }
            Command::StartTrial {
                endpoint, permits, ..
            } => self.start_trial(endpoint, permits),
            Command::Probe {
                endpoint,
                address,
                timeout,
                epoch,
            } => self.probe(endpoint, &address, timeout, epoch),
            // No pool of a story has agents at its endpoints.
            Command::AskAgent(_) => {}
            Command::Alone(_) | Command::Back(_) => {}
            Command::Switched(switch) => self.switched(&switch),
            Command::Said(_) | Command::Prevented(_) => self.summary.remarks += 1,
            Command::Weigh {
                endpoint, burden, ..
            } => self.burden(endpoint, burden),
            Command::Use { endpoint, used, .. } => self.used(endpoint, used),
            Command::Changed(transition) => {
                self.summary.changes += 1;
                let by_traffic = transition.decided_by == DecidedBy::Outlier;
                self.summary.ejections += u64::from(by_traffic && transition.to == State::Down);
                self.note(&Note::Changed(&transition));
            }
            Command::Persist(record) => {
                self.note(&Note::Stored(&record));
                self.records.insert(record.key(), record);
            }
            Command::Forget { pool, endpoint } => self.forget(&pool, &endpoint),
            Command::StartService { service, epoch } => {
                self.fence(epoch);
                self.start_service(service);
            }
            Command::SignalService {
                service,
                pid,
                signal,
                epoch,
            } => {
                self.fence(epoch);
                self.signal_service(service, pid, signal);
            }
            Command::ProbeReady { service, epoch } => self.probe_ready(service, epoch),
            Command::ServiceChanged(transition) => self.note(&Note::Service(&transition)),
            Command::IncidentChanged(change) => self.incident_changed(*change),
            Command::PersistRecovery(record) => self.persist_recovery(record),
            Command::Act(order) => {
                self.note(&Note::Acting(&order));
                self.carry_order_out(order);
            }
        }
    }

    fn probe_ready(&mut self, service: ServiceId, epoch: Epoch) {
        self.fence(epoch);
        if let Some(view) = self.engine.service(service) {
            let name = view.spec.name.clone();
            let what = What::ReadyAnswer(self.scene.process, service, name, epoch);
            self.plan(Duration::from_millis(5), what);
        }
    }

    pub(super) fn publish(&mut self, table: Arc<PoolTable>) {
        self.fence(table.epoch);
        self.summary.tables += 1;
        let known = self.scene.tables.get(&table.name);
        let began = |row: &&EndpointRow| {
            let before = known.and_then(|t| t.endpoints.iter().find(|r| r.id == row.id));
            row.suspect && before.is_none_or(|before| !before.suspect)
        };
        let began = table.endpoints.iter().filter(began).count();
        self.summary.suspicions += began as u64;
        self.note(&Note::Published(&table));
        let keys =
            (0..table.endpoints.len()).map(|n| (table.endpoints[n].id, Scene::key(&table, n)));
        self.keys.extend(keys);
        self.scene.tables.insert(table.name.clone(), table);
    }

    fn forget(&mut self, pool: &str, endpoint: &str) {
        self.records.remove(&format!("{pool}/{endpoint}"));
    }

    fn incident_changed(&mut self, change: IncidentChange) {
        self.note(&Note::Incident(&change));
        let opened = |news: &News| *news == News::Opened;
        self.summary.incidents += u64::from(change.news.iter().any(opened));
        let id = change.record.id;
        let gone = |news: &News| matches!(news, News::Merged(_) | News::Forgotten);
        match change.news.iter().any(gone) {
            true => drop(self.incidents.remove(&id)),
            false => drop(self.incidents.insert(id, change.record)),
        }
    }

    pub(super) fn fence(&mut self, epoch: Epoch) {
        self.note(&Note::Fence(epoch));
        self.last_fence = self.last_fence.max(epoch);
    }

    pub(super) fn burden(&mut self, endpoint: EndpointId, burden: u32) {
        let tables = self.scene.tables.values();
        for row in tables.flat_map(|table| table.endpoints.iter()) {
            if row.id == endpoint {
                row.shared.burden.store(burden, Relaxed);
            }
        }
    }

    fn used(&mut self, endpoint: EndpointId, used: [Option<u32>; 3]) {
        let tables = self.scene.tables.values();
        for row in tables.flat_map(|table| table.endpoints.iter()) {
            if row.id == endpoint {
                row.shared.used.tell(used);
            }
        }
    }

    pub(super) fn start_trial(&mut self, endpoint: EndpointId, permits: u32) {
        self.note(&Note::Trial { endpoint, permits });
        let rows = self
            .scene
            .tables
            .values()
            .flat_map(|table| table.endpoints.iter());
        for row in rows.filter(|row| row.id == endpoint) {
            row.shared.trial_left.store(permits, Relaxed);
        }
    }

    /// Most answers come soon, some come when nobody waits for them any more, a few never.
    pub(super) fn probe(
        &mut self,
        endpoint: EndpointId,
        address: &Address,
        timeout: Duration,
        epoch: Epoch,
    ) {
        self.fence(epoch);
        let view = self
            .engine
            .endpoint(endpoint)
            .expect("a probe names an endpoint there is");
        let key: Key = (view.pool_name.clone(), view.name.clone());
        if view.path.address() == Some(address) {
            self.note(&Note::ProbeSent { key: &key });
            self.probing.insert(endpoint, epoch);
        }
        self.remember_fault(&key);
        let (contact, evidence, takes) = match self.effective(&key) {
            _ if self.scene.cut.contains(address) => {
                (Contact::Silent, Some(Evidence::ConnectTimeout), timeout)
            }
            Behaviour::Works | Behaviour::Erroring | Behaviour::Flaky => {
                (Contact::Answered, None, self.ms(1, 20))
            }
            Behaviour::Dead => {
                let refused = Some(Evidence::ConnectionRefused);
                (Contact::Answered, refused, self.ms(1, 5))
            }
            Behaviour::FailsChecks => {
                let status = Some(Evidence::ErrorStatus);
                (Contact::Answered, status, self.ms(1, 5))
            }
            Behaviour::Hung => (Contact::TimedOut, Some(Evidence::NoAnswer), timeout),
        };
        let look = Look {
            passed: evidence.is_none(),
            contact,
            evidence,
        };
        let answer = What::ProbeAnswer {
            process: self.scene.process,
            endpoint,
            key,
            epoch,
            look,
        };
        // A calm network loses few, and never so that it is noticed.
        let lost = if self.scene.calm { 500 } else { 30 };
        if self.scene.peace || !self.rng.chance(1, lost) {
            self.plan(takes, answer);
        } else if self.rng.chance(3, 4) {
            let late = self.ms(2_500, 20_000);
            self.plan(late, answer);
        }
    }

    pub(super) fn probe_answered(
        &mut self,
        endpoint: EndpointId,
        key: &Key,
        epoch: Epoch,
        look: Look,
    ) {
        let Look {
            passed,
            contact,
            evidence,
        } = look;
        let detail = if passed { "200" } else { "it failed" }.to_string();
        let probed = Event::Probed {
            endpoint,
            epoch,
            passed,
            contact,
            detail: detail.clone(),
        };
        if self.is_of_another_way(endpoint, epoch) {
            self.feed(probed);
            return;
        }
        if let Some(evidence) = evidence {
            self.feed(Event::Observed(Observation {
                about: About::Endpoint(endpoint),
                evidence,
                present: true,
                source: Source::Check,
                value: detail,
            }));
        }
        // One that a reload took out and put back is another, and its late answers are of nobody.
        let is_there = self.engine.endpoint(endpoint).is_some();
        let valid = is_there && self.probing.get(&endpoint) == Some(&epoch);
        if valid {
            self.probing.remove(&endpoint);
        } else {
            self.summary.stale += 1;
            // What was due by now comes of the time, not of the answer.
            self.feed(Event::Tick);
        }
        let answer = Note::ProbeAnswered {
            key,
            passed,
            valid,
            commands: 0,
        };
        self.note(&answer);
        let commands = self.feed(probed);
        if !valid {
            self.note(&Note::ProbeAnswered {
                key,
                passed,
                valid,
                commands,
            });
        }
    }

    pub(super) fn start_service(&mut self, service: ServiceId) {
        let view = self
            .engine
            .service(service)
            .expect("a start names a service there is");
        let (name, restarts) = (view.spec.name.clone(), view.restarts);
        let pid = self.begin_process(&name, service, restarts);
        let answer = What::Started(self.scene.process, service, pid);
        self.plan(Duration::from_millis(2), answer);
    }

    /// A process of this service begins, here or on its host.
    pub(super) fn begin_process(
        &mut self,
        name: &Arc<str>,
        service: ServiceId,
        restarts: u32,
    ) -> u32 {
        let alive = self.processes.contains_key(name);
        self.note(&Note::Start {
            service,
            name,
            alive,
        });
        self.last_pid += 1;
        let process = Process {
            pid: self.last_pid,
            begun: self.scene.now.at,
            ready_at: self.scene.now.at + self.ms(20, 800),
            restarts,
        };
        self.processes.insert(name.clone(), process);
        self.last_pid
    }

    pub(super) fn signal_service(&mut self, service: ServiceId, pid: u32, signal: i32) {
        let view = self
            .engine
            .service(service)
            .expect("a signal names a service there is");
        let name = view.spec.name.clone();
        self.signal_process(name, pid, signal);
    }

    /// Most end when they are told; `SIGHUP` ends nobody.
    pub(super) fn signal_process(&mut self, name: Arc<str>, pid: u32, signal: i32) {
        let stubborn = signal != 9 && self.rng.chance(1, 5);
        if !stubborn {
            let takes = self.ms(1, 200);
            self.plan(takes, What::Exits(name, pid));
        }
    }

    pub(super) fn service_of(&self, key: &Key) -> Option<Arc<str>> {
        let pool = self.scene.pools.get(&key.0)?;
        let endpoint = pool.endpoints.iter().find(|e| e.name == key.1)?;
        endpoint.service.clone()
    }

    /// How it behaves, counting in the service behind it.
    pub(super) fn effective(&self, key: &Key) -> Behaviour {
        let service = self.service_of(key);
        let service = service.as_ref();
        let serves = service.is_none_or(|name| {
            let process = self.processes.get(name);
            process.is_some_and(|process| self.scene.now.at >= process.ready_at)
        });
        let ails = service.and_then(|name| self.ails(name));
        if serves {
            match (self.scene.behaviour(key), ails) {
                (Behaviour::Works, Some(ails)) => ails,
                (behaviour, _) => behaviour,
            }
        } else {
            Behaviour::Dead
        }
    }
}
