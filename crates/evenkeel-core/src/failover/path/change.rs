//! What comes from outside of the path itself: another configuration, a restart, names and where they are now.

use serde::{Deserialize, Serialize};

use crate::address::{Address, Target};
use crate::settings::EndpointSpec;
use crate::time::{Now, Time, WallTime};

use super::{ENOUGH, Path, Way, targets};

/// What outlives the process: that another address than the first was in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedPath {
    /// As configured.
    pub target: String,
    /// Since when.
    pub since: WallTime,
    /// The evidence.
    pub why: String,
}

impl Path {
    /// Another one than the first was in use before a restart.
    pub fn restore(&mut self, carried: CarriedPath) {
        let there = |way: &Way| way.target.to_string() == carried.target;
        if let Some(used) = self.ways.iter().position(there) {
            self.used = used;
            self.since = carried.since;
            self.why = carried.why;
        }
    }

    /// What a restart is told; `None` = the first is in use.
    pub fn carried(&self) -> Option<CarriedPath> {
        (self.used > 0).then(|| CarriedPath {
            target: self.target().to_string(),
            since: self.since,
            why: self.why.clone(),
        })
    }

    /// A reload: addresses that stay keep what is known of them. False: the one in use is gone, and the first is it now.
    pub fn respecify(&mut self, spec: &EndpointSpec, now: Now) -> bool {
        let used = self.target().clone();
        let first = self.ways[0].target != spec.target;
        let known = std::mem::take(&mut self.ways);
        let kept = |target: Target| {
            let known = known.iter().find(|way| way.target == target);
            known.cloned().unwrap_or_else(|| Way::new(target))
        };
        self.ways = targets(spec).map(kept).collect();
        let stays = self.ways.iter().position(|way| way.target == used);
        match stays.filter(|_| !first) {
            Some(at) => self.used = at,
            None => {
                self.used = 0;
                self.renewed("its configuration changed", now);
            }
        }
        stays.is_some() && !first
    }

    /// A name was resolved. Is what is in use somewhere else now?
    pub fn resolved(&mut self, target: &Target, address: &Address, now: Now) -> bool {
        let Some(at) = self.ways.iter().position(|way| way.target == *target) else {
            return false;
        };
        let moved = self.ways[at].moves(address) && at == self.used;
        if moved {
            let since = self.since;
            let why = std::mem::take(&mut self.why);
            self.renewed(&why, now);
            self.since = since;
        }
        moved
    }

    /// A name could not be resolved. Of the one in use, which was never resolved, that is as good as a cut.
    pub fn unresolved(&mut self, target: &Target, now: Time) {
        if self.address().is_none() && self.target() == target {
            self.add(ENOUGH, now);
        }
    }
}
