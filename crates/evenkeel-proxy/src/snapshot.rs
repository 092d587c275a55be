//! What all workers share: the applied traffic in the shape they serve from, behind atomic pointers.
//!
//! A worker looks at one number per request (`generation`) and reads the pointers only when it moved, so that the steady
//! state touches no reference count. A pool's table sits behind a pointer of its own: a change of one endpoint replaces
//! one table and nothing else.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use evenkeel_core::balance::{Kind, Learned};
use evenkeel_core::counters::{
    CounterSet, ListenerWorker, PerWorker, PoolWorker, RouteLabel, RouteWorker,
};
use evenkeel_core::id::PoolId;
use evenkeel_core::observe::Failure;
use evenkeel_core::recover::redo::RedoCounts;
use evenkeel_core::route::RouteTable;
use evenkeel_core::session::Part;
use evenkeel_core::settings::{
    HostPattern, ListenerSettings, PathPattern, Protocol, RouteAction, RouteSpec,
};
use evenkeel_core::table::PoolTable;
use tokio::sync::{Notify, mpsc};

use crate::options::Traffic;
use crate::pool::Queue;
use crate::redo::Book;
use crate::rt;
use crate::session::{Kept, Sessions};

/// Everything the handle and the workers share.
pub(crate) struct Shared {
    pub(crate) seed: u64,
    pub(crate) failures: mpsc::Sender<Failure>,
    /// Written by `apply`, read by workers after `generation` moved.
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Grows (release) after a snapshot or a table was put in place; workers load it (acquire) once per request.
    pub(crate) generation: AtomicU64,
    /// Set once by `drain`.
    pub(crate) draining: AtomicBool,
    /// Of requests that may have to be sent again.
    pub(crate) book: Option<Book>,
    pub(crate) workers: Box<[WorkerShared]>,
    /// Serialises `apply` and `publish`.
    pub(crate) writing: Mutex<()>,
}

/// What the handle and one worker share.
#[derive(Default)]
pub(crate) struct WorkerShared {
    /// Moves with every turn of the worker's timer wheel; the worker writes.
    pub(crate) turns: AtomicU64,
    /// Client connections open; the worker writes.
    pub(crate) open: AtomicI64,
    /// Bounded by what the binary does: one command per address.
    commands: Mutex<Vec<Command>>,
    /// Commands were taken and are being done; the worker writes.
    busy: AtomicBool,
    /// Told after `commands` or `generation` changed.
    pub(crate) changed: Notify,
}

impl WorkerShared {
    /// Asks something of the worker.
    pub(crate) fn command(&self, command: Command) {
        self.commands().push(command);
        self.changed.notify_one();
    }

    /// What it is asked to do, oldest first. Not done before [`did`](Self::did).
    pub(crate) fn take_commands(&self) -> Vec<Command> {
        let mut commands = self.commands();
        self.busy.store(!commands.is_empty(), SeqCst);
        std::mem::take(&mut *commands)
    }

    /// All that was taken is done.
    pub(crate) fn did(&self) {
        self.busy.store(false, SeqCst);
    }

    /// Has it done all it was asked?
    pub(crate) fn is_done(&self) -> bool {
        // The lock orders this with `take_commands`.
        let commands = self.commands();
        commands.is_empty() && !self.busy.load(SeqCst)
    }

    fn commands(&self) -> MutexGuard<'_, Vec<Command>> {
        // Nothing is left half done by a panic in here.
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the handle asks of a worker.
pub(crate) enum Command {
    Listen {
        address: Arc<str>,
        listener: Arc<str>,
        sockets: Vec<OwnedFd>,
    },
    Unlisten {
        address: Arc<str>,
    },
    Drain,
    Stop,
}

/// One applied configuration.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) routes: RouteTable,
    /// By the positions `routes` answers with.
    pub(crate) specs: Vec<RouteSpec>,
    /// By the same: what policies that learn know each by.
    pub(crate) numbers: Vec<u32>,
    pub(crate) listeners: BTreeMap<Arc<str>, Arc<ListenerEntry>>,
    pub(crate) pools: BTreeMap<Arc<str>, Arc<PoolCell>>,
    pub(crate) counters: Arc<CounterSet>,
}

/// A listener of the applied configuration.
pub(crate) struct ListenerEntry {
    /// `None` = clear text.
    pub(crate) tls: Option<Arc<evenkeel_tls::Server>>,
    pub(crate) settings: Arc<ListenerSettings>,
    pub(crate) counters: Arc<PerWorker<ListenerWorker>>,
    /// Connections open over all workers; the same for every snapshot of this name.
    pub(crate) open: Arc<AtomicU32>,
    /// By route, for those that this listener serves.
    pub(crate) routes: Vec<Option<Arc<PerWorker<RouteWorker>>>>,
}

/// A pool, the same over all snapshots that name it.
pub(crate) struct PoolCell {
    pub(crate) id: PoolId,
    /// Written by `apply` and `publish`.
    pub(crate) table: ArcSwap<PoolTable>,
    /// Written by `apply`. `None` = clear text.
    pub(crate) tls: ArcSwapOption<evenkeel_tls::Client>,
    /// Written by `apply`. `None` = clients are not known again.
    pub(crate) sessions: ArcSwapOption<Sessions>,
    /// Those that are kept here. Made with the first.
    pub(crate) kept: OnceLock<Kept>,
    /// What each worker's policy has learned; workers write theirs once a second, if it learns what can be told.
    pub(crate) learned: Box<[ArcSwapOption<Vec<Learned>>]>,
    pub(crate) queue: Queue,
    pub(crate) counters: Arc<PerWorker<PoolWorker>>,
    /// Of its journalled requests.
    pub(crate) redo: Arc<RedoCounts>,
}

