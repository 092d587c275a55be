//! Which endpoint the next try goes to.
//!
//! A [`Picker`] turns a [`PoolTable`](crate::table::PoolTable) into *groups* of candidates (a tier, or the pool with its
//! standbys in place) and asks the pool's policy to choose within one. A policy knows nothing of tiers, standbys, ramps,
//! limits and trials: it sees weights that are already right and asks [`Ask::fits`] who may be taken.
//!
//! To add a policy: one file with its [`Policy`] and its [`Entry`], and one line in [`POLICIES`].

mod ask;
mod draw;
#[cfg(test)]
mod fast_failures;
mod first;
mod group;
mod least_requests;
mod p2c;
mod picker;
mod plan;
mod random;
mod round_robin;
mod weighted_random;

pub use ask::Ask;
pub use group::{Candidate, Group};
pub use picker::{Choice, Picker};

use crate::registry::Part;
use crate::rng::Rng;

/// Chooses within a group. One per group and worker, so it may keep what it likes without a lock.
pub trait Policy: std::fmt::Debug + Send {
    /// The position of a candidate that fits, `None` if none does. Must not allocate.
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize>;

    /// The group was built anew (`before` is empty the first time): carry over what is kept per candidate.
    fn rebuilt(&mut self, before: &[Candidate], after: &Group, rng: &mut Rng) {
        let _ = (before, after, rng);
    }
}

/// A policy in the list.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it says of itself.
    pub part: Part,
    /// Does traffic follow the weights? If not, only "weight 0 gets nothing" holds.
    pub weighted: bool,
    /// Makes one.
    pub make: fn() -> Box<dyn Policy>,
}

/// All policies. The first one is what an unknown name falls back to; the configuration refuses unknown names.
pub const POLICIES: &[Entry] = &[
    p2c::ENTRY,
    round_robin::ENTRY,
    random::ENTRY,
    weighted_random::ENTRY,
    least_requests::ENTRY,
    first::ENTRY,
];

/// The policy of this name.
pub fn policy(name: &str) -> Option<&'static Entry> {
    POLICIES.iter().find(|entry| entry.part.name == name)
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod testing;
