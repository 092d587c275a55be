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

/// Further ahead of the calendar no fence is believed, in milliseconds: clocks of hosts differ by seconds, seldom by hours, and a
/// fence of the far future, once taken, would refuse every order after it.
const AHEAD_MS: u64 = 86_400_000;

/// An order that is not taken because of its fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is too old.
    Stale {
        /// What it carries.
        fence: Epoch,
        /// The newest seen.
        newest: Epoch,
    },
    /// It is of a time that is far from having come.
    Ahead {
        /// What it carries.
        fence: Epoch,
    },
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unfit::Stale { fence, newest } => write!(
                f,
                "stale: it carries fence {fence}, and {newest} was taken already"
            ),
            Unfit::Ahead { fence } => write!(
                f,
                "it carries fence {fence}, which is more than a day ahead of this host's clock: the clock of whoever sent it or what \
                 it keeps of fences must be wrong, or this host's clock is"
            ),
        }
    }
}

/// The fence of what is decided at this moment: milliseconds of the calendar, with room for four thousand in each. It goes on when
/// a host starts anew, as a steady clock does not.
pub fn calendar(now: WallTime) -> Epoch {
    Epoch(now.0 << 12)
}

/// Is it more than a day ahead of the calendar, so that it can be no fence of what was decided?
pub fn ahead(fence: Epoch, now: WallTime) -> bool {
    fence > calendar(WallTime(now.0.saturating_add(AHEAD_MS)))
}

/// The fence of an order to an agent that has seen, or was given, `newest`: greater, also where a clock was set back. One that is too
/// far [`ahead`] is passed over, since no agent would take what follows it.
pub fn following(newest: Epoch, now: WallTime) -> Epoch {
    match ahead(newest, now) {
        true => calendar(now),
        false => calendar(now).max(Epoch(newest.0.saturating_add(1))),
    }
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

    /// Those that are too far [`ahead`] were never taken in order, and refuse everything: as where they are lost, nothing that was
    /// decided until now is taken. Whose they were is returned; `None` = the floor.
    pub fn cap(&mut self, now: WallTime) -> Vec<Option<Arc<str>>> {
        let floor = Some((None, &mut self.floor)).into_iter();
        let services = self.services.iter_mut();
        let all = floor.chain(services.map(|(service, fence)| (Some(service.clone()), fence)));
        let wrong = all.filter(|(_, fence)| ahead(**fence, now));
        wrong
            .map(|(whose, fence)| {
                *fence = calendar(now);
                whose
            })
            .collect()
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

    /// Takes an order's fence at this moment, unless it is unfit.
    ///
    /// # Errors
    /// It is not newer than the newest seen of this service, or too far [`ahead`].
    pub fn admit(&mut self, service: &Arc<str>, fence: Epoch, now: WallTime) -> Result<(), Unfit> {
        if ahead(fence, now) {
            return Err(Unfit::Ahead { fence });
        }
        let newest = self.services.get(service).copied().unwrap_or_default();
        let newest = newest.max(self.floor);
        if fence <= newest {
            return Err(Unfit::Stale { fence, newest });
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