impl Snapshot {
    /// The snapshot for `traffic`, carrying over from `old` what keeps its name.
    pub(crate) fn build(old: &Snapshot, traffic: Traffic, workers: usize) -> Snapshot {
        let mut counters = CounterSet::default();
        let pools = pools(
            old,
            traffic.tables,
            (&traffic.endpoint_tls, &traffic.sessions),
            workers,
            &mut counters,
        );
        restore(&pools, &traffic.kept);
        let routes = RouteTable::build(&traffic.routes);
        let mut listeners = BTreeMap::new();
        for settings in traffic.listeners {
            let tls = traffic.tls.get(&settings.name).cloned();
            let entry = listener(old, settings, tls, &traffic.routes, workers, &mut counters);
            listeners.insert(entry.settings.name.clone(), Arc::new(entry));
        }
        let number = |route: &RouteSpec| Kind::route_number(&route_words(route));
        Snapshot {
            routes,
            numbers: traffic.routes.iter().map(number).collect(),
            specs: traffic.routes,
            listeners,
            pools,
            counters: Arc::new(counters),
        }
    }
}

type ByName<T> = BTreeMap<Arc<str>, Arc<T>>;

fn pools(
    old: &Snapshot,
    tables: Vec<Arc<PoolTable>>,
    (tls, sessions): (&ByName<evenkeel_tls::Client>, &ByName<Sessions>),
    workers: usize,
    counters: &mut CounterSet,
) -> BTreeMap<Arc<str>, Arc<PoolCell>> {
    let mut pools = BTreeMap::new();
    for table in tables {
        let name = table.name.clone();
        let known = old.pools.get(&name);
        let tls = tls.get(&name).cloned();
        let sessions = sessions.get(&name).cloned();
        let cell = match known.filter(|cell| cell.id == table.pool) {
            Some(cell) => {
                if cell.table.load().epoch <= table.epoch {
                    cell.table.store(table);
                }
                cell.tls.store(tls);
                cell.sessions.store(sessions);
                cell.clone()
            }
            None => Arc::new(PoolCell {
                id: table.pool,
                table: ArcSwap::new(table),
                tls: ArcSwapOption::new(tls),
                sessions: ArcSwapOption::new(sessions),
                kept: OnceLock::new(),
                learned: (0..workers).map(|_| ArcSwapOption::empty()).collect(),
                queue: Queue::default(),
                counters: known.map_or_else(
                    || Arc::new(PerWorker::new(workers)),
                    |cell| cell.counters.clone(),
                ),
                redo: known.map_or_else(Arc::default, |cell| cell.redo.clone()),
            }),
        };
        counters
            .pools
            .insert(name.to_string(), cell.counters.clone());
        counters.redo.insert(name.to_string(), cell.redo.clone());
        pools.insert(name, cell);
    }
    pools
}

/// Before a request sees them: a session that is not known yet would begin anew.
fn restore(pools: &BTreeMap<Arc<str>, Arc<PoolCell>>, kept: &[Part]) {
    let (now_s, _) = rt::wall();
    for part in kept {
        let cell = pools.get(&part.pool);
        let sessions = cell.and_then(|cell| cell.sessions.load_full());
        if let (Some(cell), Some(sessions)) = (cell, sessions.filter(|s| s.are_kept())) {
            let kept = cell.kept.get_or_init(Kept::default);
            kept.restore(&part.rows, now_s, sessions.ttl_s());
        }
    }
}

fn listener(
    old: &Snapshot,
    settings: Arc<ListenerSettings>,
    tls: Option<Arc<evenkeel_tls::Server>>,
    routes: &[RouteSpec],
    workers: usize,
    counters: &mut CounterSet,
) -> ListenerEntry {
    let known = old.listeners.get(&settings.name);
    let own = known.map_or_else(
        || Arc::new(PerWorker::new(workers)),
        |entry| entry.counters.clone(),
    );
    counters
        .listeners
        .insert(settings.name.to_string(), own.clone());
    let served = |route: &RouteSpec| {
        settings.protocol == Protocol::Http
            && route.listener.as_ref().is_none_or(|n| *n == settings.name)
    };
    let mut route_counters = Vec::with_capacity(routes.len());
    for route in routes {
        route_counters.push(served(route).then(|| {
            let label = label(&settings.name, route);
            let kept = old.counters.routes.get(&label).cloned();
            counters
                .routes
                .entry(label)
                .or_insert_with(|| kept.unwrap_or_else(|| Arc::new(PerWorker::new(workers))))
                .clone()
        }));
    }
    ListenerEntry {
        tls,
        counters: own,
        open: known.map_or_else(Arc::default, |entry| entry.open.clone()),
        routes: route_counters,
        settings,
    }
}

/// What a route takes, as written: its host and its path.
pub(crate) fn route_words(route: &RouteSpec) -> String {
    let host = match &route.host {
        None => "*".to_owned(),
        Some(HostPattern::Exact(host)) => host.clone(),
        Some(HostPattern::Suffix(suffix)) => format!("*{suffix}"),
    };
    let path = match &route.path {
        None => "/".to_owned(),
        Some(PathPattern::Prefix(path)) => path.clone(),
        Some(PathPattern::Exact(path)) => format!("={path}"),
        Some(PathPattern::Regex(regex)) => format!("~{}", regex.as_str()),
    };
    host + &path
}

fn label(listener: &str, route: &RouteSpec) -> RouteLabel {
    RouteLabel {
        listener: listener.to_owned(),
        route: route_words(route),
        pool: match &route.action {
            RouteAction::Pool(pool) => pool.to_string(),
            RouteAction::Redirect { .. } | RouteAction::Respond { .. } => String::new(),
        },
    }
}
