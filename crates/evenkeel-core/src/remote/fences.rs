//! The newest fence that an agent has seen of each of its services. An order is taken once, and none that was decided before one
//! already taken: whatever a balancer still had under way when it was replaced comes too late.
//!
//! The shell keeps them over restarts; it writes them down before it carries an order out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::Epoch;

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

/// All of an agent's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fences(BTreeMap<Arc<str>, Epoch>);

impl Fences {
    /// As they were kept; more than [`SERVICES_MAX`] nobody keeps.
    pub fn carried(kept: impl IntoIterator<Item = (Arc<str>, Epoch)>) -> Fences {
        Fences(kept.into_iter().take(SERVICES_MAX).collect())
    }

    /// Every service and its newest, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, Epoch)> {
        self.0.iter().map(|(service, fence)| (service, *fence))
    }

    /// The newest of all.
    pub fn newest(&self) -> Epoch {
        self.0.values().copied().max().unwrap_or_default()
    }

    /// Takes an order's fence, unless it is stale.
    ///
    /// # Errors
    /// It is not newer than the newest seen of this service.
    pub fn admit(&mut self, service: &Arc<str>, fence: Epoch) -> Result<(), Stale> {
        let newest = self.0.get(service).copied();
        if let Some(newest) = newest.filter(|newest| *newest >= fence) {
            return Err(Stale { fence, newest });
        }
        self.0.insert(service.clone(), fence);
        Ok(())
    }

    /// Services that are configured no more are forgotten.
    pub fn retain(&mut self, known: impl Fn(&str) -> bool) {
        self.0.retain(|service, _| known(service));
    }
}
