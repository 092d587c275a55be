//! When is a child hung, and how long to wait before it is replaced: the keeper's only two judgements, without a clock.
//!
//! Times are `CLOCK_MONOTONIC` as a [`Duration`]; whoever asks passes it in, so the tests never sleep.

use std::time::Duration;

/// A child that serves and says nothing for this long is hung. With four messages a second this is eight missed in a row,
/// and it leaves half a second of the promised 2.5 s for killing it and starting another.
pub const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long a child may take until it serves. Generous: it may wait for a slow disk to open its store.
pub const START_MAX: Duration = Duration::from_secs(30);
/// The keeper looks at least this often; fine enough for [`SILENCE_MAX`].
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// If this much more than [`LOOK_EVERY`] lies between two looks, it was the keeper that stood still (stopped, starved, suspended).
pub const OWN_GAP_MAX: Duration = Duration::from_secs(1);

/// Why a child must be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It served, and then its workers stopped turning.
    Silent,
    /// It never came to serve.
    NeverReady,
}

/// Judges one child. It is told what was heard and looked at once per turn, after everything waiting was read.
#[derive(Debug)]
pub struct Judge {
    ready: bool,
    /// When it was last known to be well; its start counts.
    well: Duration,
    looked: Duration,
}

impl Judge {
    /// For a child started now.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            ready: false,
            well: now,
            looked: now,
        }
    }

    /// It said that it serves.
    pub fn on_ready(&mut self, now: Duration) {
        self.ready = true;
        self.well = now;
    }

    /// It said that its workers turn. While it starts this proves nothing: the limit is on reaching `Ready`.
    pub fn on_alive(&mut self, now: Duration) {
        if self.ready {
            self.well = now;
        }
    }

    /// Looks at it. After a pause of the keeper itself the child gets its whole time again, since its messages
    /// may not have been read, or it may have been paused together with the keeper.
    pub fn look(&mut self, now: Duration) -> Option<Verdict> {
        if now.saturating_sub(self.looked) > LOOK_EVERY + OWN_GAP_MAX {
            self.well = now;
        }
        self.looked = now;
        let (limit, verdict) = if self.ready {
            (SILENCE_MAX, Verdict::Silent)
        } else {
            (START_MAX, Verdict::NeverReady)
        };
        (now.saturating_sub(self.well) >= limit).then_some(verdict)
    }
}

/// A life shorter than this is a quick death.
pub const LONG_LIFE: Duration = Duration::from_secs(5);
/// The longest pause: nobody waits longer for a balancer that could work again.
pub const PAUSE_MAX: Duration = Duration::from_secs(5);
/// So many quick deaths in a row cost no pause: somebody may be killing it by hand, and a pause is time in which clients wait.
pub const FREE_DEATHS: u32 = 3;

/// How long to wait before the next child is started: nothing at first, then 100 ms doubling up to [`PAUSE_MAX`]. There is no limit
/// on their number: a balancer that is never tried again is surely down.
#[derive(Debug, Default)]
pub struct Pauses {
    quick_deaths: u32,
}

impl Pauses {
    /// A child died that had lived so long.
    pub fn on_death(&mut self, lived: Duration) -> Duration {
        if lived >= LONG_LIFE {
            self.quick_deaths = 0;
            return Duration::ZERO;
        }
        self.quick_deaths = self.quick_deaths.saturating_add(1);
        match self.quick_deaths.checked_sub(FREE_DEATHS + 1) {
            None => Duration::ZERO,
            Some(doublings) => {
                (Duration::from_millis(100) * (1 << doublings.min(6))).min(PAUSE_MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Looks every 250 ms from `from` until `to`, and says when it condemned.
    fn watch(judge: &mut Judge, from: u64, to: u64) -> Option<(u64, Verdict)> {
        (from..=to)
            .step_by(250)
            .find_map(|t| judge.look(ms(t)).map(|verdict| (t, verdict)))
    }

    #[test]
    fn a_silent_child_is_condemned_two_seconds_after_its_last_word() {
        let mut judge = Judge::new(ms(0));
        judge.on_ready(ms(1000));
        assert_eq!(watch(&mut judge, 1000, 1250), None);
        judge.on_alive(ms(1300));
        assert_eq!(watch(&mut judge, 1500, 9000), Some((3500, Verdict::Silent)));
    }

    #[test]
    fn a_child_that_keeps_talking_is_never_condemned() {
        let mut judge = Judge::new(ms(0));
        judge.on_ready(ms(0));
        for t in (0..600_000).step_by(250) {
            judge.on_alive(ms(t));
            assert_eq!(judge.look(ms(t)), None);
        }
    }

    #[test]
    fn a_starting_child_has_thirty_seconds_even_if_it_talks() {
        let mut judge = Judge::new(ms(0));
        judge.on_alive(ms(20_000));
        assert_eq!(
            watch(&mut judge, 0, 60_000),
            Some((30_000, Verdict::NeverReady))
        );
    }

    #[test]
    fn a_keeper_that_was_paused_waits_again_before_it_judges() {
        let mut judge = Judge::new(ms(0));
        judge.on_ready(ms(0));
        assert_eq!(watch(&mut judge, 0, 250), None);
        assert_eq!(
            judge.look(ms(60_000)),
            None,
            "the keeper stood still for a minute, not the child"
        );
        assert_eq!(
            watch(&mut judge, 60_250, 90_000),
            Some((62_000, Verdict::Silent))
        );
    }

    #[test]
    fn three_quick_deaths_are_free_then_the_pause_grows_to_five_seconds() {
        let mut pauses = Pauses::default();
        let got: Vec<_> = (0..12)
            .map(|_| pauses.on_death(ms(10)).as_millis())
            .collect();
        assert_eq!(
            got,
            [0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]
        );
    }

    #[test]
    fn a_long_life_forgets_the_quick_deaths() {
        let mut pauses = Pauses::default();
        for _ in 0..10 {
            pauses.on_death(ms(10));
        }
        assert_eq!(pauses.on_death(LONG_LIFE), Duration::ZERO);
        assert_eq!(pauses.on_death(ms(10)), Duration::ZERO);
    }
}
