//! How messages get to their targets: in order for each target, one at a time, again after a growing pause, and not for ever.
//!
//! A target that does not take a message holds back only what is for itself. One that says that it will never take this message
//! is believed after a few tries, so that one odd message does not hold back the others for a day.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::rng::Rng;
use crate::time::{Now, Time, WallTime};

/// Parcels that wait, of all targets together: a day of a bad month.
pub const WAITING_MAX: usize = 256;
/// Being sent at the same moment; each is a thread or a connection.
const UNDER_WAY_MAX: usize = 4;
/// The first pause; most failures are a moment long.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause: a pager that comes back is used again soon after.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest pause a target may ask for.
const ASKED_MAX: Duration = Duration::from_secs(3600);
/// After this nobody wants to be called for it any more.
const AGE_MAX: Duration = Duration::from_secs(86_400);
/// Tries of one that is refused rather than failed: the target may have been configured wrongly for a moment.
const REFUSALS_MAX: u32 = 5;

/// A message on its way to one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel<T> {
    /// Its own number, unlike any other; it stays the same over all tries and restarts.
    pub id: Arc<str>,
    /// Where it goes.
    pub target: Arc<str>,
    /// What it is, as the caller needs it for sending.
    pub content: T,
    /// Since when it waits.
    pub made: WallTime,
    /// How often it was tried.
    pub tries: u32,
}

/// Why a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may go well another time; the target may have said when.
    Failed {
        /// Not before this has passed.
        not_before: Option<Duration>,
    },
    /// The target does not want this one.
    Refused,
}

/// What follows from a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is there: forget it.
    Delivered,
    /// It is tried again after this.
    Again(Duration),
    /// It is not tried any more.
    GivenUp,
    /// Nobody asked for this one: it was dropped meanwhile.
    Unknown,
}

/// A parcel that will not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped<T> {
    /// Which.
    pub parcel: Parcel<T>,
    /// Why, for a person.
    pub why: &'static str,
}

#[derive(Debug)]
struct Target<T> {
    waiting: VecDeque<Parcel<T>>,
    /// Failures in a row.
    failures: u32,
    not_before: Time,
    under_way: bool,
}

/// All that is on its way.
#[derive(Debug)]
pub struct Outbox<T> {
    rng: Rng,
    targets: BTreeMap<Arc<str>, Target<T>>,
}

impl<T: Clone> Outbox<T> {
    /// An empty one; `rng` is for the jitter.
    pub fn new(rng: Rng) -> Outbox<T> {
        Outbox {
            rng,
            targets: BTreeMap::new(),
        }
    }

    /// Parcels that wait or are under way.
    pub fn len(&self) -> usize {
        self.targets.values().map(|t| t.waiting.len()).sum()
    }

    /// Is nothing on its way?
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Takes a parcel. If that is one too many, the oldest of the target that has most is dropped.
    pub fn put(&mut self, parcel: Parcel<T>) -> Option<Dropped<T>> {
        let target = self.targets.entry(parcel.target.clone());
        let target = target.or_insert_with(|| Target {
            waiting: VecDeque::new(),
            failures: 0,
            not_before: Time::ZERO,
            under_way: false,
        });
        target.waiting.push_back(parcel);
        if self.len() <= WAITING_MAX {
            return None;
        }
        let most = self.targets.values_mut().max_by_key(|t| t.waiting.len())?;
        // The first may be under way at this moment.
        let parcel = most.waiting.remove(usize::from(most.under_way))?;
        Some(Dropped {
            parcel,
            why: "too many are waiting",
        })
    }

    /// Forgets what is for targets that are not wanted any more.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<Dropped<T>> {
        let gone = self.targets.keys().filter(|name| !wanted(name));
        let gone: Vec<_> = gone.cloned().collect();
        let parcels = gone.iter().filter_map(|name| self.targets.remove(name));
        let parcels = parcels.flat_map(|target| target.waiting);
        let why = "its target is not in the configuration any more";
        parcels.map(|parcel| Dropped { parcel, why }).collect()
    }

    /// The next one to send; tell with [`Outbox::done`] what came of it.
    pub fn poll(&mut self, at: Time) -> Option<Parcel<T>> {
        if self.under_way() >= UNDER_WAY_MAX {
            return None;
        }
        let due = |t: &&mut Target<T>| !t.under_way && t.not_before <= at && !t.waiting.is_empty();
        let target = self.targets.values_mut().find(due)?;
        let parcel = target.waiting.front_mut()?;
        parcel.tries = parcel.tries.saturating_add(1);
        target.under_way = true;
        Some(parcel.clone())
    }

    /// When [`Outbox::poll`] has something, if nothing is put or done before.
    pub fn next_wakeup(&self) -> Time {
        if self.under_way() >= UNDER_WAY_MAX {
            return Time::NEVER;
        }
        let waits = |t: &&Target<T>| !t.under_way && !t.waiting.is_empty();
        let all = self.targets.values().filter(waits).map(|t| t.not_before);
        all.min().unwrap_or(Time::NEVER)
    }

    /// What came of sending this one.
    pub fn done(
        &mut self,
        target: &str,
        id: &str,
        result: Result<(), Failure>,
        now: Now,
    ) -> Verdict {
        let Some(found) = self.targets.get_mut(target) else {
            return Verdict::Unknown;
        };
        if !found.under_way || found.waiting.front().is_none_or(|parcel| &*parcel.id != id) {
            return Verdict::Unknown;
        }
        found.under_way = false;
        let first = found.waiting.front();
        let (made, tries) = first.map_or((now.wall, 0), |p| (p.made, p.tries));
        let verdict = match result {
            Ok(()) => Verdict::Delivered,
            Err(Failure::Refused) if tries >= REFUSALS_MAX => Verdict::GivenUp,
            Err(_) if now.wall.0.saturating_sub(made.0) >= AGE_MAX.as_millis() as u64 => {
                Verdict::GivenUp
            }
            Err(failure) => {
                found.failures = found.failures.saturating_add(1);
                let asked = match failure {
                    Failure::Failed { not_before } => not_before.unwrap_or_default(),
                    Failure::Refused => Duration::ZERO,
                };
                let wait = pause(found.failures, &mut self.rng).max(asked.min(ASKED_MAX));
                found.not_before = now.at + wait;
                Verdict::Again(wait)
            }
        };
        if matches!(verdict, Verdict::Delivered | Verdict::GivenUp) {
            found.waiting.pop_front();
            (found.failures, found.not_before) = (0, Time::ZERO);
            if found.waiting.is_empty() {
                self.targets.remove(target);
            }
        }
        verdict
    }

    fn under_way(&self) -> usize {
        self.targets.values().filter(|t| t.under_way).count()
    }
}

/// The pause after so many failures in a row: doubled each time, ± 20 %, so that many balancers that lost the same target do not
/// come back to it in step.
fn pause(failures: u32, rng: &mut Rng) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let base = doubled.min(LONGEST).as_millis() as u64;
    Duration::from_millis(base * 4 / 5 + rng.below(base * 2 / 5 + 1))
}
