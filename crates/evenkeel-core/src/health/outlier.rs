//! The verdict of real traffic: an endpoint that fails several tries in a row is taken out for a while, then a few
//! requests decide whether it may come back.
//!
//! ```text
//!  good ── consecutive_failures in a row ──▶ ejected for base · n ──▶ trial of 5 requests ── all answered ──▶ good
//!                                                ▲                        │
//!                                                └── the first failure ───┘   (n + 1)
//! ```
//!
//! How many of a pool may be out at once is for the pool to say; this machine only says what it would do. The count of
//! ejections shrinks by one for each base ejection time that the endpoint was good.
//!
//! Failures in a row are seen twice: as they happen, from the workers' shared run, and in the sweeps of the counters,
//! should the queue that carries the first have been full. Either is enough. Both begin at nothing when the endpoint is
//! let in: what failed while it was out is no news.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::observe::Failure;
use crate::settings::OutlierSettings;
use crate::time::Time;

/// Requests that decide a trial.
pub const TRIAL_REQUESTS: u32 = 5;
/// An ejection is at most this many times the base: with the default, Envoy's maximum of 300 s.
const LONGEST: u32 = 10;
/// Permits whose requests never ended are given out again after this.
const REISSUE: Duration = Duration::from_secs(10);
/// A trial without a failure ends well after this, however few requests came: a pool without traffic has nothing to judge by.
const TRIAL_LONGEST: Duration = Duration::from_secs(30);
/// A sweep covers the last 100 ms: the first one after a change may still hold what was before it.
const SETTLE: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    #[default]
    Good,
    Ejected {
        until: Time,
    },
    Trial {
        since: Time,
        answered: u32,
        reissue: Time,
    },
}

/// What the machine came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It should be ejected: ask the pool, then call [`Outlier::eject`].
    Eject,
    /// The trial begins, or goes on: give out this many permits.
    Trial(u32),
    /// The trial ended well.
    Good,
}

/// The machine of one endpoint's traffic.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outlier {
    place: Place,
    ejections: u32,
    /// Since when it is let in.
    good_since: Time,
    /// Failures reported one by one since it was let in.
    reported: u32,
    /// Failures in sweeps without an answer among them.
    swept: u64,
}

impl Outlier {
    /// As it was before a restart: still out until then.
    pub fn restored(until: Time, ejections: u32) -> Outlier {
        Outlier {
            place: Place::Ejected { until },
            ejections: ejections.max(1),
            ..Outlier::default()
        }
    }

    /// Until when it is ejected, if it is.
    pub fn ejected_until(&self) -> Option<Time> {
        match self.place {
            Place::Ejected { until } => Some(until),
            _ => None,
        }
    }

    /// Requests still to be answered in a trial, if it is in one.
    pub fn trial(&self) -> Option<u32> {
        match self.place {
            Place::Trial { answered, .. } => Some(TRIAL_REQUESTS - answered.min(TRIAL_REQUESTS)),
            _ => None,
        }
    }

    /// Ejected or in trial.
    pub fn out(&self) -> bool {
        self.place != Place::Good
    }

    /// Ejections in a row.
    pub fn ejections(&self) -> u32 {
        self.ejections
    }

    /// When [`Outlier::tick`] is next due.
    pub fn next_wakeup(&self) -> Time {
        match self.place {
            Place::Good => Time::NEVER,
            Place::Ejected { until } => until,
            Place::Trial { since, reissue, .. } => reissue.min(since + TRIAL_LONGEST),
        }
    }

    /// A try failed.
    pub fn failed(&mut self, failure: &Failure, settings: &OutlierSettings) -> Option<Ruling> {
        self.reported = self.reported.saturating_add(1);
        match self.place {
            Place::Good => {
                let run = failure.run.min(self.reported);
                let enough = settings.consecutive_failures;
                (enough > 0 && run >= enough).then_some(Ruling::Eject)
            }
            Place::Trial { since, .. } => (failure.at >= since).then_some(Ruling::Eject),
            Place::Ejected { .. } => None,
        }
    }

