//! `fixed`: NFD-S of W. Chen, S. Toueg, M. K. Aguilera, "On the Quality of Service of Failure Detectors" (IEEE
//! Transactions on Computers 51(5), 2002).
//!
//! The i-th beat is sent at σ_i, one interval η after the one before. Its *freshness point* is τ_i = σ_i + δ, with δ the
//! configured `timeout`. At τ_i the sender is suspected unless the i-th beat or a later one has arrived. So a crash is seen
//! within η + δ of the last beat's sending, always; and unlike with a timer that each beat sets anew, a beat that was slow
//! does not put the next one's deadline off. Among detectors with that bound none makes fewer mistakes; how many it makes
//! is in [`qos`](super::qos).
//!
//! Beats do not say when they were sent. σ_i is taken from their arrivals A_j as η·i + min (A_j − η·j): the quickest beat
//! of the last hundred or so, so δ counts from what the quickest one took. The minimum is kept in blocks of eight beats;
//! a sender whose real period is longer than it says (one that sleeps η after each answer) drifts away from old minima,
//! so blocks are dropped once the two newest lie more than δ/8 above the oldest. One beat that arrives after the freshness
//! point of its successor says that the sender itself stood still: times are counted from that beat on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Arrival, Detector, Entry, Sequence};
use crate::keep::revive;
use crate::registry::{Part, Setting};
use crate::time::Time;

/// Beats a block.
const BLOCK: u32 = 8;
/// Blocks kept: with exponential delays the quickest of 128 beats is within 1 % of the mean delay from the least possible.
const BLOCKS: usize = 16;

pub(super) const ENTRY: Entry = Entry {
    part: Part {
        name: "fixed",
        summary: "Suspected when a beat is later than `timeout`: a crash is seen within interval + timeout, always.",
        settings: &[Setting {
            key: "timeout",
            default: "2s",
            why: "two intervals: one lost beat is no fault",
        }],
    },
    make: |settings, at| Box::new(Fixed::new(settings.interval, settings.timeout, at)),
    revive: |from| Ok(revive::<Fixed>(from)?),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Fixed {
    interval_ns: i128,
    timeout_ns: i128,
    sequence: Sequence,
    quickest: Quickest,
    /// τ of the beat after the newest one.
    deadline: Time,
}

impl Fixed {
    fn new(interval: Duration, timeout: Duration, at: Time) -> Fixed {
        Fixed {
            interval_ns: nanos(interval),
            timeout_ns: nanos(timeout),
            sequence: Sequence::default(),
            quickest: Quickest::default(),
            deadline: at + interval + timeout,
        }
    }

    /// τ of the beat after this one.
    fn freshness(&self, number: u64) -> Time {
        let sent = self.quickest.least + self.interval_ns * (i128::from(number) + 1);
        let at = (sent + self.timeout_ns).clamp(0, i128::from(u64::MAX));
        Time::from_nanos(u64::try_from(at).unwrap_or(u64::MAX))
    }
}

impl Detector for Fixed {
    fn name(&self) -> &'static str {
        ENTRY.part.name
    }

    fn beat(&mut self, number: u64, at: Time) -> Arrival {
        let interval = duration(self.interval_ns);
        let arrival = self.sequence.on(number, interval, at);
        let offset = i128::from(at.as_nanos()) - self.interval_ns * i128::from(number);
        match arrival {
            Arrival::Late => return arrival,
            Arrival::Began => self.quickest = Quickest::from(offset),
            Arrival::Fresh => self.quickest.on(offset, self.timeout_ns / 8),
        }
        if self.freshness(number) <= at {
            self.quickest = Quickest::from(offset);
        }
        self.deadline = self.freshness(number);
        arrival
    }

    fn suspicion(&self, at: Time) -> f64 {
        if at >= self.deadline {
            let late = at.since(self.deadline).as_nanos() as f64;
            return 1.0 + late / self.timeout_ns as f64;
        }
        let left = self.deadline.since(at).as_nanos() as f64;
        // Rounding shall not suspect before the deadline.
        (1.0 - left / self.timeout_ns as f64).clamp(0.0, 1.0 - f64::EPSILON)
    }

    fn next_wakeup(&self) -> Time {
        self.deadline
    }

    fn excuse(&mut self, length: Duration) {
        self.deadline = self.deadline + length;
    }

    fn retime(&mut self, interval: Duration, at: Time) {
        *self = Fixed::new(interval, duration(self.timeout_ns), at);
    }

    fn bound(&self) -> Duration {
        duration(self.interval_ns + self.timeout_ns)
    }
}

