//! What one pick asks for, and so who may be taken.

use std::sync::atomic::Ordering::Relaxed;

use crate::health::traffic::NO_BURDEN;
use crate::time::Time;

use super::group::{Candidate, Group};
use super::request::Request;

/// One pick's conditions.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub(crate) request: Request<'a>,
    /// Ask for permits of those in trial.
    pub(crate) permits: bool,
    /// Pass over those whose last try just failed.
    pub(crate) unfailing: bool,
}

impl<'a> Ask<'a> {
    /// Anybody with a weight and room, but where this request failed before.
    pub(crate) fn new(request: Request<'a>) -> Ask<'a> {
        Ask {
            request,
            permits: true,
            unfailing: request.once,
        }
    }

    /// The same without regard for a single failure: where the choice has a meaning, one does not change it, not even for
    /// what can be sent only once.
    pub(super) fn steady(&self) -> Ask<'a> {
        Ask {
            unfailing: false,
            ..*self
        }
    }

    /// What the request goes by, if there is something.
    pub fn key(&self) -> Option<u64> {
        self.request.key
    }

    /// Now.
    pub fn now(&self) -> Time {
        self.request.now
    }

    /// Does everybody in this group with a weight fit, without looking? The common case, and the fast one.
    pub fn all_fit(&self, group: &Group) -> bool {
        let some_may_not = group.limited || self.unfailing || (group.trials && self.permits);
        !some_may_not && self.request.tried.is_empty()
    }

    /// May this one be taken?
    pub fn fits(&self, candidate: &Candidate) -> bool {
        candidate.weight > 0
            && self.allowed(candidate)
            && (candidate.limit == 0 || self.in_flight(candidate) < candidate.limit)
    }

    /// All that fit, with their positions.
    pub fn fitting<'g>(&'g self, group: &'g Group) -> impl Iterator<Item = (usize, &'g Candidate)> {
        let all = self.all_fit(group);
        let numbered = group.candidates().iter().enumerate();
        numbered.filter(move |(_, c)| if all { c.weight > 0 } else { self.fits(c) })
    }

    /// May it be taken but for the limit?
    pub(crate) fn allowed(&self, candidate: &Candidate) -> bool {
        let failing = self.unfailing && candidate.shared.failed_just_now(self.now());
        !failing
            && !self.request.tried.contains(&candidate.id)
            && (!candidate.trial || self.has_permit(candidate))
    }

    /// Tries in flight at this one, all workers together.
    pub fn in_flight(&self, candidate: &Candidate) -> u32 {
        candidate.shared.in_flight.load(Relaxed)
    }

    /// The same per weight, of which the group's average is 1.
    pub fn in_flight_each(&self, group: &Group, candidate: &Candidate) -> f64 {
        let in_flight = f64::from(self.in_flight(candidate));
        match group.even() {
            true => in_flight,
            false => in_flight * group.average() / f64::from(candidate.weight.max(1)),
        }
    }

    /// How busy this one is, in thousandths of a try: what is in flight, and heavier if it fails fast. Only for comparison.
    pub fn load(&self, candidate: &Candidate) -> u64 {
        let after = self.load_after(candidate);
        after.saturating_sub(u64::from(NO_BURDEN))
    }

    /// How busy it would be with one more.
    pub fn load_after(&self, candidate: &Candidate) -> u64 {
        let shared = &candidate.shared;
        let after = u64::from(shared.in_flight.load(Relaxed)) + 1;
        after * u64::from(shared.burden.load(Relaxed))
    }

    /// How busy this one is, in tries, heavier if it fails fast, per weight of which the group's average is 1.
    pub(super) fn load_each(&self, group: &Group, candidate: &Candidate) -> f64 {
        let load = self.load(candidate) as f64 / f64::from(NO_BURDEN);
        match group.even() {
            true => load,
            false => load * group.average() / f64::from(candidate.weight.max(1)),
        }
    }

    /// Does it fail fast?
    pub(super) fn is_burdened(&self, candidate: &Candidate) -> bool {
        candidate.shared.burden.load(Relaxed) != NO_BURDEN
    }

    /// This much there, heavier if it fails fast.
    pub(super) fn burdened(&self, candidate: &Candidate, load: f64) -> f64 {
        let burden = candidate.shared.burden.load(Relaxed);
        match burden == NO_BURDEN {
            true => load,
            false => load * f64::from(burden) / f64::from(NO_BURDEN),
        }
    }

    fn has_permit(&self, candidate: &Candidate) -> bool {
        !self.permits || candidate.shared.trial_left.load(Relaxed) > 0
    }
}
