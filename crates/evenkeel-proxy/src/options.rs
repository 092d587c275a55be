//! What the binary hands to the data plane: once at the start, and once for every configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_core::observe::Failure;
use evenkeel_core::session::Part;
use evenkeel_core::settings::{ListenerSettings, RouteSpec};
use evenkeel_core::table::PoolTable;
use tokio::sync::mpsc;

use crate::access::AccessLog;
use crate::session::Sessions;

/// Fixed for the life of a [`Proxy`](crate::Proxy).
pub struct Options {
    /// Threads; at least one. [`EndpointShared`](evenkeel_core::counters::EndpointShared)s must be made for as many.
    pub workers: usize,
    /// Where failed tries are told to. Bounded: what does not fit is counted in
    /// [`failures_dropped`](evenkeel_core::counters::PoolWorker::failures_dropped) and otherwise forgotten.
    pub failures: mpsc::Sender<Failure>,
    /// `None` = off.
    pub access_log: Option<AccessLog>,
    /// Where requests of routes with `journal` are written down; `None` = nowhere, and none is sent again.
    pub redo: Option<PathBuf>,
    /// Of every random choice; a worker derives its own stream from it.
    pub seed: u64,
}

/// One configuration as the data plane needs it, replaced whole at a reload.
#[derive(Clone, Default)]
pub struct Traffic {
    /// For logs only.
    pub revision: u64,
    /// By name; an address is tied to one of them by [`Proxy::listen`](crate::Proxy::listen).
    pub listeners: Vec<Arc<ListenerSettings>>,
    /// In file order: the first that fits is taken.
    pub routes: Vec<RouteSpec>,
    /// TLS of the listeners that speak it, by name. Their files may be read again at any time without a new `Traffic`.
    pub tls: BTreeMap<Arc<str>, Arc<evenkeel_tls::Server>>,
    /// TLS to the endpoints of the pools that want it, by name; the same holds.
    pub endpoint_tls: BTreeMap<Arc<str>, Arc<evenkeel_tls::Client>>,
    /// How clients are known again, of the pools that want it, by name.
    pub sessions: BTreeMap<Arc<str>, Arc<Sessions>>,
    /// Sessions that an earlier process kept for clients. Those known already are newer.
    pub kept: Vec<Part>,
    /// One per pool.
    pub tables: Vec<Arc<PoolTable>>,
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic")
            .field("revision", &self.revision)
            .field("listeners", &self.listeners.len())
            .field("routes", &self.routes.len())
            .field("tls", &self.tls.len())
            .field("endpoint_tls", &self.endpoint_tls.len())
            .field("sessions", &self.sessions.len())
            .field("kept", &self.kept.len())
            .field("tables", &self.tables.len())
            .finish()
    }
}
