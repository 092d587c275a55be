//! Carries the engine's commands out on simulated endpoints, services and workers, and tells every invariant.

mod acting;
mod agents;
mod ailing;
mod commands;
mod deeds;
mod journal;
mod requests;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::diagnose::Evidence;
use evenkeel_core::engine::{Carried, Engine, Event};
use evenkeel_core::id::{EndpointId, Epoch, ServiceId};
use evenkeel_core::incident::Record;
use evenkeel_core::observe::Contact;
use evenkeel_core::recover::{CarriedRecovery, Order};
use evenkeel_core::remote::LinkId;
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::ServiceSpec;
use evenkeel_core::supervise::{ServiceEvent, ServiceState};
use evenkeel_core::table::State;
use evenkeel_core::time::{Time, WallTime};
use evenkeel_journal::Ends;

use crate::invariants::{self, Invariant};
use crate::scene::{Key, Note, Scene};
use crate::story::{Deed, PEACE, START, Story};
use crate::traffic::{Lanes, Request, Try};
use crate::{Broken, Summary};

/// Between two requests of one worker to one pool.
const REQUEST_EVERY_MS: u64 = 50;
/// So many ticks at one moment are no coincidence.
const SPINNING: u32 = 1000;
const BEAT: Duration = Duration::from_millis(100);

/// Something that is going to happen.
#[derive(Clone, Debug)]
enum What {
    Deed(Deed),
    ProbeAnswer {
        process: u32,
        endpoint: EndpointId,
        key: Key,
        epoch: Epoch,
        look: Look,
    },
    Mended(Address),
    Request(Request),
    TryEnds(Try),
    Started(u32, ServiceId, u32),
    ReadyAnswer(u32, ServiceId, Arc<str>, Epoch),
    Exits(Arc<str>, u32),
    Noted(u32, Arc<str>),
    Acted(u32, Box<Order>, Option<Result<String, String>>),
    Beat,
    Facts,
    Beats(Key),
    AgentBegins(Arc<str>),
    Errand(Arc<str>, u32, Box<agents::Errand>),
    Wire(LinkId, agents::Wire),
}

/// What a probe sees.
#[derive(Clone, Copy, Debug)]
struct Look {
    passed: bool,
    contact: Contact,
    evidence: Option<Evidence>,
}

/// A supervised process.
#[derive(Clone, Debug)]
struct Process {
    pid: u32,
    begun: Time,
    ready_at: Time,
    restarts: u32,
}

/// Everything.
#[derive(Debug)]
pub struct World {
    story: Story,
    services: Vec<ServiceSpec>,
    scene: Scene,
    engine: Engine,
    journal: journal::Journal,
    rng: Rng,
    agenda: BTreeMap<(Time, u64), What>,
    entries: u64,
    lanes: Lanes,
    records: BTreeMap<String, Carried>,
    incidents: BTreeMap<u64, Record>,
    recoveries: BTreeMap<Arc<str>, CarriedRecovery>,
    keys: BTreeMap<EndpointId, Key>,
    /// The fence of each endpoint's newest probe that is not answered yet.
    probing: BTreeMap<EndpointId, Epoch>,
    swept: BTreeMap<EndpointId, (u64, u64)>,
    measured_at: Time,
    processes: BTreeMap<Arc<str>, Process>,
    last_pid: u32,
    hosts: BTreeMap<Arc<str>, agents::Host>,
    lines: agents::Lines,
    /// The balancer's end of them.
    door: agents::Door,
    /// So far the calendar was set back by which fences of orders to agents are given.
    clock_back: Duration,
    /// Numbers of the newest heartbeats.
    beaten: BTreeMap<Key, u64>,
    /// Kills by the kernel.
    out_of_memory: BTreeMap<Arc<str>, u64>,
    /// Pools that nobody asks for anything any more.
    silent: BTreeSet<Arc<str>>,
    last_fence: Epoch,
    last_failure: Time,
    invariants: Vec<Box<dyn Invariant>>,
    broken: Option<Broken>,
    /// Ticks in a row without time passing.
    idle_ticks: u32,
    summary: Summary,
}

