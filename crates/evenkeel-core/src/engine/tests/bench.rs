//! The smallest world around an engine: everything a command asks for happens at once, or never.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use crate::address::{Address, Target};
use crate::diagnose::{Evidence, Source};
use crate::incident::{About, Observation};
use crate::observe::Contact;
use crate::recover::{CarriedRecovery, Order as Ordered};
use crate::settings::{EndpointSpec, PoolSpec, Ready, ServiceSpec};
use crate::supervise::{ServiceEvent, ServiceState};
use crate::table::{PoolTable, State};
use crate::time::WallTime;

pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) now: Now,
    pub(crate) tables: BTreeMap<String, Arc<PoolTable>>,
    pub(crate) published: usize,
    /// Names of endpoints whose probes fail.
    pub(crate) dead: BTreeSet<String>,
    /// Addresses that no packet gets to.
    pub(crate) cut: BTreeSet<Address>,
    /// Every change of an address in use.
    pub(crate) switches: Vec<Switch>,
    /// Everything said of endpoints.
    pub(crate) said: Vec<String>,
    /// What agents at endpoints say, by name; the others refuse.
    pub(crate) agents: BTreeMap<String, Result<String, String>>,
    /// Probes are not answered.
    pub(crate) hold_probes: bool,
    /// How far those of the dead get.
    pub(crate) contact: Contact,
    pub(crate) probes: Vec<String>,
    pub(crate) trials: Vec<(String, u32)>,
    pub(crate) forgotten: Vec<String>,
    pub(crate) services: Vec<ServiceSpec>,
    pub(crate) starts: BTreeMap<String, usize>,
    pub(crate) signals: Vec<(u32, i32)>,
    pub(crate) stubborn: bool,
    pub(crate) never_ready: bool,
    /// This one is not seen to be ready.
    pub(crate) deaf: Option<String>,
    /// Everything said of incidents.
    pub(crate) incidents: Vec<crate::incident::IncidentChange>,
    pub(crate) recoveries: BTreeMap<Arc<str>, CarriedRecovery>,
    /// What shells were asked to do.
    pub(crate) orders: Vec<Ordered>,
    /// What comes of an action, if it is not done.
    pub(crate) outcomes: BTreeMap<&'static str, Result<String, String>>,
    /// Nothing is written down.
    pub(crate) hold_notes: bool,
    /// Nothing is done.
    pub(crate) hold_acts: bool,
    records: BTreeMap<String, Carried>,
    last_pid: u32,
    /// Came from a snapshot a few events ago, is told what the engine is told, and must want the same.
    twin: Option<Engine>,
    events: u64,
}

pub(crate) fn endpoint(name: &str) -> EndpointSpec {
    EndpointSpec {
        name: name.into(),
        target: Target::Address(Address::Unix(name.into())),
        others: Vec::new(),
        weight: 100,
        tier: 0,
        standby: None,
        service: None,
        machine: None,
        zone: None,
    }
}

pub(crate) fn pool<const N: usize>(name: &str, endpoints: [EndpointSpec; N]) -> PoolSpec {
    PoolSpec {
        name: name.into(),
        policy: Default::default(),
        agent_check: None,
        check: Default::default(),
        heartbeat: None,
        outlier: Default::default(),
        retry: Default::default(),
        limit: Default::default(),
        failover: Default::default(),
        transport: Default::default(),
        tls: None,
        prevention: Default::default(),
        objective: Default::default(),
        recovery: Default::default(),
        endpoints: endpoints.into(),
    }
}

pub(crate) fn service(name: &str, ready: Ready) -> ServiceSpec {
    ServiceSpec {
        name: name.into(),
        command: vec![name.into()],
        directory: "/".into(),
        environment: Vec::new(),
        user: None,
        ready,
        ready_timeout: Duration::from_secs(10),
        stop_signal: 15,
        stop_timeout: Duration::from_secs(10),
        restart_starts: 5,
        restart_within: Duration::from_secs(60),
        care: Default::default(),
    }
}

fn snapshot(of: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_stdvec(of).unwrap()
}

