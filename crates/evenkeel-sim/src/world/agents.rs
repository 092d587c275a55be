//! Agents on hosts of their own: each supervises what its file names with the same engine without a pool, whether the balancer
//! hears of it or not. What the shells of agent and balancer do is done here in small; what they decide about each other is
//! core's (`core::remote`).
//!
//! - `lines`: calls, connections, and how long messages take.
//! - `door`: the balancer's side.
//! - `orders`: what an agent is ordered, judged and carried out.
//! - `fates`: what befalls hosts and agents.

mod door;
mod fates;
mod lines;
mod orders;
mod shown;
mod tell;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::{Command, Configure, Engine, Event, Running, ServiceReport};
use evenkeel_core::facts::Facts;
use evenkeel_core::health::Says;
use evenkeel_core::id::{Epoch, ServiceId};
use evenkeel_core::remote::{Dial, Fences, LinkId, calendar};
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::ServiceSpec;
use evenkeel_core::supervise::ServiceEvent;
use evenkeel_core::time::{Now, Time, WallTime};

use super::{Process, What, World};
use crate::scene::Note;
use crate::story::HostSpec;

pub(super) use door::Door;
pub(super) use lines::{Lines, Wire};
pub(super) use orders::{Ordered, Pending};

/// Between two heartbeats of an agent.
const BEAT: Duration = Duration::from_secs(1);

/// What an agent says.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Hello { instance: u64, fence: Epoch },
    Services(Vec<ServiceReport>),
    Service(Box<ServiceReport>),
    Beat(u64, Vec<(Arc<str>, Says)>),
    Facts(Arc<Facts>),
    Done(u64, Result<String, String>, Epoch),
}

/// What it is told.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Welcome,
    Refused,
    Order(Ordered),
    Acknowledged,
}

/// Something that an agent is going to do, or that is done to it.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    Started(ServiceId, u32),
    Ready(ServiceId, Arc<str>, Epoch),
    Call,
    /// No welcome came within its time.
    GiveUp(LinkId),
    Beat,
    /// The fences are on the disk, if the disk took them.
    Fenced(Pending, Option<Fences>),
    Acted(Pending, Result<String, String>),
}

/// A host: what of it outlives its agent.
#[derive(Debug)]
pub(super) struct Host {
    name: Arc<str>,
    spec: HostSpec,
    /// The fences as they are on its disk; `None` = they can't be read.
    kept: Option<Fences>,
    lives: u32,
    /// Until then no packet gets through.
    cut_until: Time,
    agent: Option<Agent>,
}

/// Everything that dies with an agent.
#[derive(Debug)]
struct Agent {
    since: Time,
    engine: Engine,
    instance: u64,
    dial: Dial,
    /// The connection, and since when the agent is welcome there.
    link: Option<(LinkId, Option<Time>)>,
    /// When the balancer was last heard.
    heard: Time,
    fences: Fences,
    waiting: VecDeque<Pending>,
    writing: bool,
    busy: BTreeSet<Arc<str>>,
    /// The process of each service, as told.
    told: BTreeMap<Arc<str>, (Option<u32>, u32)>,
    /// The process that ended last, and how.
    ended: BTreeMap<Arc<str>, (u32, String)>,
    sequence: u64,
}

impl Host {
    pub(super) fn new(spec: HostSpec) -> Host {
        Host {
            name: spec.name.clone(),
            spec,
            kept: Some(Fences::default()),
            lives: 0,
            cut_until: Time::ZERO,
            agent: None,
        }
    }

    pub(super) fn is_cut(&self, now: Time) -> bool {
        self.agent.is_none() || now < self.cut_until
    }

    /// Does the balancer hear nothing of it, for whatever reason?
    pub(super) fn is_lost(&self, now: Time) -> bool {
        let link = self.agent.as_ref().and_then(|agent| agent.link);
        self.is_cut(now) || link.is_none_or(|(_, welcome)| welcome.is_none())
    }

