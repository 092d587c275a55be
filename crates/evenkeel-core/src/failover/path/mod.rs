//! By which of its addresses an endpoint is reached.
//!
//! An endpoint may be on several networks (`other_addresses`). One address is in use; the machine here says which.
//!
//! - Only what shows that *no packet gets there* speaks against the address in use: no connection in time, no route. A
//!   refusal is an answer, and so is an error status: the way is good then, whatever else is wrong.
//! - Each such sign adds to a doubt: a failed probe `PROBE`, a failed try or a silence of traffic `TRY`. Any answer
//!   takes all of it back. From `ENOUGH` on the address counts as cut.
//! - While there is doubt the other addresses are asked at once and again and again. The first one whose check passes, asked
//!   after the doubt began, comes into use. If none passes nothing changes: then it is not the path.
//! - An earlier address comes back into use after it was well for the pool's `hold`. If it then fails again soon, the next
//!   hold is twice as long, up to an hour. Two addresses that fail by turns are not followed faster and faster either: each
//!   flight within ten minutes of another makes the next one wait twice as long, up to sixteen fast intervals.
//!
//! A change costs nobody anything: what is in flight on the old address ends as it would.

mod change;
mod way;
mod words;

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Target};
use crate::id::{Epoch, PathId};
use crate::observe::{Contact, FailureKind};
use crate::settings::{CheckSettings, EndpointSpec, FailoverSettings};
use crate::time::{Now, Time, WallTime};

pub use change::CarriedPath;
pub use way::{Look, Way};

/// What a probe that got no packet through adds to the doubt.
const PROBE: u32 = 2;
/// What a try adds that got none through, and a silence with requests in flight.
const TRY: u32 = 1;
/// A probe and a try, two probes, or three tries: one alone may have met a lost packet.
const ENOUGH: u32 = 3;
/// While nothing is wrong another address is asked once in so many check intervals: it is there for a day that may not come.
const SELDOM: u32 = 5;
/// Flights from a cut address that are remembered, and for how long. Each doubles the wait before the next, to 8 s by default:
/// less than a hold, so that it never keeps anybody on an address that failed again after its return.
const FLIGHTS: usize = 4;
const REMEMBERED: Duration = Duration::from_secs(600);

/// What the path needs to know of its pool.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// How it is checked.
    pub check: &'a CheckSettings,
    /// Hold, and whether a person has to agree.
    pub failover: &'a FailoverSettings,
}

/// Another address comes into use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The one before.
    pub from: Target,
    /// The one now.
    pub to: Target,
    /// Why, for people.
    pub why: String,
    /// Back to an earlier one, since that is well again.
    pub back: bool,
}

/// The addresses of one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Path {
    /// At least one; the first is the endpoint's own.
    ways: Vec<Way>,
    used: usize,
    id: PathId,
    cut_below: PathId,
    since: WallTime,
    why: String,
    doubt: u32,
    doubted: Time,
    /// Probes under an older fence were sent to what is not in use any more.
    fence: Epoch,
    changed: Option<Time>,
    flights: VecDeque<Time>,
    /// A person agreed to the return.
    agreed: bool,
    /// It was said already where it would go.
    advised: bool,
}

impl Path {
    /// The first address is in use.
    pub fn new(spec: &EndpointSpec, wall: WallTime) -> Path {
        Path {
            ways: targets(spec).map(Way::new).collect(),
            used: 0,
            id: PathId(0),
            cut_below: PathId(0),
            since: wall,
            why: "it is the first".into(),
            doubt: 0,
            doubted: Time::ZERO,
            fence: Epoch::default(),
            changed: None,
            flights: VecDeque::new(),
            agreed: false,
            advised: false,
        }
    }

    /// Is there more than one?
    pub fn has_others(&self) -> bool {
        self.ways.len() > 1
    }

    /// All of them, and the position of the one in use.
    pub fn ways(&self) -> (&[Way], usize) {
        (&self.ways, self.used)
    }

