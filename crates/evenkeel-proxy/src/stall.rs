//! A client that does not read: waited for until it has taken next to nothing for the whole of `read_stall`.
//!
//! What counts is what its socket took from us. The kernel tells of room only once a third of its send buffer is free, which
//! on a slow line may take minutes; but who is woken by the time tries to write before looking at it, and that finds any
//! room there is. A few bytes now and then are no reading: they would hold an answer, its buffers and an endpoint's
//! connection for hours.

use std::time::Duration;

use evenkeel_core::time::Time;

/// Bytes a second below which it counts as nothing: slower than any line in use (GSM data was 1,200), and too much for who
/// wants to hold thousands of answers open for free.
const NEXT_TO_NOTHING: u64 = 128;

/// A client that is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stall {
    limit: Duration,
    /// Since when it is waited for; `None` = it is not.
    since: Option<Time>,
    /// Bytes it took since then.
    took: u64,
}

impl Stall {
    /// Not waited for yet.
    pub(crate) fn new(limit: Duration) -> Stall {
        Stall {
            limit,
            since: None,
            took: 0,
        }
    }

    /// It takes nothing more right now. When it will have been too slow.
    pub(crate) fn waits(&mut self, now: impl FnOnce() -> Time) -> Time {
        *self.since.get_or_insert_with(now) + self.limit
    }

    /// It took something.
    pub(crate) fn took(&mut self, bytes: u64) {
        if self.since.is_none() {
            return;
        }
        self.took += bytes;
        let least = (self.limit.as_millis() as u64).saturating_mul(NEXT_TO_NOTHING) / 1000;
        if self.took >= least.max(1) {
            self.over();
        }
    }

    /// It has taken all there is.
    pub(crate) fn over(&mut self) {
        self.since = None;
        self.took = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(1_000_000 + seconds * 1000)
    }

    fn stall() -> Stall {
        Stall::new(Duration::from_secs(30))
    }

    #[test]
    fn who_takes_nothing_is_cut_at_the_limit_however_often_it_is_looked_at() {
        let mut stall = stall();
        for seconds in 0..30 {
            assert_eq!(stall.waits(|| at(seconds)), at(30));
        }
    }

    #[test]
    fn who_reads_slowly_but_steadily_goes_on_for_ever() {
        let mut stall = stall();
        for seconds in 0..1000 {
            assert!(stall.waits(|| at(seconds)) > at(seconds + 20));
            stall.took(1200);
        }
    }

    #[test]
    fn a_few_bytes_now_and_then_are_no_reading() {
        let mut stall = stall();
        for seconds in 0..30 {
            assert_eq!(stall.waits(|| at(seconds)), at(30));
            stall.took(100);
        }
    }

    #[test]
    fn a_pause_in_the_answer_is_not_the_clients() {
        let mut stall = stall();
        stall.waits(|| at(0));
        stall.over();
        assert_eq!(stall.waits(|| at(100)), at(130));
    }
}
