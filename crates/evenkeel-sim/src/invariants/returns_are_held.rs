//! An endpoint goes back to an earlier address only after that was well for the pool's hold; where a person has to agree, only
//! after an order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Key, Note, Scene};

#[derive(Debug, Default)]
pub(super) struct ReturnsAreHeld {
    /// Cut since, and when that was seen last.
    cut: BTreeMap<Address, (Time, Time)>,
    /// A person has said ready of these.
    agreed: BTreeSet<Key>,
}

impl Invariant for ReturnsAreHeld {
    fn name(&self) -> &'static str {
        "a return to an address waits for the hold"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Beat => {
                for way in &scene.cut {
                    let seen = self.cut.entry(way.clone());
                    let seen = seen.or_insert((scene.now.at, scene.now.at));
                    if scene.now.at.since(seen.1) > BEATS {
                        seen.0 = scene.now.at;
                    }
                    seen.1 = scene.now.at;
                }
                Ok(())
            }
            Note::Ordered { key } => {
                self.agreed.insert((*key).clone());
                Ok(())
            }
            Note::Switched(switch) => {
                let key = (switch.pool.clone(), switch.name.clone());
                let agreed = self.agreed.remove(&key);
                match switch.change.back {
                    true => self.back(&key, switch.change.to.fixed(), agreed, scene),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// Seen within this it was one and the same cut.
const BEATS: Duration = Duration::from_millis(150);

impl ReturnsAreHeld {
    fn back(
        &self,
        key: &Key,
        to: Option<&Address>,
        agreed: bool,
        scene: &Scene,
    ) -> Result<(), String> {
        let spec = &scene.pools[&key.0];
        if agreed {
            return Ok(());
        }
        if !spec.failover.failback_auto {
            return Err(format!("{} went back, and nobody had agreed", key.1));
        }
        let Some((since, last)) = to.and_then(|to| self.cut.get(to)) else {
            return Ok(());
        };
        // A shorter one may lie between two probes.
        let check = &spec.check;
        let noticed = check.interval * 3 + check.timeout + Duration::from_secs(1);
        let ago = scene.now.at.since(*last);
        match last.since(*since) > noticed && ago < spec.failover.hold {
            true => Err(format!("{} went back to what was cut {ago:?} ago", key.1)),
            false => Ok(()),
        }
    }
}
