//! One worker: a thread with its own event loop, sockets, idle connections, policy state, randomness and buffers.
//!
//! All of it is behind an `Rc` that its tasks share; nothing here is touched by another thread but what
//! [`Shared`] holds.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use evenkeel_core::counters::Reject;
use evenkeel_core::id::{EndpointId, PoolId};
use evenkeel_core::settings::Protocol;
use evenkeel_core::time::Time;
use slab::Slab;

use crate::accept::Acceptor;
use crate::access;
use crate::http::{self, Client, Runner};
use crate::http1::http_date;
use crate::pool::Pool;
use crate::random::Random;
use crate::room;
use crate::rt::{self, Accepted, Timer, Wheel};
use crate::seldom::Seldom;
use crate::snapshot::{Command, Shared, Snapshot};
use crate::splice::Pipes;
use crate::tcp;
pub(crate) use crate::view::{ListenerView, View};
use crate::wire;

/// Runners (what serves a request) kept for reuse; those beyond are freed when their request ends. Some 4 KiB each, and of
/// those that were of no use for a second half are freed, so that only a busy worker has so many.
const RUNNERS_KEPT: usize = 1024;
/// How often idle connections to endpoints are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// One worker.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) wheel: Rc<Wheel>,
    pub(crate) pipes: Rc<Pipes>,
    pub(crate) random: Random,
    pub(crate) log: Option<access::Sink>,
    pub(crate) draining: Cell<bool>,
    no_way_out: Seldom,
    date: Cell<[u8; 29]>,
    swept: Cell<Time>,
    seen: Cell<u64>,
    view: RefCell<Rc<View>>,
    pools: RefCell<BTreeMap<PoolId, Rc<Pool>>>,
    pub(crate) connections: RefCell<Slab<Rc<Conn>>>,
    /// The first descriptor that accepting should leave alone.
    pub(crate) reserved_from: u64,
    /// Bytes that incomplete heads hold, and may hold.
    pub(crate) heads_hold: Cell<usize>,
    pub(crate) heads_max: usize,
    /// Those that serve nobody; taken from the end.
    runners: RefCell<Vec<Runner>>,
    /// How few there were at least since the last look.
    runners_unused: Cell<usize>,
}

/// What a worker knows of one client connection.
pub(crate) struct Conn {
    pub(crate) timer: Timer,
    /// Endpoint whose answer's first byte it waits for.
    pub(crate) waiting_on: Cell<Option<EndpointId>>,
    /// That endpoint went down.
    pub(crate) moved: Cell<bool>,
    /// Between requests.
    pub(crate) idle: Cell<bool>,
    /// What speaks for closing it, should its place be needed.
    pub(crate) may_go_for: Cell<GoesFor>,
    /// Its place is needed.
    pub(crate) must_go: Cell<bool>,
    /// Bytes, for as long as the head of its request is incomplete.
    pub(crate) head_holds: Cell<u32>,
    /// Where it came in.
    pub(crate) listener: Rc<ListenerView>,
}

/// Why a connection may be closed when its place is needed, and since when that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoesFor {
    /// It is being served.
    Nothing,
    /// No request is under way.
    Idle(Time),
    /// The head of a request has begun to come.
    Head(Time),
    /// It is served, but neither sends nor takes anything right now.
    Stalled(Time),
}

/// Counts a connection as open for as long as it lives, and whether it was a bug that ended it.
struct Open {
    worker: Rc<Worker>,
    listener: Rc<ListenerView>,
    key: usize,
}

impl Open {
    fn new(worker: &Rc<Worker>, listener: &Rc<ListenerView>) -> (Open, Rc<Conn>) {
        let conn = Rc::new(Conn {
            timer: worker.wheel.timer(),
            waiting_on: Cell::new(None),
            moved: Cell::new(false),
            idle: Cell::new(false),
            may_go_for: Cell::new(GoesFor::Nothing),
            must_go: Cell::new(false),
            head_holds: Cell::new(0),
            listener: listener.clone(),
        });
        let key = worker.connections.borrow_mut().insert(conn.clone());
        listener.open().fetch_add(1, Relaxed);
        listener.counters().accepted.inc();
        listener.counters().open.add(1);
        worker.own().open.fetch_add(1, Relaxed);
        let open = Open {
            worker: worker.clone(),
            listener: listener.clone(),
            key,
        };
        (open, conn)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let conn = self.worker.connections.borrow_mut().try_remove(self.key);
        if let Some(conn) = &conn {
            self.worker.head_holds(conn, None);
        }
        drop(conn);
        self.listener.open().fetch_sub(1, Relaxed);
        self.listener.counters().open.add(-1);
        self.worker.own().open.fetch_sub(1, Relaxed);
        if std::thread::panicking() {
            self.listener.reject(Reject::Internal);
            let listener = &self.listener.settings().name;
            tracing::error!(%listener, "a bug ended a connection");
        }
    }
}

