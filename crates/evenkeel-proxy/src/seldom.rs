//! Saying a thing seldom: what a flood of clients can cause again and again must not flood the log too.

use std::cell::Cell;
use std::time::Duration;

use evenkeel_core::time::Time;

/// Often enough to see that it lasts, seldom enough for a disk.
const AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// One complaint.
#[derive(Default)]
pub(crate) struct Seldom {
    said: Cell<Option<Time>>,
    kept: Cell<u64>,
}

impl Seldom {
    /// If it may be said now: how often it was not said since the last time.
    pub(crate) fn due(&self, now: Time) -> Option<u64> {
        if self
            .said
            .get()
            .is_some_and(|at| now.since(at) < AT_MOST_EVERY)
        {
            self.kept.set(self.kept.get() + 1);
            return None;
        }
        self.said.set(Some(now));
        Some(self.kept.replace(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_said_at_once_then_at_most_every_ten_seconds_with_the_number_kept_back() {
        let at = |ms| Time::ZERO + Duration::from_millis(ms);
        let seldom = Seldom::default();
        let said: Vec<_> = (0..300).map(|i| seldom.due(at(i * 100))).collect();
        assert_eq!(said[0], Some(0));
        assert_eq!(said[100], Some(99));
        assert_eq!(said[200], Some(99));
        assert_eq!(said.iter().flatten().count(), 3);
    }
}
