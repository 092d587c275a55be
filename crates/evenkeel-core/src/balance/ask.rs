//! What one pick asks for, and so who may be taken.

use std::sync::atomic::Ordering::Relaxed;

use crate::health::traffic::NO_BURDEN;
use crate::id::EndpointId;
use crate::table::{EndpointRow, PoolTable};
use crate::time::Time;

use super::group::{Candidate, Group};

/// One pick's conditions.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub(crate) table: &'a PoolTable,
    pub(crate) tried: &'a [EndpointId],
    /// 0 = none.
    pub(crate) limit: u32,
    /// Ask for permits of those in trial.
    pub(crate) permits: bool,
    /// Pass over those whose last try just failed, as of this moment.
    pub(crate) unfailing: Option<Time>,
}

impl<'a> Ask<'a> {
    /// Anybody with a weight and room, for `tried` is where this request failed before.
    pub(crate) fn new(table: &'a PoolTable, tried: &'a [EndpointId]) -> Ask<'a> {
        Ask {
            table,
            tried,
            limit: table.limit.per_endpoint,
            permits: true,
            unfailing: None,
        }
    }

    /// Does everybody in this group with a weight fit, without looking? The common case, and the fast one.
    pub fn all_fit(&self, group: &Group) -> bool {
        self.tried.is_empty()
            && self.limit == 0
            && self.unfailing.is_none()
            && !(group.trials && self.permits)
    }

    /// May this one be taken?
    pub fn fits(&self, candidate: &Candidate) -> bool {
        candidate.weight > 0
            && self.allowed(candidate)
            && (self.limit == 0 || self.in_flight(candidate) < self.limit)
    }

    /// May it be taken but for the limit?
    pub(crate) fn allowed(&self, candidate: &Candidate) -> bool {
        !self.tried.contains(&candidate.id)
            && (!candidate.trial || self.has_permit(candidate))
            && !self
                .unfailing
                .is_some_and(|now| self.row(candidate).shared.failed_just_now(now))
    }

    /// Tries in flight at this one, all workers together.
    pub fn in_flight(&self, candidate: &Candidate) -> u32 {
        self.row(candidate).shared.in_flight.load(Relaxed)
    }

    /// How busy this one is, in thousandths of a try: what is in flight, and heavier if it fails fast. Only for comparison.
    pub fn load(&self, candidate: &Candidate) -> u64 {
        let shared = &self.row(candidate).shared;
        let after = u64::from(shared.in_flight.load(Relaxed)) + 1;
        let load = after * u64::from(shared.burden.load(Relaxed));
        load.saturating_sub(u64::from(NO_BURDEN))
    }

    pub(crate) fn row(&self, candidate: &Candidate) -> &'a EndpointRow {
        &self.table.endpoints[candidate.index]
    }

    fn has_permit(&self, candidate: &Candidate) -> bool {
        !self.permits || self.row(candidate).shared.trial_left.load(Relaxed) > 0
    }
}