    /// When its engine is next due.
    pub(super) fn next_wakeup(&self) -> Time {
        let agent = self.agent.as_ref();
        let due = agent.and_then(|agent| agent.engine.next_wakeup());
        due.unwrap_or(Time::NEVER)
    }

    fn now(&self, world: Now) -> Now {
        let ahead = u64::try_from(self.spec.ahead.as_millis()).unwrap_or(0);
        Now {
            wall: WallTime(world.wall.0 + ahead),
            ..world
        }
    }

    fn full(&self, service: &str) -> Arc<str> {
        format!("{}/{service}", self.name).into()
    }
}

impl World {
    /// Hosts were there before the balancer, and what is supervised there runs.
    pub(super) fn begin_agents(&mut self) {
        for host in self.hosts.keys().cloned().collect::<Vec<_>>() {
            for spec in self.hosts[&host].spec.services.clone() {
                self.last_pid += 1;
                let process = Process {
                    pid: self.last_pid,
                    begun: self.scene.now.at,
                    ready_at: self.scene.now.at,
                    restarts: 0,
                };
                let name = self.hosts[&host].full(&spec.name);
                self.processes.insert(name, process);
            }
            self.begin_agent(&host);
        }
    }

    /// A new life of a host's agent: it adopts what runs and calls at once.
    pub(super) fn begin_agent(&mut self, name: &Arc<str>) {
        let (now, seed) = (self.scene.now, self.story.seed);
        let running = self.running_on(name);
        let Some(host) = self.hosts.get_mut(name).filter(|h| h.agent.is_none()) else {
            return;
        };
        host.lives += 1;
        let rng = Rng::new(seed).stream(&format!("{name} {}", host.lives));
        let floor = calendar(host.now(now).wall);
        let fences = host.kept.clone().unwrap_or_else(|| Fences::lost(floor));
        host.kept = Some(fences.clone());
        let mut instance = rng.stream("instance");
        host.agent = Some(Agent {
            since: now.at,
            engine: Engine::new(instance.draw(), Epoch(now.at.as_nanos())),
            instance: instance.draw(),
            dial: Dial::new(rng.stream("dial")),
            link: None,
            heard: now.at,
            fences,
            waiting: VecDeque::new(),
            writing: false,
            busy: BTreeSet::new(),
            told: BTreeMap::new(),
            ended: BTreeMap::new(),
            sequence: 0,
        });
        self.note(&Note::AgentRestarted(name));
        self.agent_event(name, Event::Running(running));
        self.agent_configured(name);
        self.errand(name, Duration::ZERO, Errand::Call);
        self.errand(name, BEAT, Errand::Beat);
    }

    fn running_on(&self, host: &str) -> Vec<Running> {
        let of = |full: &Arc<str>| {
            let (on, service) = full.split_once('/')?;
            (on == host).then(|| Arc::<str>::from(service))
        };
        let running = self.processes.iter().filter_map(|(full, process)| {
            Some(Running {
                service: of(full)?,
                pid: process.pid,
                restarts: process.restarts,
                age: Some(self.scene.now.at.since(process.begun)),
            })
        });
        running.collect()
    }

    /// The agent reads its file.
    pub(super) fn agent_configured(&mut self, name: &Arc<str>) {
        let Some(host) = self.hosts.get_mut(name) else {
            return;
        };
        let services = host.spec.services.clone();
        if let Some(agent) = host.agent.as_mut() {
            let known = |name: &str| services.iter().any(|s| &*s.name == name);
            agent.fences.retain(known);
        }
        let event = Event::Configure(Configure {
            pools: Vec::new(),
            services,
            workers: 1,
        });
        self.agent_event(name, event);
    }

    fn agent(&mut self, host: &str) -> Option<&mut Agent> {
        self.hosts.get_mut(host)?.agent.as_mut()
    }

