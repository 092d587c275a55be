//! How many sessions an endpoint has, where nothing is kept of any of them.
//!
//! Each session has an end, told to its client. Sessions are counted by that end, in a ring of slots that are each a part of
//! their time to live: one that is prolonged or moves is taken out of its slot and put into another, and one whose client
//! never comes back goes with its slot. So a count is late by one slot at most, and costs an addition where a session
//! begins, moves or is prolonged, and nothing anywhere else.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};

/// Slots in a time to live: the count is late by a sixteenth of it.
const PARTS: u64 = 16;
/// Those that are not over, the newest one begun, and one for clocks that differ by a second.
const SLOTS: usize = PARTS as usize + 2;

/// One worker's count of sessions at one endpoint; only that worker writes. One that came here through another worker
/// counts one there and less than none here: only the sum over all workers means something.
#[derive(Debug, Default)]
pub struct Live {
    /// Seconds in a slot; another one begins anew.
    width: AtomicU64,
    slots: [Slot; SLOTS],
}

#[derive(Debug, Default)]
struct Slot {
    /// Which part of all time it is.
    number: AtomicU64,
    count: AtomicI64,
}

impl Live {
    /// Adds (1) or takes out (-1) one that ends at this second and lives for `ttl_s`.
    pub fn count(&self, ends_s: u64, ttl_s: u64, by: i64) {
        let width = (ttl_s / PARTS).max(1);
        if self.width.swap(width, Relaxed) != width {
            for slot in &self.slots {
                slot.number.store(0, Relaxed);
                slot.count.store(0, Relaxed);
            }
        }
        let number = ends_s / width;
        let slot = &self.slots[(number % SLOTS as u64) as usize];
        let known = slot.number.load(Relaxed);
        if known > number {
            // Long over.
            return;
        }
        let before = match known == number {
            true => slot.count.load(Relaxed),
            false => 0,
        };
        slot.number.store(number, Relaxed);
        slot.count.store(before + by, Relaxed);
    }

    /// How many there are at this second.
    pub fn value(&self, now_s: u64) -> i64 {
        let first = now_s / self.width.load(Relaxed).max(1);
        let live = |slot: &&Slot| slot.number.load(Relaxed) >= first;
        let live = self.slots.iter().filter(live);
        live.map(|slot| slot.count.load(Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_whose_clients_do_not_come_back_are_forgotten_after_their_time() {
        let live = Live::default();
        for n in 0..1600 {
            live.count(10_000 + n + 1600, 1600, 1);
        }
        assert_eq!(live.value(11_600), 1600);
        assert_eq!(live.value(12_400), 800);
        assert_eq!(live.value(13_299), 0);
    }

    #[test]
    fn one_that_is_prolonged_counts_once_and_one_that_leaves_not_at_all() {
        let (here, there) = (Live::default(), Live::default());
        let sum = |now| here.value(now) + there.value(now);
        here.count(3600, 3600, 1);
        // Another worker prolongs it.
        there.count(3600, 3600, -1);
        there.count(5400, 3600, 1);
        assert_eq!(sum(1800), 1);
        assert_eq!(sum(4000), 1);
        here.count(5400, 3600, -1);
        assert_eq!(sum(1800), 0);
    }

    #[test]
    fn another_time_to_live_counts_anew() {
        let live = Live::default();
        live.count(7200, 3600, 1);
        live.count(4000, 60, 1);
        assert_eq!(live.value(3950), 1);
    }

    #[test]
    fn a_time_to_live_of_a_second_is_counted_too() {
        let live = Live::default();
        live.count(101, 1, 1);
        assert_eq!(live.value(100), 1);
        assert_eq!(live.value(102), 0);
    }
}
