//! How long it took to detect, decide, act and restore, for each cause: counts and quantiles in fixed memory.
//!
//! Times are kept in buckets that each are a fifth wider than the one before (1 ms to 12 days), so a quantile is off by at
//! most a tenth, however many incidents there were.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

/// A step of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// From the fault's first sign to the incident.
    Detect,
    /// From there to the decision what to do.
    Decide,
    /// From there to the action's end.
    Act,
    /// From the first sign until all was well again.
    Restore,
}

impl Stage {
    /// All, in their order in time.
    pub const ALL: [Stage; 4] = [Stage::Detect, Stage::Decide, Stage::Act, Stage::Restore];

    /// The word in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Detect => "detect",
            Stage::Decide => "decide",
            Stage::Act => "act",
            Stage::Restore => "restore",
        }
    }
}

/// 1.2^114 ms are 12 days.
const BUCKETS: u16 = 115;
const GROWTH: f64 = 1.2;

/// Durations of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Counts by bucket; only those that are not zero.
    buckets: BTreeMap<u16, u64>,
}

impl Times {
    /// Counts one.
    pub fn add(&mut self, took: Duration) {
        let count = self.buckets.entry(bucket(took)).or_default();
        *count = count.saturating_add(1);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.buckets
            .values()
            .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The time that `share` (0 to 1) of them did not exceed: the middle of its bucket. `None` without any.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((share.clamp(0.0, 1.0) * count as f64).ceil() as u64).max(1);
        let mut seen = 0u64;
        let (bucket, _) = self.buckets.iter().find(|(_, n)| {
            seen = seen.saturating_add(**n);
            seen >= rank
        })?;
        Some(middle(*bucket))
    }

    /// How many took at most so long, within a tenth.
    pub fn at_most(&self, bound: Duration) -> u64 {
        let fits = |(bucket, _): &(&u16, &u64)| middle(**bucket) <= bound;
        let fitting = self.buckets.iter().filter(fits);
        fitting.fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// All of them together, within a tenth.
    pub fn sum_s(&self) -> f64 {
        let each = self.buckets.iter();
        each.map(|(bucket, n)| middle(*bucket).as_secs_f64() * *n as f64)
            .sum()
    }

    /// Takes back one that was counted.
    fn take_back(&mut self, took: Duration) {
        if let Entry::Occupied(mut count) = self.buckets.entry(bucket(took)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Buckets and counts, to be kept.
    pub fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        self.buckets.iter().map(|(bucket, n)| (*bucket, *n))
    }

    /// Takes in what was kept.
    pub fn remember(&mut self, kept: impl IntoIterator<Item = (u16, u64)>) {
        for (bucket, n) in kept {
            let count = self.buckets.entry(bucket.min(BUCKETS - 1)).or_default();
            *count = count.saturating_add(n);
        }
    }
}

fn bucket(took: Duration) -> u16 {
    let ms = took.as_secs_f64() * 1e3;
    let bucket = match ms < 1.0 {
        true => 0,
        false => 1 + (ms.ln() / GROWTH.ln()) as u16,
    };
    bucket.min(BUCKETS - 1)
}

fn middle(bucket: u16) -> Duration {
    let ms = match bucket {
        0 => 0.5,
        _ => GROWTH.powf(f64::from(bucket) - 0.5),
    };
    Duration::from_secs_f64(ms / 1e3)
}

/// More than there are causes; whatever comes beyond is counted under `other`.
const CAUSES_MAX: usize = 64;

/// By cause and stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CauseTimes {
    causes: BTreeMap<Arc<str>, [Times; 4]>,
}

impl CauseTimes {
    /// An incident of this cause closed; a stage that was not reached has no time.
    pub fn closed(&mut self, cause: &str, took: [Option<Duration>; 4]) {
        let times = self.of(cause);
        for (times, took) in times.iter_mut().zip(took) {
            took.into_iter().for_each(|took| times.add(took));
        }
    }

    /// One that was counted was of another cause. A cause of which nothing is left is not named any more.
    pub fn take_back(&mut self, cause: &str, took: [Option<Duration>; 4]) {
        let times = self.of(cause);
        for (times, took) in times.iter_mut().zip(took) {
            took.into_iter().for_each(|took| times.take_back(took));
        }
        self.causes
            .retain(|_, stages| stages.iter().any(|times| times.count() > 0));
    }

    /// Causes by name, with their stages in the order of [`Stage::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &[Times; 4])> {
        self.causes.iter()
    }

    /// The stages of one cause, made if there is room.
    pub fn of(&mut self, cause: &str) -> &mut [Times; 4] {
        let room = self.causes.len() < CAUSES_MAX || self.causes.contains_key(cause);
        let cause = if room { cause } else { "other" };
        self.causes.entry(cause.into()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_a_tenth() {
        let mut times = Times::default();
        assert_eq!((times.count(), times.quantile(0.5)), (0, None));
        for ms in 1..=1000 {
            times.add(Duration::from_millis(ms));
        }
        for (share, ms) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0)] {
            let found = times.quantile(share).unwrap().as_secs_f64() * 1e3;
            assert!((found / ms - 1.0).abs() < 0.1, "{share}: {found}");
        }
        assert_eq!(times.at_most(Duration::from_secs(2)), 1000);
        let half = times.at_most(Duration::from_millis(500));
        assert!((400..=600).contains(&half), "{half}");
        let sum = times.sum_s();
        assert!((sum / 500.5 - 1.0).abs() < 0.1, "{sum}");
        times.add(Duration::from_secs(u64::MAX));
        assert!(times.quantile(1.0).unwrap() > Duration::from_secs(900_000));
    }

    #[test]
    fn causes_are_bounded_and_what_is_kept_comes_back() {
        let mut causes = CauseTimes::default();
        let second = Some(Duration::from_secs(1));
        for n in 0..1000 {
            causes.closed(&format!("cause {n}"), [second, None, second, second]);
        }
        assert!(causes.iter().count() <= CAUSES_MAX + 1);
        let mut again = CauseTimes::default();
        for (cause, stages) in causes.iter() {
            for (times, kept) in again.of(cause).iter_mut().zip(stages) {
                times.remember(kept.buckets());
            }
        }
        let total = |causes: &CauseTimes| -> u64 {
            let all = causes.iter().flat_map(|(_, stages)| stages);
            all.map(Times::count).sum()
        };
        assert_eq!(total(&causes), 3000);
        assert_eq!(total(&again), 3000);
    }
}