    /// What the counters grew by.
    pub fn swept(
        &mut self,
        successes: u64,
        failures: u64,
        settings: &OutlierSettings,
        now: Time,
    ) -> Option<Ruling> {
        match &mut self.place {
            Place::Ejected { .. } => None,
            Place::Trial { since, .. } if failures > 0 => {
                (now.since(*since) >= SETTLE).then_some(Ruling::Eject)
            }
            Place::Trial { answered, .. } => {
                *answered = answered.saturating_add(u32::try_from(successes).unwrap_or(u32::MAX));
                (*answered >= TRIAL_REQUESTS).then(|| self.let_in(now))
            }
            Place::Good if now.since(self.good_since) < SETTLE => None,
            Place::Good => {
                self.swept = if successes > 0 {
                    0
                } else {
                    self.swept.saturating_add(failures)
                };
                let enough = u64::from(settings.consecutive_failures);
                (enough > 0 && self.swept >= enough).then_some(Ruling::Eject)
            }
        }
    }

    /// The pool agreed. Returns for how long.
    pub fn eject(&mut self, settings: &OutlierSettings, now: Time) -> Duration {
        if self.place == Place::Good {
            let base = settings.base_ejection.as_nanos().max(1);
            let healed = now.since(self.good_since).as_nanos() / base;
            let healed = u32::try_from(healed).unwrap_or(u32::MAX);
            self.ejections = self.ejections.saturating_sub(healed);
        }
        self.ejections = self.ejections.saturating_add(1).min(LONGEST);
        let length = settings.base_ejection.saturating_mul(self.ejections);
        self.place = Place::Ejected {
            until: now + length,
        };
        length
    }

    /// The pool refused: counted from nothing again; a trial goes on with new permits.
    pub fn refused(&mut self, now: Time) -> Option<Ruling> {
        self.reported = 0;
        self.swept = 0;
        match self.place {
            Place::Trial { .. } => Some(self.begin_trial(now)),
            _ => None,
        }
    }

    /// Time passed. `waits` keeps an ejected one out (a person has to say ready).
    pub fn tick(&mut self, waits: bool, now: Time) -> Option<Ruling> {
        match &mut self.place {
            Place::Ejected { until } if now >= *until => match waits {
                true => {
                    *until = Time::NEVER;
                    None
                }
                false => Some(self.begin_trial(now)),
            },
            Place::Trial { since, .. } if now >= *since + TRIAL_LONGEST => Some(self.let_in(now)),
            Place::Trial {
                answered, reissue, ..
            } if now >= *reissue => {
                *reissue = now + REISSUE;
                Some(Ruling::Trial(
                    TRIAL_REQUESTS - (*answered).min(TRIAL_REQUESTS - 1),
                ))
            }
            _ => None,
        }
    }

    /// Ends an ejection before its time.
    pub fn begin_trial(&mut self, now: Time) -> Ruling {
        self.place = Place::Trial {
            since: now,
            answered: 0,
            reissue: now + REISSUE,
        };
        Ruling::Trial(TRIAL_REQUESTS)
    }

    /// The check has taken over (or nothing is known of it any more): not out any longer, but the count stays.
    pub fn clear(&mut self, now: Time) {
        self.let_in(now);
    }

