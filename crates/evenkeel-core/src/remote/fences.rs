//! The newest fence that an agent has seen of each of its services. An order is taken once, and none that was decided before one
//! already taken: whatever a balancer still had under way when it was replaced comes too late.
//!
//! The shell keeps them over restarts; it writes them down before it carries an order out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::Epoch;
use crate::time::WallTime;

/// Services of one agent: more than any host runs.
pub const SERVICES_MAX: usize = 1000;

/// An order that is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// What it carries.
    pub fence: Epoch,
    /// The newest seen.
    pub newest: Epoch,
}

impl std::fmt::Display for Stale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Stale { fence, newest } = self;
        write!(
            f,
            "stale: it carries fence {fence}, and {newest} was taken already"
        )
    }
}

/// The fence of what is decided at this moment: milliseconds of the calendar, with room for four thousand in each. It goes on when
/// a host starts anew, as a steady clock does not.
pub fn calendar(now: WallTime) -> Epoch {
    Epoch(now.0 << 12)
}

/// The fence of an order to an agent that has seen, or was given, `newest`: greater, also where a clock was set back.
pub fn following(newest: Epoch, now: WallTime) -> Epoch {
    calendar(now).max(Epoch(newest.0.saturating_add(1)))
}

/// All of an agent's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fences {
    services: BTreeMap<Arc<str>, Epoch>,
    /// What nothing may be at or below, whatever is known of the service.
    floor: Epoch,
}

impl Fences {
    /// As they were kept, with the floor; more than [`SERVICES_MAX`] nobody keeps.
    pub fn carried(kept: impl IntoIterator<Item = (Arc<str>, Epoch)>, floor: Epoch) -> Fences {
        Fences {
            services: kept.into_iter().take(SERVICES_MAX).collect(),
            floor,
        }
    }

    /// What was kept is lost: nothing that was decided until `floor` is taken.
    pub fn lost(floor: Epoch) -> Fences {
        Fences {
            services: BTreeMap::new(),
            floor,
        }
    }

    /// Every service and its newest, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, Epoch)> {
        self.services
            .iter()
            .map(|(service, fence)| (service, *fence))
    }

    /// What nothing may be at or below, whichever service it is for. It is kept with the others: without it the next life would
    /// take what this one refuses.
    pub fn floor(&self) -> Epoch {
        self.floor
    }

    /// The newest of all.
    pub fn newest(&self) -> Epoch {
        let newest = self.services.values().copied().max();
        newest.unwrap_or_default().max(self.floor)
    }

    /// Takes an order's fence, unless it is stale.
    ///
    /// # Errors
    /// It is not newer than the newest seen of this service.
    pub fn admit(&mut self, service: &Arc<str>, fence: Epoch) -> Result<(), Stale> {
        let newest = self.services.get(service).copied().unwrap_or_default();
        let newest = newest.max(self.floor);
        if fence <= newest {
            return Err(Stale { fence, newest });
        }
        self.services.insert(service.clone(), fence);
        Ok(())
    }

    /// Services that are configured no more are forgotten; what was decided before their newest order is refused all the same,
    /// should one of them come back.
    pub fn retain(&mut self, known: impl Fn(&str) -> bool) {
        let gone = self.services.iter().filter(|(service, _)| !known(service));
        let newest = gone.map(|(_, fence)| *fence).max().unwrap_or_default();
        self.floor = self.floor.max(newest);
        self.services.retain(|service, _| known(service));
    }
}