    /// The address in use.
    pub fn address(&self) -> Option<&Address> {
        self.ways[self.used].address.as_ref()
    }

    /// The address in use, as configured.
    pub fn target(&self) -> &Target {
        &self.ways[self.used].target
    }

    /// Grows with each change of the address in use.
    pub fn id(&self) -> PathId {
        self.id
    }

    /// Those below this were left because no packet got through.
    pub fn cut_below(&self) -> PathId {
        self.cut_below
    }

    /// Since when it is in use, and why.
    pub fn standing(&self) -> (WallTime, &str) {
        (self.since, &self.why)
    }

    /// Do signs speak against the address in use?
    pub fn in_doubt(&self) -> bool {
        self.doubt > 0
    }

    /// Did another address come into use within this time?
    pub fn changed_within(&self, time: Duration, now: Time) -> bool {
        self.changed.is_some_and(|at| now.since(at) < time)
    }

    /// A try over the address in use failed.
    pub fn tried(&mut self, kind: FailureKind, now: Time) {
        match kind {
            FailureKind::ConnectTimeout | FailureKind::Unreachable => self.add(TRY, now),
            // Nothing can be said of the way by what comes after a connection: the endpoint may be to blame for it.
            FailureKind::Reset | FailureKind::Timeout => {}
            _ => self.answered(),
        }
    }

    /// It has fallen silent with requests in flight.
    pub fn silent(&mut self, now: Time) {
        self.add(TRY, now);
    }

    /// A probe over the address in use ended.
    pub fn contacted(&mut self, contact: Contact, now: Time) {
        match contact.reached() {
            true => self.answered(),
            false => self.add(PROBE, now),
        }
    }

    /// Packets get there and back.
    pub fn answered(&mut self) {
        self.doubt = 0;
        self.advised = false;
    }

    fn add(&mut self, weight: u32, now: Time) {
        if !self.has_others() {
            return;
        }
        if self.doubt == 0 {
            self.doubted = now;
            self.hurry(now);
        }
        self.doubt = self.doubt.saturating_add(weight);
    }

    /// All others are asked now.
    pub fn hurry(&mut self, now: Time) {
        let used = self.used;
        let others = self
            .ways
            .iter_mut()
            .enumerate()
            .filter(|(at, _)| *at != used);
        others.for_each(|(_, way)| way.hurry(now));
    }

    /// When `due` has something.
    pub fn next_wakeup(&self) -> Time {
        let others = self.others().map(|(_, way)| way.wakeup());
        others.min().unwrap_or(Time::NEVER)
    }

    /// The next probe of another address that is due, under this fence.
    pub fn send(&mut self, epoch: Epoch, timeout: Duration, now: Time) -> Option<Address> {
        let due = self.others().find(|(_, way)| way.wakeup() <= now);
        let at = due.map(|(at, _)| at)?;
        let way = &mut self.ways[at];
        way.send(epoch, timeout, now);
        way.address.clone()
    }

    /// Is something due?
    pub fn is_due(&self, now: Time) -> bool {
        self.next_wakeup() <= now
    }

    /// The address a probe under this fence was sent to, if it is another one than that in use.
    pub fn asked(&self, epoch: Epoch) -> Option<&Address> {
        let asked = self.others().find(|(_, way)| way.awaits(epoch));
        asked.and_then(|(_, way)| way.address.as_ref())
    }

    /// Was a probe under this fence sent before another address came into use?
    pub fn is_former(&self, epoch: Epoch) -> bool {
        epoch < self.fence
    }

    /// From this fence on probes mean the address in use.
    pub fn fenced(&mut self, epoch: Epoch) {
        self.fence = epoch;
    }

