//! The data plane in small: each worker has a picker and a retry budget per pool, and a request knows where it was tried.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::balance;
use evenkeel_core::balance::Picker;
use evenkeel_core::counters::EndpointShared;
use evenkeel_core::id::{EndpointId, Epoch, PathId};
use evenkeel_core::observe::FailureKind;
use evenkeel_core::retry::Budget;
use evenkeel_core::table::PoolTable;

/// One worker's part of one pool.
#[derive(Debug)]
pub struct Lane {
    /// Chooses.
    pub picker: Picker,
    /// Allows further tries.
    pub budget: Budget,
}

/// All workers' parts of all pools, of one process.
#[derive(Debug, Default)]
pub struct Lanes(BTreeMap<(usize, Arc<str>), Lane>);

impl Lanes {
    /// The one of this worker for the pool of this table.
    pub fn lane(
        &mut self,
        worker: usize,
        table: &PoolTable,
        seed: u64,
        workers: usize,
    ) -> &mut Lane {
        let made = || Lane {
            picker: Picker::new(table, seed.wrapping_add(worker as u64)),
            budget: Budget::new(table.retry.budget, workers),
        };
        self.0
            .entry((worker, table.name.clone()))
            .or_insert_with(made)
    }
}

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose process took it: it dies with that.
    pub process: u32,
    /// Its worker.
    pub worker: usize,
    /// Its pool.
    pub pool: Arc<str>,
    /// What its pool's policy may go by.
    pub key: Option<u64>,
    /// Where it was tried.
    pub tried: Vec<EndpointId>,
    /// How often.
    pub tries: u32,
}

/// A try on its way.
#[derive(Clone, Debug)]
pub struct Try {
    /// Of this request.
    pub request: Request,
    /// At this endpoint.
    pub endpoint: EndpointId,
    /// Where that stood in which table.
    pub picked: (Epoch, usize),
    /// What the policy said of it then.
    pub noted: balance::Note,
    /// Its counters.
    pub shared: Arc<EndpointShared>,
    /// By this of its addresses.
    pub path: PathId,
    /// How it fails, if it does.
    pub fails: Option<FailureKind>,
    /// How long it takes.
    pub takes: Duration,
}
