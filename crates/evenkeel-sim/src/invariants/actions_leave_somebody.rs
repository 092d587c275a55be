//! Whoever is taken away for a moment by an action while it serves leaves `min_healthy` others that do; and nobody is acted
//! upon who had no fault at all for long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::recover::actions::Harm;
use evenkeel_core::recover::{CarriedRecovery, End, Tried};
use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Key, Note, Scene};

/// The longest that a fault which is over is still seen: an ejection, its trial, a hold, checks that were lost.
const LONG: Duration = Duration::from_secs(40);

#[derive(Debug, Default)]
pub(super) struct ActionsLeaveSomebody {
    seen: BTreeSet<(Arc<str>, u64, u64)>,
    /// When no packet got to the address in use of these: from here that looks like a host without power.
    cut: BTreeMap<Key, Time>,
}

impl Invariant for ActionsLeaveSomebody {
    fn name(&self) -> &'static str {
        "an action is for one at fault and leaves min_healthy"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        if matches!(note, Note::Beat) {
            self.remember_cuts(scene);
        }
        let Note::Recovery(record) = note else {
            return Ok(());
        };
        for tried in &record.tried {
            let id = (tried.subject.clone(), tried.incident, tried.at.0);
            let harmful = tried.action.0.harm >= Harm::Some && tried.end == End::Open;
            if harmful && self.seen.insert(id) {
                self.check(record, tried, scene)?;
            }
        }
        Ok(())
    }
}

impl ActionsLeaveSomebody {
    fn remember_cuts(&mut self, scene: &Scene) {
        for (name, table) in &scene.tables {
            for row in &table.endpoints {
                if row
                    .address
                    .as_ref()
                    .is_some_and(|way| scene.cut.contains(way))
                {
                    let key = (name.clone(), row.name.clone());
                    self.cut.insert(key, scene.now.at);
                }
            }
        }
    }

    fn check(&self, record: &CarriedRecovery, tried: &Tried, scene: &Scene) -> Result<(), String> {
        let Some((_, name)) = tried.subject.split_once('/') else {
            return Ok(());
        };
        let key: Key = (record.pool.clone(), name.into());
        let (Some(table), Some(spec)) = (scene.tables.get(&key.0), scene.pools.get(&key.0)) else {
            return Ok(());
        };
        let own = table.endpoints.iter().find(|row| *row.name == *name);
        let others = table.endpoints.iter().filter(|row| *row.name != *name);
        let left = others.filter(|row| row.state.usable()).count();
        let (action, subject) = (tried.action.name(), &tried.subject);
        if own.is_some_and(|row| row.state.usable()) && left < spec.outlier.min_healthy as usize {
            return Err(format!(
                "{action} of {subject}, which serves, leaves {left}"
            ));
        }
        // What an operator allows for a host without power is done for one that cannot be told from it.
        let cut = self.cut.get(&key).filter(|_| action == "run");
        let last = scene.faulty.get(&key).max(cut);
        let ago = last.map(|last| scene.now.at.since(*last));
        match ago.is_none_or(|ago| ago > LONG) {
            true => Err(format!(
                "{action} of {subject} for {}, whose last fault was {ago:?} ago",
                tried.cause.name()
            )),
            false => Ok(()),
        }
    }
}
