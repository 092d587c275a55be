//! Which endpoint the next try goes to.
//!
//! A [`Picker`] turns a [`PoolTable`](crate::table::PoolTable) into *groups* of candidates (a tier, or the pool with its
//! standbys in place) and asks the pool's policy to choose within one. A policy knows nothing of tiers, standbys, ramps,
//! limits and trials: it sees weights that are already right and asks [`Ask::fits`] who may be taken.
//!
//! To add a policy: one file with its [`Policy`] and its [`Entry`], and one line in [`POLICIES`].

#[cfg(test)]
mod abandoned;
mod ask;
mod draw;
mod ended;
#[cfg(test)]
mod fast_failures;
mod first;
mod group;
pub mod hash;
mod kept;
mod kind;
mod learned;
mod least_requests;
mod least_time;
mod load_inverse;
mod maglev;
#[cfg(test)]
mod near_first;
mod p2c;
mod peak_ewma;
mod picker;
mod plan;
pub mod prequal;
mod random;
mod rendezvous;
mod report;
mod request;
mod ring_hash;
mod round_robin;
mod source_ip;
mod utilization;
mod weighted_random;

pub use ask::Ask;
pub use ended::{End, Ended};
pub use group::{Candidate, Group};
pub use kind::{Kind, Method, Size};
pub use learned::{Learned, LearnedEndpoint, LearnedKind, Note};
pub use picker::{Choice, Picker};
pub use plan::stays_near;
pub use report::Report;
pub use request::Request;

use kept::Kept;

use crate::registry::Part;
use crate::rng::Rng;
use crate::settings::{KeySource, PolicySpec};
use crate::time::Time;

/// Chooses within a group. One per group and worker, so it may keep what it likes without a lock.
pub trait Policy: std::fmt::Debug + Send {
    /// The position of a candidate that fits, `None` if none does. Must not allocate.
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize>;

    /// A try at the candidate at this position ended. Only where the entry says that it learns.
    fn ended(&mut self, position: usize, how: &Ended) {
        let _ = (position, how);
    }

    /// What it wants to have back when the try at this position ends; it need not have chosen it itself. Only where the entry
    /// says that it goes by kind.
    fn note(&mut self, position: usize, group: &Group, ask: &Ask<'_>) -> Note {
        let _ = (position, group, ask);
        Note::default()
    }

    /// What it has learned of these candidates, if that is something that can be told.
    fn learned(&self, candidates: &[Candidate], now: Time) -> Option<Learned> {
        let _ = (candidates, now);
        None
    }

    /// The candidate at this position said something of its load. Only where the entry says that it goes by reports.
    fn reported(&mut self, position: usize, report: &Report, group: &Group, rng: &mut Rng) {
        let _ = (position, report, group, rng);
    }

    /// The position of a candidate that is to be asked for its load, beside the traffic; `None` if there is none (any more) now.
    /// Asked after each pick until it says so.
    fn to_ask(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let _ = (group, ask, rng);
        None
    }

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
    /// Does it go by a key?
    pub key: Key,
    /// Does it learn from how tries ended?
    pub learns: bool,
    /// Does it go by how much endpoints are used?
    pub usage: bool,
    /// Does it go by what endpoints report of requests in flight and latency?
    pub reports: bool,
    /// Makes one.
    pub make: fn(&PolicySpec) -> Box<dyn Policy>,
}

impl Entry {
    /// One that follows the weights, and goes neither by the request nor by how tries ended nor by what endpoints say of
    /// themselves.
    const fn plain(part: Part, make: fn(&PolicySpec) -> Box<dyn Policy>) -> Entry {
        Entry {
            part,
            weighted: true,
            key: Key::Ignored,
            learns: false,
            usage: false,
            reports: false,
            make,
        }
    }
}

/// Does a policy go by something of the request?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// No.
    Ignored,
    /// By the client's address, and by nothing else.
    SourceIp,
    /// By no key, but by what sort of request it is.
    Kind,
    /// By what the configuration names; by the client's address if it names nothing.
    Configured,
}

/// All policies. The first one is what an unknown name falls back to; the configuration refuses unknown names.
pub const POLICIES: &[Entry] = &[
    p2c::ENTRY,
    round_robin::ENTRY,
    random::ENTRY,
    weighted_random::ENTRY,
    least_requests::ENTRY,
    first::ENTRY,
    least_time::ENTRY,
    peak_ewma::ENTRY,
    load_inverse::ENTRY,
    utilization::ENTRY,
    source_ip::ENTRY,
    ring_hash::ENTRY,
    rendezvous::ENTRY,
    maglev::ENTRY,
    prequal::ENTRY,
    learned::ENTRY,
];

/// What of a request this pool's policy goes by, if it goes by something.
pub fn key_source(spec: &PolicySpec) -> Option<KeySource> {
    match policy(&spec.name)?.key {
        Key::Ignored | Key::Kind => None,
        Key::SourceIp => Some(KeySource::SourceIp),
        Key::Configured => Some(spec.key.clone().unwrap_or(KeySource::SourceIp)),
    }
}

/// Does this pool's policy go by how much endpoints are used?
pub fn goes_by_usage(spec: &PolicySpec) -> bool {
    policy(&spec.name).is_some_and(|policy| policy.usage)
}

/// Does this pool's policy go by what sort of request it is?
pub fn goes_by_kind(spec: &PolicySpec) -> bool {
    policy(&spec.name).is_some_and(|policy| policy.key == Key::Kind)
}

/// Does this pool's policy go by what endpoints report of requests in flight and latency?
pub fn goes_by_reports(spec: &PolicySpec) -> bool {
    policy(&spec.name).is_some_and(|policy| policy.reports)
}

/// The policy of this name.
pub fn policy(name: &str) -> Option<&'static Entry> {
    POLICIES.iter().find(|entry| entry.part.name == name)
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod testing;
