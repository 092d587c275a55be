//! Nobody comes back from down before it passed its checks for the whole hold, unless nobody in the pool was usable
//! meanwhile, or it had just become known anew (a restart, a maintenance, another configuration), or is reached by another address.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evenkeel_core::engine::DecidedBy;
use evenkeel_core::table::{EndpointRow, State};
use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Key, Note, Scene};

#[derive(Debug, Default)]
pub(super) struct HoldIsRespected {
    /// Passing since then, as the answers say.
    passing: BTreeMap<Key, Time>,
    /// When nobody in the pool was last seen usable.
    empty: BTreeMap<Arc<str>, Time>,
    /// Its next answer decides without a hold.
    fresh: BTreeSet<Key>,
    /// Whose answer is being handled as such a one.
    deciding: Option<Key>,
}

impl Invariant for HoldIsRespected {
    fn name(&self) -> &'static str {
        "the hold is respected"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        self.notice_empty(scene);
        match note {
            Note::Restarted => {
                self.passing.clear();
                self.refresh(scene);
            }
            Note::Reloaded { same: false, .. } => self.refresh(scene),
            Note::Ordered { key } => {
                self.fresh.insert((*key).clone());
            }
            Note::ProbeAnswered {
                key,
                passed,
                valid: true,
                ..
            } => {
                self.deciding = self.fresh.take(*key);
                match passed {
                    true => {
                        self.passing.entry((*key).clone()).or_insert(scene.now.at);
                    }
                    false => {
                        self.passing.remove(*key);
                    }
                }
            }
            // What kept it down was the address, and it has passed its check at another.
            Note::Switched(switch) if !switch.change.back => {
                self.deciding = Some((switch.pool.clone(), switch.name.clone()));
            }
            Note::Changed(change) => {
                let key = (change.pool.clone(), change.name.clone());
                let fresh = self.deciding.as_ref() == Some(&key);
                let returns = change.from == State::Down && change.to == State::Up;
                if returns && change.decided_by == DecidedBy::Check && !fresh {
                    return self.check(&key, scene);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl HoldIsRespected {
    fn notice_empty(&mut self, scene: &Scene) {
        for (name, table) in &scene.tables {
            let usable = |row: &EndpointRow| row.state.usable() && row.weight > 0;
            if !table.endpoints.iter().any(usable) {
                self.empty.insert(name.clone(), scene.now.at);
            }
        }
    }

    fn refresh(&mut self, scene: &Scene) {
        for (pool, spec) in &scene.pools {
            let keys = spec
                .endpoints
                .iter()
                .map(|e| (pool.clone(), e.name.clone()));
            self.fresh.extend(keys);
        }
    }

    fn check(&self, key: &Key, scene: &Scene) -> Result<(), String> {
        let hold = scene.pools[&key.0].failover.hold;
        let Some(&since) = self.passing.get(key) else {
            return Err(format!("{} came back without passing a check", key.1));
        };
        let waived = self.empty.get(&key.0).is_some_and(|&empty| empty >= since);
        let held = scene.now.at.since(since);
        match held >= hold || waived {
            true => Ok(()),
            false => Err(format!(
                "{} came back after {held:?} instead of {hold:?}",
                key.1
            )),
        }
    }
}
