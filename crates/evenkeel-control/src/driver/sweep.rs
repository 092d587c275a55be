//! Sweeping the endpoints' counters: what they grew by since the last time goes to the engine.

use std::collections::BTreeSet;

use evenkeel_core::engine::Event;
use evenkeel_core::id::EndpointId;

use super::Driver;

impl Driver {
    pub(super) fn sweep(&mut self) {
        let mut grown = Vec::new();
        for row in self.tables.values().flat_map(|t| &t.endpoints) {
            let successes = row.shared.workers.sum(|w| w.successes.value());
            let failures = row.shared.workers.sum(|w| w.failures.value());
            let before = self.swept.insert(row.id, (successes, failures));
            let before = before.unwrap_or_default();
            let delta = (
                successes.wrapping_sub(before.0),
                failures.wrapping_sub(before.1),
            );
            if delta != (0, 0) {
                grown.push((row.id, delta));
            }
        }
        for (endpoint, (successes, failures)) in grown {
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
        self.swept.retain(|id, _| there.contains(id));
        self.checks.retain(|id, _| there.contains(id));
    }
}
