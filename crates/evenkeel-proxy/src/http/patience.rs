//! How long a client may be waited for while its body is on the way.
//!
//! It begins with five seconds and earns more with what it sends, at `body_min_rate`, but never has more than ten seconds
//! ahead. So a body that trickles is cut after five seconds, one at half the rate after ten, one at the rate never; and whoever
//! sent megabytes and then stalls is cut ten seconds later, however much came before. Only the time in which the client is
//! waited for counts: a slow endpoint costs it nothing.

use std::time::Duration;

/// A client may be waited for this long in all before what it sends counts.
const AT_FIRST: Duration = Duration::from_secs(5);
/// Enough for a few lost packets in a row (TCP waits 1, 2 and 4 seconds), or a phone that changes its network.
const AT_MOST: Duration = Duration::from_secs(10);

/// What is left of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Bytes a second; 0 = it has no end.
    rate: u64,
    left: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience::new(0)
    }
}

impl Patience {
    /// At the start of a body.
    pub(super) fn new(rate: u64) -> Patience {
        Patience {
            rate,
            left: AT_FIRST,
        }
    }

    /// `None` = no end.
    pub(super) fn left(&self) -> Option<Duration> {
        (self.rate > 0).then_some(self.left)
    }

    /// The client was waited for.
    pub(super) fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// The client sent something.
    pub(super) fn earn(&mut self, bytes: u64) {
        if self.rate > 0 && self.left < AT_MOST {
            let earned = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
            self.left = self.left.saturating_add(earned).min(AT_MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many seconds a client is cut that sends `bytes` every `step` ms, after `burst` bytes at once.
    fn cut_after(burst: u64, bytes: u64, step: u64) -> Option<u64> {
        let mut patience = Patience::new(1024);
        patience.earn(burst);
        let mut at = Duration::ZERO;
        let step = Duration::from_millis(step);
        while at < Duration::from_secs(1000) {
            let left = patience.left().unwrap();
            if left < step {
                return Some((at + left).as_secs());
            }
            patience.waited(step);
            at += step;
            patience.earn(bytes);
        }
        None
    }

    #[test]
    fn a_trickle_is_cut_after_five_seconds_and_a_body_at_the_rate_never() {
        assert_eq!(cut_after(1, 1, 1000), Some(5));
        assert_eq!(cut_after(0, 1, 50), Some(5));
        assert_eq!(cut_after(0, 1024, 1000), None);
        assert_eq!(cut_after(0, 4 * 1024, 4000), None);
    }

    #[test]
    fn just_below_the_rate_is_cut_in_the_end() {
        assert_eq!(cut_after(0, 512, 1000), Some(9));
        assert!(cut_after(0, 1000, 1000).is_some_and(|s| s > 60));
    }

    #[test]
    fn who_stalls_is_cut_ten_seconds_later_however_much_came_before() {
        assert_eq!(cut_after(1 << 40, 0, 1000), Some(10));
        assert_eq!(cut_after(10 << 20, 1, 1000), Some(10));
    }

    #[test]
    fn long_pauses_between_bursts_are_cut_whatever_they_add_up_to() {
        assert_eq!(cut_after(1 << 20, 1 << 20, 12_000), Some(10));
        assert_eq!(cut_after(1 << 20, 1 << 20, 9000), None);
    }

    #[test]
    fn without_a_rate_there_is_no_end() {
        let mut patience = Patience::new(0);
        patience.waited(Duration::from_secs(1000));
        patience.earn(1);
        assert_eq!(patience.left(), None);
    }
}
