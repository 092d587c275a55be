//! What became of journalled requests: read with every sweep, told to the engine when a pool has none left to send.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::engine::Event;
use evenkeel_core::recover::redo::Redone;
use evenkeel_schema::admin::RedoStatus;

use super::Driver;

/// Redone and given up by pool, as they were when that was told last. Bounded by the configuration.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<String, (u64, u64)>);

impl Driver {
    pub(super) fn sweep_redo(&mut self) {
        let counters = self.host.counters();
        self.swept
            .redo
            .0
            .retain(|pool, _| counters.redo.contains_key(pool));
        for (pool, counts) in &counters.redo {
            let now = counts.read();
            let told = self.swept.redo.0.entry(pool.clone()).or_default();
            let (redone, given_up) = (now.redone - told.0, now.given_up - told.1);
            if now.pending > 0 || redone + given_up == 0 {
                continue;
            }
            *told = (now.redone, now.given_up);
            self.event(Event::Redone {
                pool: Arc::from(pool.as_str()),
                redone,
                given_up,
            });
        }
    }
}

/// What status shows; of a pool that never journalled anything there is nothing to say.
pub(super) fn status(counts: Redone) -> Option<RedoStatus> {
    (counts != Redone::default()).then_some(RedoStatus {
        journalled: counts.kept,
        not_journalled: counts.not_kept,
        pending: counts.pending,
        redone: counts.redone,
        superseded: counts.superseded,
        given_up: counts.given_up,
    })
}
