//! Which journalled request is sent again, and when.
//!
//! A request of a route with `journal = true` is *in flight* while its client waits, then either done or *pending*: it ended
//! in an error after all tries, or the process ended under it. Pending ones are sent again, route by route in the order in
//! which they came, one after the other, once the pool serves.
//!
//! - In order, because a later request may build on an earlier one. So one that fails keeps the rest of its route waiting,
//!   for longer each time, until it has had its [`ATTEMPTS`] or is older than [`AGE`]. Then it is given up.
//! - A PUT or DELETE that was answered replaces whatever earlier ones on the same resource would have done. Those are not sent
//!   again: it would undo the later one.
//! - Not faster than [`EVERY`] for a route: what has just come back is not to be knocked over by what it missed.
//!
//! Nothing here knows the requests; whoever carries this out keeps them under their numbers.

mod counts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::time::{Now, Time, WallTime};

pub use counts::{RedoCounts, Redone};

/// Sendings of one request, the client's own not counted. With the pauses between them some four minutes of a pool that
/// serves and answers with errors; while it does not serve at all no attempt is made.
pub const ATTEMPTS: u32 = 8;
/// The first pause after an attempt that failed; each next one is twice as long …
const PAUSE: Duration = Duration::from_secs(1);
/// … up to this.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// What is older is not what anybody waits for: a day, so that a night's outage is survived.
pub const AGE: Duration = Duration::from_secs(24 * 3600);
/// Between two requests of one route: twenty a second.
pub const EVERY: Duration = Duration::from_millis(50);
/// While its pool does not serve, a route is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Requests known at once, in flight or pending.
pub const KNOWN_MAX: usize = 10_000;

/// One journalled request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Grows; over restarts too.
    pub id: u64,
    /// Its route, in words that stay over reloads.
    pub route: Arc<str>,
    /// The pool it goes to.
    pub pool: Arc<str>,
    /// When it came.
    pub born: WallTime,
    /// A number of the resource it is for: the same for the same.
    pub resource: u64,
    /// Its method says what becomes of the whole resource (PUT, DELETE).
    pub replaces: bool,
    /// It changes the resource, so that a later replacement makes it meaningless (PUT, DELETE, PATCH).
    pub replaceable: bool,
    /// Attempts made so far.
    pub attempts: u32,
}

/// Why a request is known no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gone {
    /// Its client got the answer of an endpoint.
    Answered,
    /// It was sent again, and an endpoint answered.
    Redone,
    /// A later one on the same resource was answered.
    Superseded,
    /// It had all its attempts.
    GivenUp,
    /// It is too old.
    TooOld,
    /// What was written of it cannot be read any more.
    Lost,
}

#[derive(Clone, Debug)]
struct Known {
    request: Request,
    in_flight: bool,
}

/// One route's.
#[derive(Clone, Debug, Default)]
struct Lane {
    pending: BTreeSet<u64>,
    /// Not before.
    due: Time,
    under_way: Option<u64>,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Redo {
    known: BTreeMap<u64, Known>,
    lanes: BTreeMap<Arc<str>, Lane>,
    gone: Vec<(Request, Gone)>,
}

impl Redo {
    /// A request came, or was found in the journal: then it is in flight no more. False: there is no room for it.
    pub fn add(&mut self, request: Request, in_flight: bool) -> bool {
        if self.known.len() >= KNOWN_MAX {
            return false;
        }
        let (id, route) = (request.id, request.route.clone());
        self.known.insert(id, Known { request, in_flight });
        if !in_flight {
            self.lanes.entry(route).or_default().pending.insert(id);
        }
        true
    }

    /// Its client's request is over: an endpoint answered, or not.
    pub fn settled(&mut self, id: u64, answered: bool, now: Now) {
        let Some(known) = self.known.get_mut(&id).filter(|known| known.in_flight) else {
            return;
        };
        known.in_flight = false;
        if answered {
            return self.over(id, Gone::Answered);
        }
        let route = known.request.route.clone();
        let lane = self.lanes.entry(route).or_default();
        if lane.pending.is_empty() {
            // What made it fail has only just happened.
            lane.due = lane.due.max(now.at + PAUSE);
        }
        lane.pending.insert(id);
    }

    /// The next to be sent again. `serves` says whether a pool does.
    pub fn next(&mut self, now: Now, serves: impl Fn(&str) -> bool) -> Option<u64> {
        self.forget_old(now);
        for lane in self.lanes.values_mut() {
            if lane.under_way.is_some() || lane.due > now.at {
                continue;
            }
            let first = lane.pending.first().copied();
            let Some((id, known)) = first.and_then(|id| Some((id, self.known.get_mut(&id)?)))
            else {
                continue;
            };
            if !serves(&known.request.pool) {
                lane.due = now.at + LOOK_AGAIN;
                continue;
            }
            lane.under_way = Some(id);
            known.request.attempts += 1;
            return Some(id);
        }
        None
    }

