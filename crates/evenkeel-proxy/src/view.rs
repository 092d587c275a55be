//! A snapshot as one worker serves it: listeners and routes with that worker's own counters and pools beside them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use evenkeel_core::counters::{ListenerWorker, Reject, RouteWorker};
use evenkeel_core::id::PoolId;
use evenkeel_core::route::{RouteTable, Wanted};
use evenkeel_core::settings::{ListenerSettings, Protocol, RouteAction, RouteSpec};
use evenkeel_tls::Server;

use crate::pool::Pool;
use crate::snapshot::{ListenerEntry, Snapshot};

/// A snapshot with this worker's own parts beside it.
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) listeners: BTreeMap<Arc<str>, Rc<ListenerView>>,
    /// By route; `None` for those that forward nowhere.
    pub(crate) pools: Vec<Option<Rc<Pool>>>,
}

/// A listener as a worker serves it.
pub(crate) struct ListenerView {
    entry: Arc<ListenerEntry>,
    worker: usize,
    /// Where a tcp listener forwards to.
    pub(crate) pool: Option<Rc<Pool>>,
    /// Where TLS is passed through: its own routes by nothing but their host, and their pools.
    by_host: Option<RouteTable>,
    by_host_pools: Vec<Option<Rc<Pool>>>,
}

impl ListenerView {
    pub(crate) fn settings(&self) -> &ListenerSettings {
        &self.entry.settings
    }
    pub(crate) fn counters(&self) -> &ListenerWorker {
        self.entry.counters.of(self.worker)
    }
    pub(crate) fn reject(&self, reason: Reject) {
        self.counters().rejected(reason).inc();
    }
    pub(crate) fn route_counters(&self, route: usize) -> Option<&RouteWorker> {
        let counters = self.entry.routes.get(route)?.as_ref()?;
        Some(counters.of(self.worker))
    }
    /// How it speaks TLS; `None` = not at all.
    pub(crate) fn tls(&self) -> Option<&Server> {
        self.entry.tls.as_deref()
    }
    /// Does it speak TLS, or should it?
    pub(crate) fn speaks_tls(&self) -> bool {
        self.tls().is_some() || !self.settings().tls.is_empty()
    }
    /// Where a client that asks for this host is passed on to.
    pub(crate) fn passed_to(&self, host: &str) -> Option<&Rc<Pool>> {
        let wanted = Wanted {
            listener: &self.settings().name,
            host,
            path: "/",
            method: "",
        };
        let route = self.by_host.as_ref()?.find(&wanted, |_, _| false)?;
        self.by_host_pools.get(route)?.as_ref()
    }
    /// Connections open over all workers.
    pub(crate) fn open(&self) -> &AtomicU32 {
        &self.entry.open
    }
}

impl View {
    pub(crate) fn of(
        snapshot: &Arc<Snapshot>,
        pools: &BTreeMap<PoolId, Rc<Pool>>,
        worker: usize,
    ) -> View {
        let named = |name: &str| {
            let cell = snapshot.pools.get(name)?;
            pools.get(&cell.id).cloned()
        };
        let listeners = snapshot.listeners.iter().map(|(name, entry)| {
            let pool = match &entry.settings.protocol {
                Protocol::Http | Protocol::Passthrough => None,
                Protocol::Tcp { pool } => named(pool),
            };
            let passes = entry.settings.protocol == Protocol::Passthrough;
            let by_host = passes.then(|| hosts_only(name, &snapshot.specs));
            let view = ListenerView {
                entry: entry.clone(),
                worker,
                pool,
                by_host_pools: match &by_host {
                    None => Vec::new(),
                    Some(specs) => specs.iter().map(|spec| pool_of(spec, named)).collect(),
                },
                by_host: by_host.as_deref().map(RouteTable::build),
            };
            (name.clone(), Rc::new(view))
        });
        let by_route = snapshot.specs.iter().map(|spec| pool_of(spec, named));
        View {
            listeners: listeners.collect(),
            pools: by_route.collect(),
            snapshot: snapshot.clone(),
        }
    }
}

fn pool_of(spec: &RouteSpec, named: impl Fn(&str) -> Option<Rc<Pool>>) -> Option<Rc<Pool>> {
    match &spec.action {
        RouteAction::Pool(name) => named(name),
        RouteAction::Redirect { .. } | RouteAction::Respond { .. } => None,
    }
}

/// The routes of this listener and no other, by their host alone: all that is known of what is passed through.
fn hosts_only(listener: &Arc<str>, specs: &[RouteSpec]) -> Vec<RouteSpec> {
    let own = specs
        .iter()
        .filter(|spec| spec.listener.as_ref() == Some(listener));
    own.map(|spec| RouteSpec {
        path: None,
        methods: Vec::new(),
        headers: Vec::new(),
        ..spec.clone()
    })
    .collect()
}
