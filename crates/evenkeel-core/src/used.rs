//! How much of an endpoint is used, where workers read it at each pick.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::settings::Used;
use crate::time::Time;

/// So many things are reported.
const KINDS: usize = Used::REPORTED.len();

/// How much of an endpoint is used, in thousandths, each in the order of [`Used::REPORTED`].
#[derive(Debug, Default)]
pub struct UsedShares {
    /// By facts and heartbeats: control stores, and takes back what is old. One more than the thousandths, 0 = unknown; the
    /// last is the highest of them.
    told: [AtomicU32; KINDS + 1],
    /// By its own answers: any worker stores, with the time, since whoever gets no work says nothing new either.
    answered: [AtomicU64; KINDS],
}

impl UsedShares {
    /// Bits of the share beside the time.
    const BITS: u32 = 10;
    /// What an answer said holds for so long.
    const HOLDS: Duration = Duration::from_secs(10);

    /// What control knows; `None` = nothing any more.
    pub fn tell(&self, all: [Option<u32>; KINDS]) {
        let code = |told: Option<u32>| told.map_or(0, |thousandths| thousandths.saturating_add(1));
        let highest = all.into_iter().max().flatten();
        for (place, told) in self.told.iter().zip(all.into_iter().chain([highest])) {
            place.store(code(told), Relaxed);
        }
    }

    /// What came with an answer.
    pub fn answered(&self, all: [Option<u32>; KINDS], now: Time) {
        for (place, thousandths) in self.answered.iter().zip(all) {
            if let Some(thousandths) = thousandths {
                let share = u64::from(thousandths.min(1000));
                place.store(millis(now) << UsedShares::BITS | share, Relaxed);
            }
        }
    }

    /// What is known; of answers and what control knows the former.
    pub fn read(&self, used: Used, now: Time) -> Option<u32> {
        self.code(&Reading::new(used, now)).checked_sub(1)
    }

    /// The same, quickly, with 0 for what is not known.
    pub(crate) fn take(&self, reading: &Reading) -> u32 {
        self.code(reading).saturating_sub(1)
    }

    /// One more than the thousandths, 0 = unknown.
    fn code(&self, reading: &Reading) -> u32 {
        if let Some(at) = reading.at {
            return self.code_of(at, reading);
        }
        let answered = self.answered.iter().map(|answered| answered.load(Relaxed));
        match answered.fold(0, |any, answered| any | answered) {
            0 => self.told[KINDS].load(Relaxed),
            _ => (0..KINDS)
                .map(|at| self.code_of(at, reading))
                .fold(0, u32::max),
        }
    }

    fn code_of(&self, at: usize, reading: &Reading) -> u32 {
        let answered = self.answered[at].load(Relaxed);
        if answered != 0 && answered >> UsedShares::BITS >= reading.oldest_ms {
            return (answered & ((1 << UsedShares::BITS) - 1)) as u32 + 1;
        }
        self.told[at].load(Relaxed)
    }
}

/// What is to be read, worked out once for many endpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Which of [`Used::REPORTED`]; `None` = the highest.
    at: Option<usize>,
    /// Answers before this do not count any more.
    oldest_ms: u64,
}

impl Reading {
    pub(crate) fn new(used: Used, now: Time) -> Reading {
        let holds_ms = UsedShares::HOLDS.as_millis() as u64;
        Reading {
            at: Used::REPORTED.iter().position(|&reported| reported == used),
            oldest_ms: millis(now).saturating_sub(holds_ms),
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