    /// An attempt ended. `None`: nothing was sent, since there was nobody to send it to.
    pub fn tried(&mut self, id: u64, answered: Option<bool>, now: Now) {
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        let attempts = known.request.attempts;
        let Some(lane) = self.lanes.get_mut(&known.request.route) else {
            return;
        };
        lane.under_way = lane.under_way.filter(|other| *other != id);
        match answered {
            Some(true) => {
                lane.due = now.at + EVERY;
                self.over(id, Gone::Redone);
            }
            Some(false) if attempts >= ATTEMPTS => {
                lane.due = now.at + EVERY;
                self.over(id, Gone::GivenUp);
            }
            Some(false) => {
                let pause = PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16));
                lane.due = now.at + pause.min(PAUSE_MAX);
            }
            None => {
                known.request.attempts -= 1;
                lane.due = now.at + LOOK_AGAIN;
            }
        }
    }

    /// It cannot be read any more.
    pub fn lost(&mut self, id: u64) {
        if let Some(known) = self.known.get(&id)
            && let Some(lane) = self.lanes.get_mut(&known.request.route)
        {
            lane.under_way = lane.under_way.filter(|other| *other != id);
        }
        self.over(id, Gone::Lost);
    }

    /// It could not be written down, so it is as if it had never come.
    pub fn forget(&mut self, id: u64) {
        self.known.remove(&id);
    }

    /// Those known no more since the last call, and why.
    pub fn take_gone(&mut self) -> Vec<(Request, Gone)> {
        std::mem::take(&mut self.gone)
    }

    /// How many wait to be sent again.
    pub fn pending(&self) -> usize {
        self.lanes.values().map(|lane| lane.pending.len()).sum()
    }

    /// How many are known at all.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// How many wait, by pool.
    pub fn pending_by_pool(&self) -> BTreeMap<Arc<str>, u64> {
        let mut pools = BTreeMap::new();
        for known in self.known.values().filter(|known| !known.in_flight) {
            *pools.entry(known.request.pool.clone()).or_default() += 1;
        }
        pools
    }

    /// One of them.
    pub fn request(&self, id: u64) -> Option<&Request> {
        self.known.get(&id).map(|known| &known.request)
    }

    /// When [`Redo::next`] may have something, if nothing happens before.
    pub fn next_wakeup(&self) -> Time {
        let waiting = self
            .lanes
            .values()
            .filter(|lane| lane.under_way.is_none() && !lane.pending.is_empty());
        waiting.map(|lane| lane.due).min().unwrap_or(Time::NEVER)
    }

    fn forget_old(&mut self, now: Now) {
        let limit = u64::try_from(AGE.as_millis()).unwrap_or(u64::MAX);
        let old = |known: &Known| {
            !known.in_flight && now.wall.0.saturating_sub(known.request.born.0) > limit
        };
        let firsts = self.lanes.values().filter(|lane| lane.under_way.is_none());
        let firsts = firsts.filter_map(|lane| lane.pending.first().copied());
        let old: Vec<u64> = firsts
            .filter(|id| self.known.get(id).is_some_and(old))
            .collect();
        for id in old {
            self.over(id, Gone::TooOld);
        }
    }

    fn over(&mut self, id: u64, why: Gone) {
        let Some(known) = self.known.remove(&id) else {
            return;
        };
        let request = known.request;
        if let Some(lane) = self.lanes.get_mut(&request.route) {
            lane.pending.remove(&id);
            if lane.pending.is_empty() && lane.under_way.is_none() {
                self.lanes.remove(&request.route);
            }
        }
        if request.replaces && matches!(why, Gone::Answered | Gone::Redone) {
            self.supersede(&request);
        }
        self.gone.push((request, why));
    }

    /// Earlier ones on the same resource that nobody is sending right now.
    fn supersede(&mut self, by: &Request) {
        let earlier = self.known.range(..by.id).filter(|(id, known)| {
            let request = &known.request;
            let lane = self.lanes.get(&request.route);
            let under_way = lane.is_some_and(|lane| lane.under_way == Some(**id));
            let same = request.resource == by.resource && request.replaceable;
            same && !known.in_flight && !under_way
        });
        let earlier: Vec<u64> = earlier.map(|(id, _)| *id).collect();
        for id in earlier {
            self.over(id, Gone::Superseded);
        }
    }
}

#[cfg(test)]
mod tests;
