//! Sweeping the endpoints' counters: what they grew by since the last time goes to the engine, and, by pool, what is read
//! of them, for comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_core::counters::{Counter, EndpointShared, LATENCY_BOUNDS_S, Lane, RouteWorker};
use evenkeel_core::engine::Event;
use evenkeel_core::health::traffic::Measured;
use evenkeel_core::id::EndpointId;
use evenkeel_core::incident::Noticed;
use evenkeel_core::table::PoolTable;
use evenkeel_core::time::Time;

use super::Driver;
use super::paths::Paths;
use super::redo::Told;

/// How long answers take is read this often, and what clients noticed: eighty-five numbers a worker and endpoint, and as many
/// for each route, of which there may be ten thousand.
const TIMES_EVERY: Duration = Duration::from_secs(1);

/// The first bucket of those that took longer than a second, which a person notices as slow.
const SLOW_FROM: usize = 10;
const _: () = assert!(LATENCY_BOUNDS_S[SLOW_FROM - 1] == 1.0);

/// What the sweep before saw.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// Successes and failures.
    counts: BTreeMap<EndpointId, (u64, u64)>,
    lanes: BTreeMap<EndpointId, Vec<Lane>>,
    at: Time,
    times_at: Time,
    /// What clients noticed of each pool since the beginning.
    noticed: BTreeMap<Arc<str>, Noticed>,
    /// Not swept, but counted here.
    pub(super) paths: Paths,
    pub(super) redo: Told,
    /// The version of what is known of recovery points here.
    points: u64,
}

impl Driver {
    pub(super) fn sweep(&mut self, now: Time) {
        let since = std::mem::replace(&mut self.swept.at, now);
        let with_times = now.since(self.swept.times_at) >= TIMES_EVERY;
        if with_times {
            self.swept.times_at = now;
        }
        self.sweep_redo();
        self.sweep_points();
        let tables: Vec<Arc<PoolTable>> = self.tables.values().cloned().collect();
        for table in tables {
            let (moved, endpoints) = self.measure(&table, with_times);
            for row in &table.endpoints {
                self.grown(row.id, &endpoints[&row.id].lanes);
            }
            if moved {
                self.event(Event::Measured {
                    pool: table.pool,
                    since,
                    endpoints,
                });
            }
        }
        if with_times {
            self.sweep_noticed();
        }
    }

    /// What clients noticed: of routes and retries, by pool.
    fn sweep_noticed(&mut self) {
        let counters = self.host.counters();
        let mut all: BTreeMap<&str, Noticed> = BTreeMap::new();
        for (label, workers) in &counters.routes {
            let of_pool = all.entry(label.pool.as_str()).or_default();
            *of_pool = workers.iter().map(noticed).fold(*of_pool, Noticed::plus);
        }
        for (pool, workers) in &counters.pools {
            if let Some(of_pool) = all.get_mut(pool.as_str()) {
                of_pool.retried = workers.sum(|w| w.retries.value());
            }
        }
        let pools: Vec<Arc<str>> = self.tables.values().map(|t| t.name.clone()).collect();
        for pool in pools {
            let now = all.get(&*pool).copied().unwrap_or_default();
            let before = self.swept.noticed.insert(pool.clone(), now);
            let noticed = now.since(before.unwrap_or_default());
            if !noticed.is_nothing() {
                self.event(Event::Noticed { pool, noticed });
            }
        }
    }

    /// The planner offers no restoration where there is nothing to go back to.
    fn sweep_points(&mut self) {
        if let Some((version, oldest)) = self.host.oldest_points(self.swept.points) {
            self.swept.points = version;
            let agent = None;
            self.event(Event::Points { agent, oldest });
        }
    }

    /// Reads all counters of a pool; did any of them move, or does anything wait?
    fn measure(
        &mut self,
        table: &PoolTable,
        with_times: bool,
    ) -> (bool, BTreeMap<EndpointId, Measured>) {
        let mut moved = false;
        let mut endpoints = BTreeMap::new();
        for row in &table.endpoints {
            let lanes = lanes(&row.shared);
            let before = self.swept.lanes.insert(row.id, lanes.clone());
            moved |= before.as_ref() != Some(&lanes) || lanes.iter().any(|lane| lane.waiting() > 0);
            let times = with_times.then(|| row.shared.times());
            let measured = Measured {
                lanes,
                times,
                in_flight: row.shared.in_flight.load(Relaxed),
            };
            endpoints.insert(row.id, measured);
        }
        (moved, endpoints)
    }

    fn grown(&mut self, endpoint: EndpointId, lanes: &[Lane]) {
        let successes: u64 = lanes.iter().map(|lane| lane.successes).sum();
        let failures: u64 = lanes.iter().map(|lane| lane.failures).sum();
        let before = self.swept.counts.insert(endpoint, (successes, failures));
        let before = before.unwrap_or_default();
        let (successes, failures) = (
            successes.wrapping_sub(before.0),
            failures.wrapping_sub(before.1),
        );
        if (successes, failures) != (0, 0) {
            self.event(Event::Swept {
                endpoint,
                successes,
                failures,
            });
        }
    }

    /// Drops what is kept here of endpoints that are gone: these maps are bounded by the configuration.
    pub(super) fn forget_gone(&mut self) {
        let rows = self.tables.values().flat_map(|t| &t.endpoints);
        let there: BTreeSet<EndpointId> = rows.map(|row| row.id).collect();
        self.swept.counts.retain(|id, _| there.contains(id));
        self.swept.lanes.retain(|id, _| there.contains(id));
        self.checks.retain(|id, _| there.contains(id));
        self.swept.paths.keep(&there);
        let names: BTreeSet<_> = self.tables.values().map(|t| t.name.clone()).collect();
        self.swept.noticed.retain(|pool, _| names.contains(pool));
        self.forget_sessions();
    }
}

fn lanes(shared: &EndpointShared) -> Vec<Lane> {
    shared.workers.iter().map(|worker| worker.lane()).collect()
}

/// What one worker counted of one route.
fn noticed(worker: &RouteWorker) -> Noticed {
    let classes = worker.by_class.iter().map(Counter::value);
    let slow = worker.seconds.buckets().into_iter();
    Noticed {
        requests: classes.sum(),
        failed: worker.by_class[5].value(),
        retried: 0,
        slow: slow.skip(SLOW_FROM).sum(),
    }
}
