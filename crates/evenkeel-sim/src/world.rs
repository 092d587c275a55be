//! Carries the engine's commands out on simulated endpoints, services and workers, and tells every invariant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_core::balance::Choice;
use evenkeel_core::engine::{
    Carried, Command, Configure, DecidedBy, Engine, Event, Order, Running,
};
use evenkeel_core::id::{EndpointId, Epoch, ServiceId};
use evenkeel_core::observe::{Failure, FailureKind};
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::{PoolSpec, ServiceSpec};
use evenkeel_core::supervise::{ServiceEvent, ServiceState};
use evenkeel_core::table::State;
use evenkeel_core::time::{Time, WallTime};

use crate::invariants::{self, Invariant};
use crate::scene::{Behaviour, Key, Note, Scene};
use crate::story::{Deed, PEACE, START, Story};
use crate::traffic::{Lanes, Request, Try};
use crate::{Broken, Summary};

/// Between two requests of one worker to one pool.
const REQUEST_EVERY_MS: u64 = 80;
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
        passed: bool,
    },
    Request(Request),
    TryEnds(Try),
    Started(u32, ServiceId, u32),
    ReadyAnswer(u32, ServiceId, Arc<str>, Epoch),
    Exits(Arc<str>, u32),
    Beat,
}

/// A supervised process.
#[derive(Clone, Debug)]
struct Process {
    pid: u32,
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
    rng: Rng,
    agenda: BTreeMap<(Time, u64), What>,
    entries: u64,
    lanes: Lanes,
    records: BTreeMap<String, Carried>,
    keys: BTreeMap<EndpointId, Key>,
    /// The fence of each endpoint's newest probe that is not answered yet.
    probing: BTreeMap<EndpointId, Epoch>,
    swept: BTreeMap<EndpointId, (u64, u64)>,
    processes: BTreeMap<Arc<str>, Process>,
    last_pid: u32,
    last_fence: Epoch,
    last_failure: Time,
    invariants: Vec<Box<dyn Invariant>>,
    broken: Option<Broken>,
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
                ..Scene::default()
            },
            engine: Engine::new(story.seed, Epoch::default()),
            rng,
            agenda: BTreeMap::new(),
            entries: 0,
            lanes: Lanes::default(),
            records: BTreeMap::new(),
            keys: BTreeMap::new(),
            probing: BTreeMap::new(),
            swept: BTreeMap::new(),
            processes: BTreeMap::new(),
            last_pid: 100,
            last_fence: Epoch::default(),
            last_failure: Time::ZERO,
            invariants: invariants::all(),
            broken: None,
            summary: Summary::default(),
            story,
        };
        world.pass_to(START);
        for (at, deed) in world.story.deeds.clone() {
            world.plan_at(at, What::Deed(deed));
        }
        world.plan(BEAT, What::Beat);
        world
    }

    /// Tells the story.
    pub fn run(mut self) -> Result<Summary, Broken> {
        let (pools, end) = (self.story.pools.clone(), self.latest_end());
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
        match self.engine.next_wakeup() {
            Some(wakeup) if wakeup <= due => {
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
                passed,
            } => {
                if process == self.scene.process {
                    self.probe_answered(endpoint, &key, epoch, passed);
                }
            }
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
            What::Beat => self.beat(),
        }
    }

    // What is done to the world.

    fn act(&mut self, deed: Deed) {
        if self.scene.peace {
            return;
        }
        match deed {
            Deed::Behave(key, behaviour) => {
                self.scene.fleet.insert(key, behaviour);
            }
            Deed::BehaveAll(pool, behaviour) => {
                let spec = &self.scene.pools[&pool];
                let keys = spec
                    .endpoints
                    .iter()
                    .map(|e| (pool.clone(), e.name.clone()));
                self.scene.fleet.extend(keys.map(|key| (key, behaviour)));
            }
            Deed::Flap(key, every, times) => {
                let dead = self.scene.behaviour(&key) == Behaviour::Dead;
                let now = if dead {
                    Behaviour::Works
                } else {
                    Behaviour::Dead
                };
                self.scene.fleet.insert(key.clone(), now);
                if times > 0 {
                    self.plan(every, What::Deed(Deed::Flap(key, every, times - 1)));
                }
            }
            Deed::Order(key, order) => self.order(&key, order),
            Deed::Weight(key, weight) => self.weigh(&key, weight),
            Deed::Reload => self.reload(self.specs()),
            Deed::Reweigh(key, weight) => {
                let mut specs = self.specs();
                let all = specs.iter_mut().filter(|spec| spec.name == key.0);
                let all = all.flat_map(|spec| &mut spec.endpoints);
                all.filter(|e| e.name == key.1)
                    .for_each(|e| e.weight = weight);
                self.reload(specs);
            }
            Deed::Remove(key) => self.remove(&key),
            Deed::Revert => self.reload(self.story.pools.clone()),
            Deed::Restart => self.restart(),
            Deed::Kill(name) => {
                if let Some(process) = self.processes.get(&name) {
                    let pid = process.pid;
                    self.exits(&name, pid);
                }
            }
            Deed::ChangeServices => {
                for spec in &mut self.services {
                    spec.environment
                        .push(("CHANGE".into(), self.entries.to_string()));
                }
                self.reload(self.specs());
            }
        }
    }

    fn specs(&self) -> Vec<PoolSpec> {
        self.scene.pools.values().cloned().collect()
    }

    fn remove(&mut self, key: &Key) {
        let mut specs = self.specs();
        for spec in specs.iter_mut().filter(|spec| spec.name == key.0) {
            let standby = spec
                .endpoints
                .iter()
                .any(|e| e.standby.as_ref() == Some(&key.1));
            if spec.endpoints.len() > 1 && !standby {
                spec.endpoints.retain(|e| e.name != key.1);
            }
        }
        self.reload(specs);
    }

    fn order(&mut self, key: &Key, order: Order) {
        let Some(endpoint) = self.engine.endpoint_id(&key.0, &key.1) else {
            return;
        };
        match order {
            Order::Ready => self.scene.orders.remove(key),
            order => self.scene.orders.insert(key.clone(), order),
        };
        self.note(&Note::Ordered { key });
        self.feed(Event::Order { endpoint, order });
    }

    fn weigh(&mut self, key: &Key, weight: Option<u32>) {
        if let Some(endpoint) = self.engine.endpoint_id(&key.0, &key.1) {
            self.feed(Event::Weight { endpoint, weight });
        }
    }

    fn reload(&mut self, pools: Vec<PoolSpec>) {
        let old: Vec<_> = self.scene.pools.values().cloned().collect();
        let old_services: Vec<_> = self.engine.services().map(|s| s.spec.clone()).collect();
        let mut sorted = pools.clone();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        let same = sorted == old && self.services == old_services;
        let failed = |engine: &Engine| engine.services().any(|s| s.state == ServiceState::Failed);
        let untouched = same && !failed(&self.engine);
        let commands = self.configure(pools, self.services.clone());
        self.note(&Note::Reloaded {
            same: untouched,
            commands,
        });
    }

    fn configure(&mut self, pools: Vec<PoolSpec>, services: Vec<ServiceSpec>) -> usize {
        let named = pools.iter().map(|spec| (spec.name.clone(), spec.clone()));
        self.scene.pools = named.collect();
        let workers = self.story.workers;
        self.feed(Event::Configure(Configure {
            pools,
            services,
            workers,
        }))
    }

    fn restart(&mut self) {
        self.scene.process += 1;
        self.scene.tables.clear();
        self.lanes = Lanes::default();
        self.keys.clear();
        self.probing.clear();
        self.swept.clear();
        self.note(&Note::Restarted);
        let seed = self.story.seed + u64::from(self.scene.process);
        self.engine = Engine::new(seed, self.last_fence);
        self.feed(Event::Carried(self.records.values().cloned().collect()));
        let running = self.processes.iter().map(|(name, process)| Running {
            service: name.clone(),
            pid: process.pid,
            restarts: process.restarts,
        });
        let running = running.collect();
        self.feed(Event::Running(running));
        self.configure(self.specs(), self.services.clone());
    }

    /// All faults are over, all orders are taken back, the first configuration is applied again.
    fn make_peace(&mut self) {
        self.scene.peace = true;
        self.scene.fleet.clear();
        self.attend();
        for key in self.all_keys() {
            self.weigh(&key, None);
        }
        self.reload(self.story.pools.clone());
    }

    /// A person looks after what needs one.
    fn attend(&mut self) {
        for key in self.all_keys() {
            self.order(&key, Order::Ready);
        }
        let failed = self
            .engine
            .services()
            .filter(|s| s.state == ServiceState::Failed);
        for service in failed.map(|s| s.id).collect::<Vec<_>>() {
            let event = ServiceEvent::Reset;
            self.feed(Event::Service { service, event });
        }
    }

    fn all_keys(&self) -> Vec<Key> {
        let of = |spec: &PoolSpec| {
            let keys = spec
                .endpoints
                .iter()
                .map(|e| (spec.name.clone(), e.name.clone()));
            keys.collect::<Vec<_>>()
        };
        self.scene.pools.values().flat_map(of).collect()
    }

    fn exits(&mut self, name: &Arc<str>, pid: u32) {
        if self
            .processes
            .get(name)
            .is_none_or(|process| process.pid != pid)
        {
            return;
        }
        self.processes.remove(name);
        if let Some(service) = self.engine.service_id(name) {
            let status = "signal KILL".into();
            let event = ServiceEvent::Exited { pid, status };
            self.feed(Event::Service { service, event });
        }
    }

    // What the engine wants.

    /// Hands one event in and carries out what comes of it. Returns how many commands changed something.
    fn feed(&mut self, event: Event) -> usize {
        self.engine.handle(event, self.scene.now);
        let mut acting = 0;
        while let Some(command) = self.engine.poll() {
            acting += usize::from(!matches!(command, Command::Probe { .. }));
            self.carry_out(command);
        }
        acting
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Publish(table) => {
                self.fence(table.epoch);
                self.summary.tables += 1;
                self.note(&Note::Published(&table));
                let keys = (0..table.endpoints.len())
                    .map(|n| (table.endpoints[n].id, Scene::key(&table, n)));
                self.keys.extend(keys);
                self.scene.tables.insert(table.name.clone(), table);
            }
            Command::Withdraw { name, epoch, .. } => {
                self.fence(epoch);
                self.scene.tables.remove(&name);
            }
            Command::StartTrial {
                endpoint, permits, ..
            } => self.start_trial(endpoint, permits),
            Command::Probe { endpoint, epoch } => {
                self.fence(epoch);
                self.probe(endpoint, epoch);
            }
            Command::Changed(transition) => {
                self.summary.changes += 1;
                let ejected =
                    transition.decided_by == DecidedBy::Outlier && transition.to == State::Down;
                self.summary.ejections += u64::from(ejected);
                self.note(&Note::Changed(&transition));
            }
            Command::Persist(record) => {
                self.note(&Note::Stored(&record));
                self.records.insert(record.key(), record);
            }
            Command::Forget { pool, endpoint } => {
                self.records.remove(&format!("{pool}/{endpoint}"));
            }
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
            Command::ProbeReady { service, epoch } => {
                self.fence(epoch);
                if let Some(view) = self.engine.service(service) {
                    let what = What::ReadyAnswer(
                        self.scene.process,
                        service,
                        view.spec.name.clone(),
                        epoch,
                    );
                    self.plan(Duration::from_millis(5), what);
                }
            }
            Command::ServiceChanged(transition) => self.note(&Note::Service(&transition)),
        }
    }

    fn fence(&mut self, epoch: Epoch) {
        self.note(&Note::Fence(epoch));
        self.last_fence = self.last_fence.max(epoch);
    }

    fn start_trial(&mut self, endpoint: EndpointId, permits: u32) {
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
    fn probe(&mut self, endpoint: EndpointId, epoch: Epoch) {
        let view = self
            .engine
            .endpoint(endpoint)
            .expect("a probe names an endpoint there is");
        let key: Key = (view.pool_name.clone(), view.name.clone());
        let timeout = view.check.timeout;
        self.note(&Note::ProbeSent { key: &key });
        self.probing.insert(endpoint, epoch);
        let (passed, takes) = match self.effective(&key) {
            Behaviour::Works | Behaviour::Erroring | Behaviour::Flaky => (true, self.ms(1, 20)),
            Behaviour::Dead | Behaviour::FailsChecks => (false, self.ms(1, 5)),
            Behaviour::Hung => (false, timeout),
        };
        let answer = What::ProbeAnswer {
            process: self.scene.process,
            endpoint,
            key,
            epoch,
            passed,
        };
        if self.scene.peace || !self.rng.chance(1, 30) {
            self.plan(takes, answer);
        } else if self.rng.chance(3, 4) {
            let late = self.ms(2_500, 20_000);
            self.plan(late, answer);
        }
    }

    fn probe_answered(&mut self, endpoint: EndpointId, key: &Key, epoch: Epoch, passed: bool) {
        let valid = self.probing.get(&endpoint) == Some(&epoch);
        if valid {
            self.probing.remove(&endpoint);
        } else {
            self.summary.stale += 1;
        }
        let detail = if passed { "200" } else { "refused" }.to_string();
        let answer = Note::ProbeAnswered {
            key,
            passed,
            valid,
            commands: 0,
        };
        self.note(&answer);
        let commands = self.feed(Event::Probed {
            endpoint,
            epoch,
            passed,
            detail,
        });
        if !valid {
            self.note(&Note::ProbeAnswered {
                key,
                passed,
                valid,
                commands,
            });
        }
    }

    fn start_service(&mut self, service: ServiceId) {
        let view = self
            .engine
            .service(service)
            .expect("a start names a service there is");
        let (name, restarts) = (view.spec.name.clone(), view.restarts);
        let alive = self.processes.contains_key(&name);
        self.note(&Note::Start {
            service,
            name: &name,
            alive,
        });
        self.last_pid += 1;
        let pid = self.last_pid;
        let ready_at = self.scene.now.at + self.ms(20, 800);
        let process = Process {
            pid,
            ready_at,
            restarts,
        };
        self.processes.insert(name, process);
        let answer = What::Started(self.scene.process, service, pid);
        self.plan(Duration::from_millis(2), answer);
    }

    fn signal_service(&mut self, service: ServiceId, pid: u32, signal: i32) {
        let view = self
            .engine
            .service(service)
            .expect("a signal names a service there is");
        let name = view.spec.name.clone();
        let stubborn = signal != 9 && self.rng.chance(1, 5);
        if !stubborn {
            let takes = self.ms(1, 200);
            self.plan(takes, What::Exits(name, pid));
        }
    }

    /// How it behaves, counting in the service behind it.
    fn effective(&self, key: &Key) -> Behaviour {
        let spec = self.scene.pools.get(&key.0);
        let spec = spec.and_then(|pool| pool.endpoints.iter().find(|e| e.name == key.1));
        let service = spec.and_then(|endpoint| endpoint.service.as_ref());
        let serves = service.is_none_or(|name| {
            let process = self.processes.get(name);
            process.is_some_and(|process| self.scene.now.at >= process.ready_at)
        });
        if serves {
            self.scene.behaviour(key)
        } else {
            Behaviour::Dead
        }
    }

    // Traffic.

    fn plan_request(&mut self, worker: usize, pool: &Arc<str>) {
        let request = Request {
            process: self.scene.process,
            worker,
            pool: pool.clone(),
            tried: Vec::new(),
            tries: 0,
        };
        let after = self.ms(REQUEST_EVERY_MS / 2, REQUEST_EVERY_MS * 3 / 2);
        self.plan(after, What::Request(request));
    }

    fn request(&mut self, mut request: Request) {
        self.plan_request(request.worker, &request.pool.clone());
        request.process = self.scene.process;
        self.summary.requests += 1;
        let Some(table) = self.scene.tables.get(&request.pool).cloned() else {
            return;
        };
        let now = self.scene.now.at;
        let (seed, workers) = (self.story.seed, self.story.workers);
        let lane = self.lanes.lane(request.worker, &table, seed, workers);
        lane.budget.request(now);
        let (worker, pool) = (request.worker, &request.pool.clone());
        self.note(&Note::Request { worker, pool });
        self.attempt(request);
    }

    fn attempt(&mut self, mut request: Request) {
        let Some(table) = self.scene.tables.get(&request.pool).cloned() else {
            return;
        };
        let (seed, workers) = (self.story.seed, self.story.workers);
        let lane = self.lanes.lane(request.worker, &table, seed, workers);
        let choice = lane.picker.pick(&table, &request.tried, self.scene.now.at);
        self.note(&Note::Picked {
            table: &table,
            tried: &request.tried,
            choice,
        });
        let Choice::Endpoint(index) = choice else {
            return self.done(&request.pool, false);
        };
        self.summary.tries += 1;
        let row = &table.endpoints[index];
        row.shared.in_flight.fetch_add(1, Relaxed);
        row.shared.workers.of(request.worker).tries.inc();
        request.tries += 1;
        if !request.tried.contains(&row.id) {
            request.tried.push(row.id);
        }
        let (answered, takes) = match self.effective(&Scene::key(&table, index)) {
            Behaviour::Works | Behaviour::FailsChecks => (true, self.ms(2, 30)),
            Behaviour::Dead => (false, self.ms(1, 2)),
            Behaviour::Hung => (false, table.retry.per_try_timeout),
            Behaviour::Erroring => (false, self.ms(2, 10)),
            Behaviour::Flaky => (!self.rng.chance(1, 3), self.ms(2, 30)),
        };
        let ended = Try {
            request,
            endpoint: row.id,
            shared: row.shared.clone(),
            answered,
        };
        self.plan(takes, What::TryEnds(ended));
    }

    fn try_ended(&mut self, ended: Try) {
        if ended.request.process != self.scene.process {
            return; // it died with its balancer
        }
        let counters = ended.shared.workers.of(ended.request.worker);
        ended.shared.in_flight.fetch_sub(1, Relaxed);
        if ended.answered {
            counters.successes.inc();
            ended.shared.failure_run.store(0, Relaxed);
            return self.done(&ended.request.pool, true);
        }
        counters.failures.inc();
        let run = ended.shared.failure_run.fetch_add(1, Relaxed) + 1;
        let at = self.scene.now.at;
        // The queue to control may be full.
        if !self.rng.chance(1, 20) {
            self.feed(Event::Failed(Failure {
                endpoint: ended.endpoint,
                kind: FailureKind::Reset,
                run,
                at,
            }));
        }
        self.retry(ended.request);
    }

    fn retry(&mut self, request: Request) {
        let Some(table) = self.scene.tables.get(&request.pool).cloned() else {
            return;
        };
        let (seed, workers) = (self.story.seed, self.story.workers);
        let lane = self.lanes.lane(request.worker, &table, seed, workers);
        let more = request.tries <= table.retry.retries;
        if !more || !lane.budget.try_spend(self.scene.now.at) {
            return self.done(&request.pool, false);
        }
        let (worker, pool) = (request.worker, &request.pool.clone());
        self.note(&Note::Retried { worker, pool });
        self.attempt(request);
    }

    fn done(&mut self, pool: &Arc<str>, served: bool) {
        if !served {
            self.summary.failed += 1;
            self.last_failure = self.scene.now.at;
        }
        self.note(&Note::Done { pool, served });
    }

    fn beat(&mut self) {
        self.plan(BEAT, What::Beat);
        let rows: Vec<_> = self
            .scene
            .tables
            .values()
            .flat_map(|table| table.endpoints.iter())
            .map(|row| (row.id, row.shared.clone()))
            .collect();
        for (endpoint, shared) in rows {
            let sums = (
                shared.workers.sum(|worker| worker.successes.value()),
                shared.workers.sum(|worker| worker.failures.value()),
            );
            let before = self.swept.insert(endpoint, sums).unwrap_or_default();
            let (successes, failures) = (sums.0 - before.0, sums.1 - before.1);
            if successes + failures > 0 {
                self.feed(Event::Swept {
                    endpoint,
                    successes,
                    failures,
                });
            }
        }
        self.note(&Note::Beat);
        if !self.scene.peace && self.scene.now.at >= PEACE {
            self.make_peace();
        }
        let beats = self.scene.now.at.as_nanos() / BEAT.as_nanos() as u64;
        if self.scene.peace && beats.is_multiple_of(50) {
            self.attend();
        }
    }

    fn healed(&self) -> bool {
        let up = |table: &Arc<evenkeel_core::table::PoolTable>| {
            table.endpoints.iter().all(|row| row.state == State::Up)
        };
        let quiet = self.scene.now.at.since(self.last_failure.max(PEACE)) > Duration::from_secs(3);
        let ready = |state| state == ServiceState::Ready;
        quiet
            && self.scene.tables.values().all(up)
            && self.engine.services().all(|service| ready(service.state))
    }

    fn end(&mut self) {
        let services = self.engine.services();
        let services = services
            .map(|s| (s.spec.name.to_string(), s.state))
            .collect();
        let last_failure = self.last_failure;
        if self.broken.is_none() {
            self.note(&Note::End {
                services: &services,
                last_failure,
            });
        }
        self.summary.healed_after_ms = self.scene.now.at.since(PEACE).as_millis() as u64;
    }
}
