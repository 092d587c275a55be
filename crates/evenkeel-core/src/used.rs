//! How much of an endpoint is used, where workers read it at each pick.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::settings::Used;
use crate::time::Time;

/// How much of an endpoint is used, in thousandths, each in the order of [`Used::REPORTED`].
#[derive(Debug)]
pub struct UsedShares {
    /// By facts and heartbeats: control stores, and takes back what is old.
    told: [AtomicU32; Used::REPORTED.len()],
    /// By its own answers: any worker stores, with the time, since whoever gets no work says nothing new either.
    answered: [AtomicU64; Used::REPORTED.len()],
}

impl Default for UsedShares {
    fn default() -> Self {
        UsedShares {
            told: std::array::from_fn(|_| AtomicU32::new(UsedShares::UNKNOWN)),
            answered: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl UsedShares {
    const UNKNOWN: u32 = u32::MAX;
    /// Bits of the share beside the time.
    const BITS: u32 = 10;
    /// What an answer said holds for so long.
    const HOLDS: Duration = Duration::from_secs(10);

    /// What control knows; `None` = nothing any more.
    pub fn tell(&self, all: [Option<u32>; Used::REPORTED.len()]) {
        for (place, thousandths) in self.told.iter().zip(all) {
            place.store(thousandths.unwrap_or(UsedShares::UNKNOWN), Relaxed);
        }
    }

    /// What came with an answer.
    pub fn answered(&self, all: [Option<u32>; Used::REPORTED.len()], now: Time) {
        for (place, thousandths) in self.answered.iter().zip(all) {
            if let Some(thousandths) = thousandths {
                let share = u64::from(thousandths.min(1000));
                place.store(millis(now) << UsedShares::BITS | share, Relaxed);
            }
        }
    }

    /// What is known; of answers and what control knows the former.
    pub fn read(&self, used: Used, now: Time) -> Option<u32> {
        let one = |at: usize| {
            let answered = self.answered[at].load(Relaxed);
            let age = millis(now).saturating_sub(answered >> UsedShares::BITS);
            if answered != 0 && u128::from(age) <= UsedShares::HOLDS.as_millis() {
                return Some((answered & ((1 << UsedShares::BITS) - 1)) as u32);
            }
            Some(self.told[at].load(Relaxed)).filter(|&told| told != UsedShares::UNKNOWN)
        };
        match Used::REPORTED.iter().position(|&reported| reported == used) {
            Some(at) => one(at),
            None => (0..Used::REPORTED.len()).filter_map(one).max(),
        }
    }
}

fn millis(at: Time) -> u64 {
    at.as_nanos() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_ten_seconds_and_before_what_control_knows() {
        let used = UsedShares::default();
        let at = |s: u64| Time::from_millis(s * 1000);
        assert_eq!(used.read(Used::Highest, at(100)), None);
        used.tell([Some(300), None, Some(500)]);
        assert_eq!(used.read(Used::Highest, at(100)), Some(500));
        used.answered([Some(900), None, None], at(100));
        assert_eq!(used.read(Used::Cpu, at(110)), Some(900));
        assert_eq!(used.read(Used::Highest, at(110)), Some(900));
        assert_eq!(used.read(Used::Cpu, at(111)), Some(300));
        assert_eq!(used.read(Used::Memory, at(111)), None);
    }
}