impl Worker {
    /// Serves until told to stop.
    pub(crate) async fn run(shared: Arc<Shared>, index: usize, log: Option<access::Sink>) {
        let now = rt::now();
        let seed = Random::new(shared.seed.wrapping_add(index as u64)).next();
        let worker = Rc::new(Worker {
            index,
            wheel: rt::wheel(),
            pipes: Rc::default(),
            random: Random::new(seed),
            log,
            draining: Cell::new(false),
            no_way_out: Seldom::default(),
            date: Cell::new(http_date(rt::wall().0)),
            swept: Cell::new(now),
            seen: Cell::new(u64::MAX),
            view: RefCell::new(Rc::new(View::of(&Arc::default(), &BTreeMap::new(), index))),
            pools: RefCell::default(),
            connections: RefCell::default(),
            reserved_from: room::reserved_from(),
            heads_hold: Cell::new(0),
            heads_max: room::heads_max(shared.workers.len()),
            runners: RefCell::default(),
            runners_unused: Cell::new(0),
            shared,
        });
        worker.refresh(now);
        let beating = worker.clone();
        worker.wheel.on_turn(move |now| beating.beat(now));
        worker.obey().await;
    }

    /// Client connections of all workers.
    pub(crate) fn open_everywhere(&self) -> i64 {
        let workers = self.shared.workers.iter();
        workers.map(|worker| worker.open.load(Relaxed)).sum()
    }

    fn own(&self) -> &crate::snapshot::WorkerShared {
        &self.shared.workers[self.index]
    }

    /// Called with every turn of the timer wheel.
    fn beat(&self, now: Time) {
        self.own().turns.fetch_add(1, Relaxed);
        self.date.set(http_date(rt::wall().0));
        if let Some(log) = &self.log {
            log.flush();
        }
        if now.since(self.swept.get()) >= SWEEP {
            self.swept.set(now);
            self.dismiss_runners();
            for pool in self.pools.borrow().values() {
                pool.sweep(now);
            }
        }
    }

    /// Does what the handle asks, until that is to stop.
    async fn obey(self: &Rc<Self>) {
        let mut acceptors: BTreeMap<Arc<str>, Vec<Acceptor>> = BTreeMap::new();
        loop {
            self.own().changed.notified().await;
            self.refresh(rt::now());
            for command in self.own().take_commands() {
                match command {
                    Command::Listen {
                        address,
                        listener,
                        sockets,
                    } => {
                        if self.draining.get() {
                            continue;
                        }
                        let started = sockets
                            .into_iter()
                            .filter_map(|fd| Acceptor::start(self, &address, &listener, fd))
                            .collect();
                        let replaced = acceptors.insert(address, started);
                        let replaced = replaced.into_iter().flatten();
                        replaced.for_each(Acceptor::stop);
                    }
                    Command::Unlisten { address } => {
                        for acceptor in acceptors.remove(&address).into_iter().flatten() {
                            acceptor.stop();
                        }
                    }
                    Command::Drain => {
                        self.drain();
                        for (_, stopping) in std::mem::take(&mut acceptors) {
                            stopping.into_iter().for_each(Acceptor::stop);
                        }
                    }
                    Command::Stop => return,
                }
            }
            self.own().did();
        }
    }

    fn drain(&self) {
        self.draining.set(true);
        for (_, conn) in self.connections.borrow().iter() {
            if conn.idle.get() {
                conn.timer.wake();
            }
        }
        self.drop_idle_endpoints();
    }

    /// Closes all idle connections to endpoints.
    pub(crate) fn drop_idle_endpoints(&self) {
        for pool in self.pools.borrow().values() {
            pool.drop_idle();
        }
    }

