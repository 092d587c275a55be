//! Was it us who did not run?
//!
//! A process that was stopped, starved or swapped out wakes up to timers that are all over, and would take for dead
//! everybody whose beats and answers wait unread in its own sockets. So it first looks at itself: its loop turns at least
//! every so often, and a turn that comes much later says how long it was away. What seemed silent meanwhile is excused by
//! that length, and nobody is suspected for as long again, at most five seconds (after a long pause the senders' own
//! requests have timed out, and theirs have to come again).
//!
//! The pause is told before anything else of that turn is handled. It cannot be forged from outside, and a loop that is
//! always late still sees the dead, only later.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A turn may come this late: a busy machine's scheduler does that, and no time-out is as short.
const TOLERANCE: Duration = Duration::from_millis(200);
/// Nobody is suspected for longer than this after a pause.
const QUIET_MAX: Duration = Duration::from_secs(5);

/// The process did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// For so long, until now.
    pub length: Duration,
    /// Nobody is suspected before.
    pub quiet_until: Time,
}

impl Pause {
    /// One of this length that has just ended.
    pub fn ended(length: Duration, now: Time) -> Pause {
        Pause {
            length,
            quiet_until: now + length.min(QUIET_MAX),
        }
    }
}

/// The machine that is fed every turn of a loop.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    every: Duration,
    last: Option<Time>,
    pauses: u64,
    paused: Duration,
}

impl Turns {
    /// Of a loop that turns at least this often.
    pub fn new(every: Duration) -> Turns {
        Turns {
            every,
            last: None,
            pauses: 0,
            paused: Duration::ZERO,
        }
    }

    /// The loop turns.
    pub fn on(&mut self, now: Time) -> Option<Pause> {
        let last = self.last.replace(now)?;
        let length = now.since(last);
        if length <= self.every + TOLERANCE {
            return None;
        }
        self.pauses += 1;
        self.paused += length;
        Some(Pause::ended(length, now))
    }

    /// Pauses so far, and how long they were together.
    pub fn pauses(&self) -> (u64, Duration) {
        (self.pauses, self.paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_comes_much_too_late_was_a_pause_of_our_own() {
        let mut turns = Turns::new(Duration::from_millis(100));
        let on = |turns: &mut Turns, ms| turns.on(Time::from_millis(ms));
        assert_eq!(on(&mut turns, 50_000), None, "the first says nothing");
        assert_eq!(on(&mut turns, 50_100), None);
        assert_eq!(on(&mut turns, 50_400), None, "late, as on a busy machine");
        let pause = on(&mut turns, 53_400).unwrap();
        assert_eq!(pause.length, Duration::from_secs(3));
        assert_eq!(pause.quiet_until, Time::from_millis(56_400));
        let pause = on(&mut turns, 83_400).unwrap();
        assert_eq!(pause.quiet_until, Time::from_millis(88_400));
        assert_eq!(turns.pauses(), (2, Duration::from_secs(33)));
    }
}