impl World {
    /// Before the first moment of this story.
    pub fn new(story: Story) -> World {
        let rng = Rng::new(story.seed).stream("world");
        let mut world = World {
            services: story.services.clone(),
            scene: Scene {
                workers: story.workers,
                calm: story.calm,
                ..Scene::default()
            },
            engine: Engine::new(story.seed, Epoch::default()),
            journal: journal::Journal::new(rng.stream("journal")),
            rng,
            agenda: BTreeMap::new(),
            entries: 0,
            lanes: Lanes::default(),
            records: BTreeMap::new(),
            incidents: BTreeMap::new(),
            recoveries: BTreeMap::new(),
            keys: BTreeMap::new(),
            probing: BTreeMap::new(),
            swept: BTreeMap::new(),
            measured_at: Time::ZERO,
            processes: BTreeMap::new(),
            last_pid: 100,
            hosts: story
                .hosts
                .iter()
                .map(|spec| (spec.name.clone(), agents::Host::new(spec.clone())))
                .collect(),
            lines: agents::Lines::default(),
            door: agents::Door::default(),
            clock_back: Duration::ZERO,
            beaten: BTreeMap::new(),
            out_of_memory: BTreeMap::new(),
            silent: BTreeSet::new(),
            last_fence: Epoch::default(),
            last_failure: Time::ZERO,
            invariants: invariants::all(),
            broken: None,
            idle_ticks: 0,
            summary: Summary::default(),
            story,
        };
        world.pass_to(START);
        for (at, deed) in world.story.deeds.clone() {
            world.plan_at(at, What::Deed(deed));
        }
        world.plan(BEAT, What::Beat);
        world.plan_signs();
        world
    }

    /// Tells the story.
    pub fn run(mut self) -> Result<Summary, Broken> {
        let (pools, end) = (self.story.pools.clone(), self.latest_end());
        self.begin_agents();
        self.feed(Event::Incidents(Vec::new()));
        self.configure(pools, self.services.clone());
        for pool in self.scene.pools.keys().cloned().collect::<Vec<_>>() {
            for worker in 0..self.story.workers {
                self.plan_request(worker, &pool);
            }
        }
        while self.broken.is_none() && self.scene.now.at < end {
            if self.scene.peace && self.healed() {
                break;
            }
            self.step();
        }
        self.end();
        self.broken.map_or(Ok(self.summary), Err)
    }

    /// By then everything must have healed: the longest ejection, its trial, hold, ramp, a back-off, and some checks.
    fn latest_end(&self) -> Time {
        let longest = self.story.pools.iter().map(|pool| {
            pool.outlier.base_ejection * 10
                + pool.failover.hold
                + pool.failover.ramp
                + pool.check.interval * 10
        });
        PEACE + longest.max().unwrap_or_default() + Duration::from_secs(80)
    }

    fn step(&mut self) {
        let due = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let due = due.unwrap_or(Time::NEVER);
        if let Some((wakeup, host)) = self.next_agent().filter(|(wakeup, _)| *wakeup <= due) {
            let first = self.engine.next_wakeup().is_none_or(|own| wakeup < own);
            if first {
                self.notice_spinning(wakeup);
                self.pass_to(wakeup);
                return self.agent_event(&host, Event::Tick);
            }
        }
        match self.engine.next_wakeup() {
            Some(wakeup) if wakeup <= due => {
                self.notice_spinning(wakeup);
                self.pass_to(wakeup);
                self.feed(Event::Tick);
            }
            _ => {
                self.pass_to(due);
                if let Some((_, what)) = self.agenda.pop_first() {
                    self.happen(what);
                }
            }
        }
    }

    /// The agent whose engine is due first.
    fn next_agent(&self) -> Option<(Time, Arc<str>)> {
        let due = self
            .hosts
            .iter()
            .map(|(name, host)| (host.next_wakeup(), name));
        due.min().map(|(at, name)| (at, name.clone()))
    }

