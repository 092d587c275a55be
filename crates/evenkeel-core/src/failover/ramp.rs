//! Slow start: an endpoint that comes back gets a tenth of its share at once and grows to the whole of it over the ramp.
//!
//! A cold server (empty caches, no JIT) that is given its whole share at once is often down again at once. The tenth at
//! the beginning is what lets it warm at all. The factor is computed from the ramp's start time wherever it is needed, so
//! that no table has to be published while it grows.

use crate::table::Ramp;
use crate::time::Time;

/// The whole, in thousandths.
pub const WHOLE: u32 = 1000;
/// What an endpoint gets at least, in thousandths: also the share of one in trial.
pub const FLOOR: u32 = 100;

/// `max(10 %, t / window)` in thousandths.
pub fn factor(ramp: &Ramp, now: Time) -> u32 {
    let window = ramp.window.as_nanos();
    let passed = now.since(ramp.started).as_nanos();
    if passed >= window {
        return WHOLE;
    }
    ((passed * u128::from(WHOLE) / window) as u32).max(FLOOR)
}

/// Has it ended?
pub fn ended(ramp: &Ramp, now: Time) -> bool {
    now >= ramp.started + ramp.window
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn grows_from_a_tenth_to_the_whole_and_never_back() {
        let ramp = Ramp {
            started: Time::from_millis(1000),
            window: Duration::from_secs(30),
        };
        assert_eq!(factor(&ramp, Time::ZERO), FLOOR);
        assert_eq!(factor(&ramp, Time::from_millis(1000)), FLOOR);
        assert_eq!(factor(&ramp, Time::from_millis(16_000)), 500);
        assert_eq!(factor(&ramp, Time::from_millis(31_000)), WHOLE);
        let mut last = 0;
        for ms in (0..40_000).step_by(100) {
            let now = factor(&ramp, Time::from_millis(ms));
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn a_ramp_of_no_length_is_over_at_once() {
        let ramp = Ramp {
            started: Time::from_millis(5),
            window: Duration::ZERO,
        };
        assert_eq!(factor(&ramp, Time::from_millis(5)), WHOLE);
        assert!(ended(&ramp, Time::from_millis(5)));
    }
}