    /// For the present life of this host's agent.
    fn errand(&mut self, host: &Arc<str>, after: Duration, errand: Errand) {
        let life = self.hosts.get(host).map_or(0, |host| host.lives);
        self.plan(after, What::Errand(host.clone(), life, Box::new(errand)));
    }

    pub(super) fn run_errand(&mut self, host: &Arc<str>, life: u32, errand: Errand) {
        let known = self.hosts.get(host);
        if known.is_none_or(|known| known.lives != life || known.agent.is_none()) {
            return;
        }
        match errand {
            Errand::Started(service, pid) => {
                let event = ServiceEvent::Started { pid };
                self.agent_event(host, Event::Service { service, event });
            }
            Errand::Ready(service, name, epoch) => {
                let now = self.scene.now.at;
                let passed = self.processes.get(&name).is_some_and(|p| now >= p.ready_at);
                let event = ServiceEvent::ReadyProbed { epoch, passed };
                self.agent_event(host, Event::Service { service, event });
            }
            Errand::Call => self.agent_calls(host),
            Errand::GiveUp(link) => self.agent_gives_up(host, link),
            Errand::Beat => self.agent_beats(host),
            Errand::Fenced(pending, stored) => self.fenced(host, pending, stored),
            Errand::Acted(pending, result) => self.agent_acted(host, &pending, result),
        }
    }

    /// Hands one event to a host's agent, carries out what comes of it, and tells what changed.
    pub(super) fn agent_event(&mut self, host: &Arc<str>, event: Event) {
        let world = self.scene.now;
        let Some(known) = self.hosts.get_mut(host) else {
            return;
        };
        let now = known.now(world);
        let Some(agent) = known.agent.as_mut() else {
            return;
        };
        agent.engine.handle(event, now);
        while let Some(command) = self.agent(host).and_then(|agent| agent.engine.poll()) {
            self.agent_carries_out(host, command);
        }
        self.tell_processes(host);
    }

    fn agent_carries_out(&mut self, host: &Arc<str>, command: Command) {
        match command {
            Command::StartService { service, .. } => {
                let Some((spec, restarts)) = self.supervised_there(host, service) else {
                    return;
                };
                let name = self.hosts[host].full(&spec.name);
                let pid = self.begin_process(&name, service, restarts);
                self.errand(
                    host,
                    Duration::from_millis(2),
                    Errand::Started(service, pid),
                );
            }
            Command::SignalService {
                service,
                pid,
                signal,
                ..
            } => {
                if let Some((spec, _)) = self.supervised_there(host, service) {
                    let name = self.hosts[host].full(&spec.name);
                    self.signal_process(name, pid, signal);
                }
            }
            Command::ProbeReady { service, epoch } => {
                if let Some((spec, _)) = self.supervised_there(host, service) {
                    let name = self.hosts[host].full(&spec.name);
                    let looked = Errand::Ready(service, name, epoch);
                    self.errand(host, Duration::from_millis(5), looked);
                }
            }
            Command::ServiceChanged(change) => {
                self.note(&Note::Elsewhere {
                    host,
                    change: &change,
                });
                self.tell_service(host, change.service);
            }
            _ => {}
        }
    }

    fn supervised_there(&mut self, host: &str, service: ServiceId) -> Option<(ServiceSpec, u32)> {
        let agent = self.agent(host)?;
        let view = agent.engine.service(service)?;
        Some(((**view.spec).clone(), view.restarts))
    }

    /// A process of a host's service ended.
    pub(super) fn exited_there(&mut self, host: &str, service: &str, pid: u32, status: &str) {
        let host: Arc<str> = host.into();
        let Some(agent) = self.agent(&host) else {
            return;
        };
        agent.ended.insert(service.into(), (pid, status.to_owned()));
        if let Some(service) = agent.engine.service_id(service) {
            let status = status.to_owned();
            let event = ServiceEvent::Exited { pid, status };
            self.agent_event(&host, Event::Service { service, event });
        }
    }
}
