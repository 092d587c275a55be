//! Where no packet gets to the address in use and one gets to another, the other comes into use; nobody is left on a network that
//! is cut. Only of endpoints that are well otherwise: of those no probe could tell.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::settings::{EndpointSpec, PoolSpec, RecoveryMode};
use evenkeel_core::table::{EndpointRow, State};
use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Behaviour, Key, Note, Scene};

#[derive(Debug, Default)]
pub(super) struct AGoodWayIsTaken {
    /// On a cut address, with a good one beside it, since then.
    misled: BTreeMap<Key, Time>,
}

impl Invariant for AGoodWayIsTaken {
    fn name(&self) -> &'static str {
        "a good way is taken"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted | Note::Reloaded { .. } => self.misled.clear(),
            Note::Beat => return self.beat(scene),
            _ => {}
        }
        Ok(())
    }
}

impl AGoodWayIsTaken {
    fn beat(&mut self, scene: &Scene) -> Result<(), String> {
        let before = std::mem::take(&mut self.misled);
        for (name, table) in &scene.tables {
            let spec = &scene.pools[name];
            for row in &table.endpoints {
                let key = (name.clone(), row.name.clone());
                let configured = spec.endpoints.iter().find(|e| e.name == row.name);
                if !configured.is_some_and(|configured| misled(&key, row, configured, spec, scene))
                {
                    continue;
                }
                let since = before.get(&key).copied().unwrap_or(scene.now.at);
                let long = scene.now.at.since(since);
                if long > longest(spec) {
                    return Err(format!("{} is on a cut address for {long:?}", row.name));
                }
                self.misled.insert(key, since);
            }
        }
        Ok(())
    }
}

fn misled(
    key: &Key,
    row: &EndpointRow,
    configured: &EndpointSpec,
    spec: &PoolSpec,
    scene: &Scene,
) -> bool {
    let cut = |way: &evenkeel_core::address::Address| scene.cut.contains(way);
    let well = configured.service.is_none() && scene.behaviour(key) == Behaviour::Works;
    let mut ways = std::iter::once(&configured.target).chain(&configured.others);
    well && spec.recovery.mode == RecoveryMode::Act
        && !matches!(row.state, State::Draining | State::Maintenance)
        && row.address.as_ref().is_some_and(cut)
        && ways.any(|way| way.fixed().is_some_and(|way| !cut(way)))
}

/// Until two probes have failed, one of the other address has passed, each lost once, and the waits after earlier flights are over.
fn longest(spec: &PoolSpec) -> Duration {
    let check = &spec.check;
    let probe = check.interval * 3 / 2 + check.timeout + Duration::from_secs(1);
    probe * 4 + check.fast_interval * 16
}