    /// Goes over to the newest snapshot and tables, if there are newer ones. One load where there are none.
    pub(crate) fn refresh(&self, now: Time) {
        let generation = self.shared.generation.load(Acquire);
        if generation == self.seen.get() {
            return;
        }
        self.seen.set(generation);
        let snapshot = self.shared.snapshot.load_full();
        if !Arc::ptr_eq(&snapshot, &self.view().snapshot) {
            self.adopt(&snapshot);
        }
        let mut fallen = Vec::new();
        for pool in self.pools.borrow().values() {
            pool.refresh(now, &mut fallen);
        }
        if fallen.is_empty() {
            return;
        }
        for (_, conn) in self.connections.borrow().iter() {
            if conn.waiting_on.get().is_some_and(|id| fallen.contains(&id)) {
                conn.moved.set(true);
                conn.timer.wake();
            }
        }
    }

    /// The same where nobody knows the time yet.
    pub(crate) fn refresh_if_told(&self) {
        if self.shared.generation.load(Acquire) != self.seen.get() {
            self.refresh(rt::now());
        }
    }

    fn adopt(&self, snapshot: &Arc<Snapshot>) {
        let mut pools = self.pools.borrow_mut();
        // What is no longer configured goes; requests under way still hold it.
        pools.retain(|id, pool| {
            snapshot
                .pools
                .values()
                .any(|cell| cell.id == *id && Arc::ptr_eq(cell, &pool.cell))
        });
        for cell in snapshot.pools.values() {
            pools
                .entry(cell.id)
                .or_insert_with(|| Pool::new(self.shared.clone(), cell.clone(), self.index));
        }
        *self.view.borrow_mut() = Rc::new(View::of(snapshot, &pools, self.index));
    }

    /// Is this the snapshot in use?
    pub(crate) fn is_current(&self, view: &Rc<View>) -> bool {
        Rc::ptr_eq(&self.view.borrow(), view)
    }

    /// The snapshot in use.
    pub(crate) fn view(&self) -> Rc<View> {
        self.view.borrow().clone()
    }

    /// A connection to an endpoint could not be opened for want of something here.
    pub(crate) fn cannot_connect(&self, error: &std::io::Error) {
        if let Some(unsaid) = self.no_way_out.due(rt::now()) {
            tracing::warn!(%error, unsaid, "cannot open a connection to an endpoint from here");
        }
    }

    /// The value of `Date`.
    pub(crate) fn date(&self) -> [u8; 29] {
        self.date.get()
    }

    /// Somebody to serve a request.
    pub(crate) fn take_runner(&self) -> Runner {
        let mut runners = self.runners.borrow_mut();
        let runner = runners.pop().unwrap_or_default();
        let left = runners.len();
        self.runners_unused.set(self.runners_unused.get().min(left));
        runner
    }

    /// Its request is served.
    pub(crate) fn put_runner(&self, runner: Runner) {
        let mut runners = self.runners.borrow_mut();
        if runners.len() < RUNNERS_KEPT {
            runners.push(runner);
        }
    }

    /// Frees half of those that nobody needed since this was called last, those not used for longest.
    fn dismiss_runners(&self) {
        let mut runners = self.runners.borrow_mut();
        let unused = self.runners_unused.get().min(runners.len());
        let dismissed: Vec<Runner> = runners.drain(..unused.div_ceil(2)).collect();
        self.runners_unused.set(runners.len());
        drop(runners);
        drop(dismissed);
    }

    /// Serves a connection in a task of its own. A panic ends that connection only.
    pub(crate) fn serve(self: &Rc<Self>, listener: &Rc<ListenerView>, accepted: Accepted) {
        let Accepted { stream, peer } = accepted;
        let (open, conn) = Open::new(self, listener);
        let (worker, view) = (self.clone(), listener.clone());
        // Each as small as it can be, since most of its life a connection only waits.
        match &listener.settings().protocol {
            Protocol::Http if listener.speaks_tls() => {
                rt::spawn(async move {
                    let _open = open;
                    if let Some(stream) = wire::secure(&view, &conn, stream).await {
                        let client = Client::new(worker, view, conn, stream, peer);
                        http::serve(client).await;
                    }
                });
            }
            Protocol::Http => {
                let client = Client::new(worker, view, conn, stream.into(), peer);
                rt::spawn(async move {
                    let _open = open;
                    http::serve(client).await;
                });
            }
            Protocol::Passthrough => {
                rt::spawn(async move {
                    let _open = open;
                    tcp::pass(worker, view, conn, stream, peer).await;
                });
            }
            Protocol::Tcp { .. } => {
                rt::spawn(async move {
                    let _open = open;
                    if let Some(stream) = wire::secure(&view, &conn, stream).await {
                        tcp::serve(worker, view, conn, stream, peer).await;
                    }
                });
            }
        }
    }
}