    /// An engine that is due again and again at the same moment would keep its driver busy for ever.
    fn notice_spinning(&mut self, wakeup: Time) {
        self.idle_ticks = if wakeup <= self.scene.now.at {
            self.idle_ticks + 1
        } else {
            0
        };
        if self.idle_ticks > SPINNING {
            self.broken = Some(Broken {
                seed: self.story.seed,
                invariant: "the engine waits for something",
                at: self.scene.now.at,
                what: "it is always due".into(),
            });
        }
    }

    fn pass_to(&mut self, at: Time) {
        let at = at.max(self.scene.now.at);
        self.scene.now.at = at;
        self.scene.now.wall = WallTime(1_700_000_000_000 + at.as_nanos() / 1_000_000);
    }

    fn plan(&mut self, after: Duration, what: What) {
        self.plan_at(self.scene.now.at + after, what);
    }

    fn plan_at(&mut self, at: Time, what: What) {
        self.entries += 1;
        self.agenda.insert((at, self.entries), what);
    }

    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.rng.below(to - from + 1))
    }

    fn note(&mut self, note: &Note<'_>) {
        for invariant in &mut self.invariants {
            if let (None, Err(what)) = (&self.broken, invariant.see(note, &self.scene)) {
                self.broken = Some(Broken {
                    seed: self.story.seed,
                    invariant: invariant.name(),
                    at: self.scene.now.at,
                    what,
                });
            }
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Deed(deed) => self.act(deed),
            What::ProbeAnswer {
                process,
                endpoint,
                key,
                epoch,
                look,
            } => {
                if process == self.scene.process {
                    self.probe_answered(endpoint, &key, epoch, look);
                }
            }
            What::Mended(way) => drop(self.scene.cut.remove(&way)),
            What::Request(request) => self.request(request),
            What::TryEnds(ended) => self.try_ended(ended),
            What::Started(process, service, pid) => {
                if process == self.scene.process {
                    let event = ServiceEvent::Started { pid };
                    self.feed(Event::Service { service, event });
                }
            }
            What::ReadyAnswer(process, service, name, epoch) => {
                let now = self.scene.now.at;
                let passed = self.processes.get(&name).is_some_and(|p| now >= p.ready_at);
                if process == self.scene.process {
                    let event = ServiceEvent::ReadyProbed { epoch, passed };
                    self.feed(Event::Service { service, event });
                }
            }
            What::Exits(name, pid) => self.exits(&name, pid),
            What::Noted(process, pool) => {
                if process == self.scene.process {
                    self.feed(Event::RecoveryNoted(pool));
                }
            }
            What::Acted(process, order, result) => self.acted(process, &order, result),
            What::Beat => self.beat(),
            What::Facts => self.read_facts(),
            What::Beats(key) => self.beats(key),
            What::AgentBegins(host) => self.begin_agent(&host),
            What::Errand(host, life, errand) => self.run_errand(&host, life, *errand),
            What::Wire(link, wire) => self.arrives(link, wire),
        }
    }

    fn healed(&self) -> bool {
        let up = |table: &Arc<evenkeel_core::table::PoolTable>| {
            table.endpoints.iter().all(|row| row.state == State::Up)
        };
        let quiet = self.scene.now.at.since(self.last_failure.max(PEACE)) > Duration::from_secs(3);
        let ready = |state| state == ServiceState::Ready;
        quiet
            && self.engine.incidents_open() == 0
            && self.scene.tables.values().all(up)
            && self.engine.services().all(|service| ready(service.state))
            && self.hosts_are_well()
    }

    fn end(&mut self) {
        let services = self.engine.services();
        let services = services
            .map(|s| (s.spec.name.to_string(), s.state))
            .collect();
        self.look_at_hosts();
        let last_failure = self.last_failure;
        self.replay(Ends::Shutdown);
        if self.broken.is_none() {
            self.note(&Note::End {
                services: &services,
                last_failure,
            });
        }
        self.summary.healed_after_ms = self.scene.now.at.since(PEACE).as_millis() as u64;
    }
}