    fn let_in(&mut self, now: Time) -> Ruling {
        self.place = Place::Good;
        self.good_since = now;
        self.reported = 0;
        self.swept = 0;
        Ruling::Good
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EndpointId;
    use crate::observe::FailureKind;

    const T: fn(u64) -> Time = |s| Time::from_millis(s * 1000);

    fn failure(run: u32, at: Time) -> Failure {
        Failure {
            endpoint: EndpointId(1),
            path: Default::default(),
            kind: FailureKind::Reset,
            run,
            at,
        }
    }

    fn settings() -> OutlierSettings {
        OutlierSettings::default()
    }

    /// Good since the clock's start, then five failures at `at`.
    fn fail_five(outlier: &mut Outlier, at: Time) -> Option<Ruling> {
        (1..=5)
            .map(|run| outlier.failed(&failure(run, at), &settings()))
            .fold(None, |_, ruling| ruling)
    }

    #[test]
    fn five_failures_in_a_row_eject_and_four_do_not() {
        let mut outlier = Outlier::default();
        for run in 1..5 {
            assert_eq!(outlier.failed(&failure(run, T(1)), &settings()), None);
        }
        assert_eq!(outlier.failed(&failure(1, T(1)), &settings()), None);
        assert_eq!(
            outlier.failed(&failure(5, T(1)), &settings()),
            Some(Ruling::Eject)
        );
    }

    #[test]
    fn what_failed_before_it_was_let_in_is_no_news() {
        let mut outlier = Outlier::default();
        fail_five(&mut outlier, T(1));
        outlier.clear(T(2));
        assert_eq!(outlier.failed(&failure(200, T(3)), &settings()), None);
    }

    #[test]
    fn sweeps_alone_eject_when_the_queue_lost_the_failures() {
        let mut outlier = Outlier::default();
        assert_eq!(outlier.swept(0, 4, &settings(), T(1)), None);
        assert_eq!(outlier.swept(1, 4, &settings(), T(2)), None);
        assert_eq!(outlier.swept(0, 3, &settings(), T(3)), None);
        assert_eq!(outlier.swept(0, 2, &settings(), T(4)), Some(Ruling::Eject));
    }

    #[test]
    fn ejections_grow_with_each_repeat_and_shrink_with_good_time() {
        let mut outlier = Outlier::default();
        let s = |n| Duration::from_secs(n);
        assert_eq!(outlier.eject(&settings(), T(0)), s(30));
        assert_eq!(outlier.tick(false, T(29)), None);
        assert_eq!(outlier.tick(false, T(30)), Some(Ruling::Trial(5)));
        assert_eq!(outlier.failed(&failure(9, T(29)), &settings()), None);
        assert_eq!(
            outlier.failed(&failure(9, T(31)), &settings()),
            Some(Ruling::Eject)
        );
        assert_eq!(outlier.eject(&settings(), T(31)), s(60));
        assert_eq!(outlier.tick(false, T(91)), Some(Ruling::Trial(5)));
        assert_eq!(outlier.swept(4, 0, &settings(), T(92)), None);
        assert_eq!(outlier.swept(1, 0, &settings(), T(93)), Some(Ruling::Good));
        // Good for 65 s: two of the two ejections are forgotten.
        assert_eq!(outlier.eject(&settings(), T(158)), s(30));
        for _ in 0..20 {
            outlier.eject(&settings(), T(158));
        }
        assert_eq!(outlier.eject(&settings(), T(158)), s(300));
    }

    #[test]
    fn a_trial_does_not_hang_when_its_requests_vanish_or_none_come() {
        let mut outlier = Outlier::default();
        outlier.eject(&settings(), T(0));
        outlier.tick(false, T(30));
        outlier.swept(2, 0, &settings(), T(31));
        assert_eq!(outlier.tick(false, T(39)), None);
        assert_eq!(outlier.tick(false, T(40)), Some(Ruling::Trial(3)));
        assert_eq!(outlier.tick(false, T(60)), Some(Ruling::Good));
        assert_eq!(outlier.next_wakeup(), Time::NEVER);
    }

    #[test]
    fn with_manual_failback_an_ejected_one_waits_for_a_person() {
        let mut outlier = Outlier::default();
        outlier.eject(&settings(), T(0));
        assert_eq!(outlier.tick(true, T(30)), None);
        assert!(outlier.out());
        assert_eq!(outlier.begin_trial(T(99)), Ruling::Trial(5));
    }
}