/// What a snapshot of this engine makes. Every test here holds it to the same commands for the same events.
fn twin(engine: &Engine) -> Engine {
    let bytes = snapshot(engine);
    Engine::restore(&mut postcard::Deserializer::from_bytes(&bytes)).unwrap()
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench {
            engine: Engine::new(1, Epoch(100)),
            now: Now {
                at: Time::from_millis(1_000_000),
                wall: WallTime(1_700_000_000_000),
            },
            tables: BTreeMap::new(),
            published: 0,
            dead: BTreeSet::new(),
            cut: BTreeSet::new(),
            switches: Vec::new(),
            said: Vec::new(),
            agents: BTreeMap::new(),
            hold_probes: false,
            contact: Contact::Answered,
            probes: Vec::new(),
            trials: Vec::new(),
            forgotten: Vec::new(),
            services: Vec::new(),
            starts: BTreeMap::new(),
            signals: Vec::new(),
            stubborn: false,
            never_ready: false,
            deaf: None,
            incidents: Vec::new(),
            recoveries: BTreeMap::new(),
            orders: Vec::new(),
            outcomes: BTreeMap::new(),
            hold_notes: false,
            hold_acts: false,
            records: BTreeMap::new(),
            last_pid: 1000,
            twin: None,
            events: 0,
        }
    }

    pub(crate) fn configure(&mut self, pools: Vec<PoolSpec>) {
        self.handle(Event::Configure(Configure {
            pools,
            services: self.services.clone(),
            workers: 1,
        }));
    }

    /// Asked for within the engine, by whoever plans: no event, so the twin begins anew.
    pub(crate) fn relieve(
        &mut self,
        endpoint: EndpointId,
        by: crate::prevent::Reliever,
        wanted: Option<(u32, &str)>,
    ) {
        self.engine.relieve(endpoint, by, wanted);
        self.twin = None;
    }

    /// The process is replaced: only the stored records stay.
    pub(crate) fn restart(&mut self) {
        self.engine = Engine::new(1, Epoch(1_000_000));
        self.twin = None;
        let records = self.records.values().cloned().collect();
        self.handle(Event::Carried(records));
        let incidents = std::mem::take(&mut self.incidents);
        let newest: BTreeMap<_, _> = incidents
            .into_iter()
            .map(|c| (c.record.id, c.record))
            .collect();
        self.handle(Event::Incidents(newest.into_values().collect()));
        let recoveries = self.recoveries.values().cloned().collect();
        self.handle(Event::CarriedRecovery(recoveries));
    }

    pub(crate) fn order(&mut self, name: &str, order: Order) {
        let endpoint = self.id(name);
        self.handle(Event::Order { endpoint, order });
    }

    pub(crate) fn kill(&mut self, name: &str) {
        let service = self.engine.service_id(name).unwrap();
        let pid = self.engine.service(service).unwrap().pid.unwrap();
        let status = "signal KILL".into();
        let event = ServiceEvent::Exited { pid, status };
        self.handle(Event::Service { service, event });
    }

    /// Lets this many seconds pass.
    pub(crate) fn run(&mut self, seconds: f64) {
        let end = self.now.at + Duration::from_secs_f64(seconds);
        while let Some(due) = self.engine.next_wakeup().filter(|&due| due <= end) {
            self.pass_to(due);
            self.handle(Event::Tick);
        }
        self.pass_to(end);
    }

    fn pass_to(&mut self, at: Time) {
        let at = at.max(self.now.at);
        self.now.wall.0 += at.since(self.now.at).as_millis() as u64;
        self.now.at = at;
    }

    pub(crate) fn handle(&mut self, event: Event) {
        let mut twin = match self.twin.take() {
            Some(twin) if !self.events.is_multiple_of(16) => twin,
            _ => twin(&self.engine),
        };
        self.events += 1;
        twin.handle(event.clone(), self.now);
        self.twin = Some(twin);
        self.engine.handle(event, self.now);
        while let Some(command) = self.engine.poll() {
            let same = self.twin.as_mut().and_then(Engine::poll);
            let (mine, its) = (snapshot(&command), same.as_ref().map(snapshot));
            assert_eq!(Some(mine), its, "{command:?} and from a snapshot {same:?}");
            if let Some(answer) = self.carry_out(command) {
                self.handle(answer);
            }
        }
    }

    fn carry_out(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Publish(table) => {
                self.published += 1;
                self.tables.insert(table.name.to_string(), table);
            }
            Command::Withdraw { name, .. } => {
                self.tables.remove(&*name);
            }
            Command::Persist(record) => {
                self.records.insert(record.key(), record);
            }
            Command::Forget { pool, endpoint } => self.forgotten.push(format!("{pool}/{endpoint}")),
            Command::StartTrial {
                endpoint, permits, ..
            } => {
                let name = self.name(endpoint);
                self.trials.push((name, permits));
            }
            Command::Probe {
                endpoint,
                address,
                epoch,
                ..
            } => return self.probe(endpoint, &address, epoch),
            Command::AskAgent(look) => {
                let said = self.agents.get(&self.name(look.endpoint)).cloned();
                return Some(Event::AgentSaid(AgentSaid {
                    endpoint: look.endpoint,
                    epoch: look.epoch,
                    answer: said.unwrap_or_else(|| Err("connection refused".to_owned())),
                }));
            }
            Command::StartService { service, .. } => {
                let name = self.engine.service(service).unwrap().spec.name.to_string();
                *self.starts.entry(name).or_default() += 1;
                self.last_pid += 1;
                let event = ServiceEvent::Started { pid: self.last_pid };
                return Some(Event::Service { service, event });
            }
            Command::SignalService {
                service,
                pid,
                signal,
                ..
            } => {
                self.signals.push((pid, signal));
                let status = format!("signal {signal}");
                let event = ServiceEvent::Exited { pid, status };
                return (signal == 9 || !self.stubborn)
                    .then_some(Event::Service { service, event });
            }
            Command::ProbeReady { service, epoch } => {
                let view = self.engine.service(service).unwrap();
                let deaf = self.deaf.as_deref() == Some(&*view.spec.name);
                let passed = !self.never_ready && !deaf;
                let event = ServiceEvent::ReadyProbed { epoch, passed };
                return Some(Event::Service { service, event });
            }
            Command::IncidentChanged(change) => self.incidents.push(*change),
            Command::Switched(switch) => self.switches.push(switch),
            Command::Said(remark) => self.said.push(remark.text),
            Command::PersistRecovery(record) => {
                let pool = record.pool.clone();
                self.recoveries.insert(pool.clone(), record);
                return (!self.hold_notes).then_some(Event::RecoveryNoted(pool));
            }
            Command::Act(order) => {
                let result = self.outcomes.get(order.action.name()).cloned();
                let epoch = order.epoch;
                self.orders.push(order);
                let result = result.unwrap_or_else(|| Ok("done".to_owned()));
                return (!self.hold_acts).then_some(Event::Acted { epoch, result });
            }
            Command::Use { endpoint, used, .. } => {
                let view = self.engine.endpoint(endpoint).unwrap();
                view.shared.used.tell(used);
            }
            Command::Changed(_)
            | Command::Prevented(_)
            | Command::Weigh { .. }
            | Command::ServiceChanged(_)
            | Command::Alone(_)
            | Command::Back(_) => {}
        }
        None
    }

    fn probe(&mut self, endpoint: EndpointId, address: &Address, epoch: Epoch) -> Option<Event> {
        let name = self.name(endpoint);
        let cut = self.cut.contains(address);
        let passed = !cut && !self.dead.contains(&name);
        self.probes.push(name);
        (!self.hold_probes).then(|| Event::Probed {
            endpoint,
            epoch,
            passed,
            contact: match passed {
                true => Contact::Answered,
                false if cut => Contact::Silent,
                false => self.contact,
            },
            detail: if passed { "200" } else { "refused" }.into(),
        })
    }

    pub(crate) fn probes_of(&self, name: &str) -> usize {
        self.probes.iter().filter(|probed| *probed == name).count()
    }

    fn name(&self, endpoint: EndpointId) -> String {
        self.engine.endpoint(endpoint).unwrap().name.to_string()
    }

    pub(crate) fn id(&self, name: &str) -> EndpointId {
        self.engine.endpoint_id("app", name).unwrap()
    }

    /// What its address in use goes by.
    pub(crate) fn path(&self, name: &str) -> crate::id::PathId {
        self.engine.endpoint(self.id(name)).unwrap().path.id()
    }

    pub(crate) fn table(&self, name: &str) -> &Arc<PoolTable> {
        &self.tables[name]
    }

    pub(crate) fn states(&self, name: &str) -> Vec<State> {
        self.table(name)
            .endpoints
            .iter()
            .map(|row| row.state)
            .collect()
    }

    pub(crate) fn service(&self, name: &str) -> ServiceState {
        let id = self.engine.service_id(name).unwrap();
        self.engine.service(id).unwrap().state
    }
}

/// The check sees this whenever it fails.
pub(crate) fn see(bench: &mut Bench, name: &str, evidence: Evidence) {
    let seen = Observation {
        about: About::Endpoint(bench.id(name)),
        evidence,
        present: true,
        source: Source::Check,
        value: String::new(),
    };
    bench.handle(Event::Observed(seen));
}
