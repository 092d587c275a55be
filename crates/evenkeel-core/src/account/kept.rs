//! What of an account outlives the process, as plain data: whoever stores it chooses the format.

use std::time::Duration;

use super::history::{Kind, Piece};
use crate::time::WallTime;

/// An account as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Pool's name.
    pub pool: String,
    /// When the account began.
    pub began: WallTime,
    /// The moment it is of: later, nobody looked.
    pub seen: WallTime,
    /// Elapsed since it began, on its own clock.
    pub elapsed: Duration,
    /// The pool's.
    pub book: KeptBook,
    /// Requests, good and bad, in slots of several lengths.
    pub requests: Vec<KeptCounts<2>>,
    /// Its endpoints'.
    pub endpoints: Vec<KeptEndpoint>,
    /// Times by cause.
    pub causes: Vec<KeptCause>,
    /// Incidents whose times these are, the last of them, and under which cause; `None` where that was not written down.
    pub counted: Vec<(u64, Option<String>)>,
}

/// A history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptBook {
    /// Oldest first.
    pub pieces: Vec<Piece>,
    /// Up or down, whichever was seen last.
    pub known: Option<Kind>,
}

/// Counts in slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCounts<const N: usize> {
    /// One slot's length.
    pub slot: Duration,
    /// Number and counts, oldest first.
    pub slots: Vec<(u64, [u64; N])>,
}

/// One endpoint's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEndpoint {
    /// Its name.
    pub name: String,
    /// Its history.
    pub book: KeptBook,
    /// Tries, failed tries, failovers.
    pub counts: KeptCounts<3>,
}

/// One cause's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCause {
    /// Its name.
    pub cause: String,
    /// Buckets and counts of each stage.
    pub stages: [Vec<(u16, u64)>; 4],
}
