//! Coming back from down: not at the first good sign, but after it has passed its checks for the whole of the hold.
//!
//! The hold is there to keep traffic away from an endpoint that flaps while others can carry it. Where nobody else in
//! the pool is usable it protects nothing, so it is waived for everybody who begins to pass, or still passes, in that
//! time: all of them come back together, not one alone under everybody's traffic.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// How long an endpoint that is down has been passing its checks.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Hold {
    passing_since: Option<Time>,
    waived: bool,
}

impl Hold {
    /// A check ended; `alone` = nobody in the pool is usable.
    pub fn on(&mut self, passed: bool, alone: bool, now: Time) {
        if !passed {
            *self = Hold::default();
            return;
        }
        self.passing_since.get_or_insert(now);
        self.waived |= alone;
    }

    /// When it is over, if nothing fails before; `None` while nothing passes.
    pub fn until(&self, hold: Duration) -> Option<Time> {
        let since = self.passing_since?;
        Some(if self.waived { since } else { since + hold })
    }

    /// Was it waived?
    pub fn waived(&self) -> bool {
        self.waived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(10);
    const T: fn(u64) -> Time = Time::from_millis;

    #[test]
    fn one_failure_begins_the_hold_anew() {
        let mut hold = Hold::default();
        assert_eq!(hold.until(HOLD), None);
        hold.on(true, false, T(1_000));
        hold.on(true, false, T(2_000));
        assert_eq!(hold.until(HOLD), Some(T(11_000)));
        hold.on(false, false, T(3_000));
        assert_eq!(hold.until(HOLD), None);
        hold.on(true, false, T(4_000));
        assert_eq!(hold.until(HOLD), Some(T(14_000)));
    }

    #[test]
    fn with_nobody_else_usable_there_is_no_hold() {
        let mut hold = Hold::default();
        hold.on(true, true, T(1_000));
        hold.on(true, false, T(1_500));
        assert_eq!(hold.until(HOLD), Some(T(1_000)));
        hold.on(false, true, T(2_000));
        hold.on(true, false, T(3_000));
        assert_eq!(hold.until(HOLD), Some(T(13_000)));
    }
}
