//! Sessions: counted by endpoint, as the data plane does it, and those that it keeps for clients, stored.
//!
//! They are stored in parts, each with the next time a session of it began, moved or has been prolonged for long enough. That
//! is never on a request's way, and never on an operator's either: while the store is behind, nothing is asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::counters::EndpointShared;
use evenkeel_core::engine::PoolView;
use evenkeel_core::session::{Part, SessionWorker};
use evenkeel_core::time::Time;
use evenkeel_probe::clock::now;
use evenkeel_schema::admin::{EndpointSessions, SessionsStatus};
use evenkeel_schema::config::SessionBy;
use evenkeel_schema::records::SessionsRecord;

use super::Driver;

/// Between two rounds of what has changed. A process that dies hard loses that, and what the disk did not have yet (5 s).
const STORE_EVERY: Duration = Duration::from_secs(1);
/// At the end of the process: a million sessions take a second of a disk that works.
const LAST_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks at whether the store has caught up then.
const LOOK: Duration = Duration::from_millis(2);

/// What of the sessions is in the store.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// How many, by pool and part: bounded by the parts there are.
    parts: BTreeMap<String, BTreeMap<u16, u64>>,
    /// When the next round begins.
    due: Time,
}

impl Stored {
    fn of(&self, pool: &str) -> u64 {
        let parts = self.parts.get(pool);
        parts.map_or(0, |parts| parts.values().sum())
    }
}

impl Driver {
    /// Hands what an earlier process kept to the data plane, with the next configuration. Was there something?
    pub(super) fn remember_sessions(&mut self, records: Vec<SessionsRecord>) -> bool {
        let found = !records.is_empty();
        for record in &records {
            let parts = self.sessions.parts.entry(record.pool.clone());
            parts
                .or_default()
                .insert(record.part, record.rows.len() as u64);
        }
        let parts: Vec<Part> = records.into_iter().map(Part::from).collect();
        self.host.restore_sessions(parts);
        found
    }

    /// Stores some of what has changed; called with every sweep.
    pub(super) fn store_sessions(&mut self, now: Time) {
        if now < self.sessions.due || self.loading.is_some() || !self.storage.is_even() {
            return;
        }
        if !self.put_sessions(false) {
            self.sessions.due = now + STORE_EVERY;
        }
    }

    /// Stores all that has changed, also how long sessions live, for as long as that may take.
    pub(super) async fn store_last_sessions(&mut self) {
        let until = now().at + LAST_WITHIN;
        while self.put_sessions(true) {
            while !self.storage.is_even() && now().at < until {
                tokio::time::sleep(LOOK).await;
                self.storage.flush();
            }
            if now().at >= until {
                return tracing::warn!("the disk is slow: the last sessions are not stored");
            }
        }
    }

    /// False: there was nothing.
    fn put_sessions(&mut self, last: bool) -> bool {
        let changed = self.host.changed_sessions(last);
        for part in &changed {
            if !self.keeps_sessions(&part.pool) {
                continue;
            }
            let parts = self
                .sessions
                .parts
                .entry(part.pool.to_string())
                .or_default();
            if !part.rows.is_empty() {
                parts.insert(part.number, part.rows.len() as u64);
                self.storage.put_sessions(&part.into());
            } else if parts.remove(&part.number).is_some() {
                self.storage.delete_sessions(&part.pool, part.number);
            }
        }
        !changed.is_empty()
    }

    /// Deletes those of pools that are gone, or whose clients carry their sessions themselves now.
    pub(super) fn forget_sessions(&mut self) {
        let pools = self.sessions.parts.keys();
        let gone: Vec<String> = pools
            .filter(|pool| !self.keeps_sessions(pool))
            .cloned()
            .collect();
        for pool in gone {
            let parts = self.sessions.parts.remove(&pool).unwrap_or_default();
            for part in parts.into_keys() {
                self.storage.delete_sessions(&pool, part);
            }
        }
    }

    /// Are sessions of this pool kept here?
    pub(super) fn keeps_sessions(&self, pool: &str) -> bool {
        let session = self.config.sessions.get(pool);
        session.is_some_and(|session| matches!(session.by, SessionBy::Token(_)))
    }

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
            stored: self.sessions.of(&pool.spec.name),
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