/// The least of the newest offsets, in blocks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Quickest {
    /// Of whole blocks, oldest first.
    blocks: [i128; BLOCKS],
    filled: usize,
    /// Of the block that is being filled.
    current: i128,
    beats: u32,
    /// Of all of them.
    least: i128,
}

impl Quickest {
    fn from(offset: i128) -> Quickest {
        Quickest {
            current: offset,
            beats: 1,
            least: offset,
            ..Quickest::default()
        }
    }

    fn on(&mut self, offset: i128, tolerance: i128) {
        self.current = match self.beats {
            0 => offset,
            _ => self.current.min(offset),
        };
        self.beats += 1;
        self.least = self.least.min(offset);
        if self.beats == BLOCK {
            self.close(tolerance);
        }
    }

    /// A block is whole: the oldest makes room, and all that lie too far below the two newest go.
    fn close(&mut self, tolerance: i128) {
        let full = self.filled == BLOCKS;
        if full {
            self.blocks.copy_within(1.., 0);
        }
        self.filled = if full { BLOCKS } else { self.filled + 1 };
        self.blocks[self.filled - 1] = self.current;
        self.beats = 0;
        let newest = self.blocks[..self.filled].iter().rev().take(2);
        let newest = newest.min().copied().unwrap_or(self.current);
        let near = |&block: &i128| newest - block <= tolerance;
        let first = self.blocks[..self.filled].iter().position(near);
        let first = first.unwrap_or(0);
        self.blocks.copy_within(first..self.filled, 0);
        self.filled -= first;
        let least = self.blocks[..self.filled].iter().min();
        self.least = least.copied().unwrap_or(newest);
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos())
        .unwrap_or(i128::MAX)
        .max(1)
}

fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fixed() -> Fixed {
        Fixed::new(SECOND, SECOND * 2, Time::ZERO)
    }

    #[test]
    fn a_crash_is_seen_at_interval_and_timeout_after_the_last_beat_was_sent() {
        let mut d = fixed();
        // Each takes 10 to 80 ms; the quickest says when they were sent.
        for n in 1..50u64 {
            d.beat(n, Time::from_millis(n * 1000 + 10 + n * 7 % 70));
        }
        assert_eq!(d.next_wakeup(), Time::from_millis(49_000 + 10 + 3_000));
        assert!(d.suspicion(Time::from_millis(52_009)) < 1.0);
        assert!(d.suspicion(Time::from_millis(52_010)) >= 1.0);
        assert_eq!(d.bound(), SECOND * 3);
    }

    #[test]
    fn a_sender_that_is_slower_than_it_says_is_followed() {
        let mut d = Fixed::new(
            Duration::from_millis(100),
            Duration::from_millis(200),
            Time::ZERO,
        );
        // It sleeps 100 ms after each answer, which takes 2 ms.
        for n in 1..10_000u64 {
            let at = Time::from_millis(n * 102);
            assert!(d.suspicion(at) < 1.0, "beat {n}");
            d.beat(n, at);
            assert!(
                d.next_wakeup() > at + Duration::from_millis(200),
                "beat {n}"
            );
        }
    }

    #[test]
    fn a_sender_that_stood_still_is_trusted_again_at_its_next_beat() {
        let mut d = fixed();
        for n in 1..20u64 {
            d.beat(n, Time::from_millis(n * 1000));
        }
        // Its process was paused for 30 s and counts on.
        for n in 20..40u64 {
            let at = Time::from_millis(n * 1000 + 30_000);
            d.beat(n, at);
            assert_eq!(d.next_wakeup(), at + SECOND * 3);
        }
    }
}