    /// A probe of another address ended.
    pub fn probed(
        &mut self,
        epoch: Epoch,
        passed: bool,
        detail: &str,
        rules: Rules<'_>,
        now: Time,
    ) {
        let asked = self.others().find(|(_, way)| way.awaits(epoch));
        let Some(at) = asked.map(|(at, _)| at) else {
            return;
        };
        let sent = self.ways[at].ended(passed, detail, now);
        let check = rules.check;
        let next = match self.doubt {
            0 if at < self.used => sent + check.interval,
            0 => sent + check.interval.saturating_mul(SELDOM),
            _ if sent < self.doubted => now,
            _ => sent + check.fast_interval,
        };
        self.ways[at].due_at(next.max(now));
    }

    /// A person says ready: with manual failback, that is what the return waited for.
    pub fn agree(&mut self) {
        self.agreed = self.used > 0;
    }

    /// Where it should go, if it should.
    pub fn wish(&self, rules: Rules<'_>, now: Time) -> Option<usize> {
        if self.doubt == 0 {
            return self.way_back(rules, now);
        }
        if self.doubt < ENOUGH || now < self.may_change(rules) {
            return None;
        }
        let good = |(_, way): &(usize, &Way)| way.passed_since(self.doubted);
        self.others().find(good).map(|(at, _)| at)
    }

    fn way_back(&self, rules: Rules<'_>, now: Time) -> Option<usize> {
        let failover = rules.failover;
        if !failover.failback_auto && !self.agreed {
            return None;
        }
        let base = failover.hold.max(rules.check.fast_interval);
        let well = |way: &Way| match self.agreed {
            // The person has seen that it is well.
            true => way.is_well(),
            false => {
                let since = way.well_since(rules.check.rise);
                since.is_some_and(|since| since + way.hold(base) <= now)
            }
        };
        self.ways[..self.used].iter().position(well)
    }

    /// Each flight of late doubles the wait before the next.
    fn may_change(&self, rules: Rules<'_>) -> Time {
        let Some(last) = self.flights.back() else {
            return Time::ZERO;
        };
        let of_late = |at: &&Time| last.since(**at) < REMEMBERED;
        let many = self.flights.iter().filter(of_late).count() as u32;
        *last + rules.check.fast_interval.saturating_mul(1 << many)
    }

    /// Where it would go is to be said once.
    pub fn advise(&mut self) -> bool {
        !std::mem::replace(&mut self.advised, true)
    }

    /// The address at this position comes into use.
    pub fn change(&mut self, to: usize, rules: Rules<'_>, now: Now) -> Change {
        let back = self.doubt == 0;
        let from = self.target().clone();
        let why = self.reason(to, back, now.at);
        let hold = rules.failover.hold.max(rules.check.fast_interval);
        let held = self.ways[to].hold(hold);
        let due = now.at + rules.check.fast_interval;
        self.ways[self.used].leaves(!back, due, now.at);
        if !back {
            self.ways[self.used].look = Look::Fails("no packet gets through".into());
        }
        self.ways[to].enters(back.then_some(held), now.at);
        self.used = to;
        self.changed = Some(now.at);
        if !back {
            self.fled(now.at);
        }
        self.renewed(&why, now);
        if !back {
            self.cut_below = self.id;
        }
        Change {
            from,
            to: self.target().clone(),
            why,
            back,
        }
    }

    fn fled(&mut self, at: Time) {
        if self.flights.len() == FLIGHTS {
            self.flights.pop_front();
        }
        self.flights.push_back(at);
    }

    /// Another address is in use, or the same at another place.
    fn renewed(&mut self, why: &str, now: Now) {
        self.id = PathId(self.id.0.wrapping_add(1));
        self.since = now.wall;
        why.clone_into(&mut self.why);
        self.agreed = false;
        self.answered();
    }

    fn others(&self) -> impl Iterator<Item = (usize, &Way)> {
        let all = self.ways.iter().enumerate();
        all.filter(|(at, _)| *at != self.used)
    }
}

fn targets(spec: &EndpointSpec) -> impl Iterator<Item = Target> {
    std::iter::once(&spec.target).chain(&spec.others).cloned()
}

#[cfg(test)]
mod tests;
