//! Sessions by endpoint, as the data plane counts them.

use evenkeel_core::counters::EndpointShared;
use evenkeel_core::engine::PoolView;
use evenkeel_core::session::SessionWorker;
use evenkeel_schema::admin::{EndpointSessions, SessionsStatus};

use super::Driver;
use crate::clock::now;

impl Driver {
    /// Of a pool that knows its clients again.
    pub(super) fn sessions_of(&self, pool: &PoolView<'_>) -> Option<SessionsStatus> {
        let session = self.config.sessions.get(&pool.spec.name)?;
        let counters = self.host.counters();
        let workers = counters.pools.get(&*pool.spec.name);
        let count = |field: fn(&SessionWorker) -> u64| {
            workers.map_or(0, |workers| workers.sum(|worker| field(&worker.sessions)))
        };
        let now_s = now().wall.0 / 1000;
        let endpoints: Vec<_> = pool
            .endpoints
            .iter()
            .map(|endpoint| EndpointSessions {
                name: endpoint.name.to_string(),
                sessions: live(endpoint.shared, now_s),
            })
            .collect();
        Some(SessionsStatus {
            by: session.by.name(),
            ttl_s: session.ttl.as_secs(),
            live: endpoints.iter().map(|endpoint| endpoint.sessions).sum(),
            begun: count(|s| s.begun.value()),
            kept: count(|s| s.kept.value()),
            moved: count(|s| s.moved.value()),
            returned: count(|s| s.returned.value()),
            forged: count(|s| s.forged.value()),
            expired: count(|s| s.expired.value()),
            endpoints,
        })
    }
}

/// Sessions at an endpoint, all workers together.
pub(crate) fn live(shared: &EndpointShared, now_s: u64) -> u64 {
    let workers = shared.workers.iter();
    let live: i64 = workers.map(|worker| worker.sessions.value(now_s)).sum();
    u64::try_from(live).unwrap_or(0)
}
