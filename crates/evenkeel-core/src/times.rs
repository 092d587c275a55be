//! How long an endpoint takes to begin its answers: a histogram that a worker writes and control reads.
//!
//! Four buckets to each doubling, from 64 µs to two minutes: a median is known to a fifth, which is enough to tell three
//! times slower from noise, and all of it is 340 bytes per worker and endpoint. HDR histograms would be finer, but no
//! crate has one that is written with a plain load and store and read by another thread, which is all this needs.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Below this all is the same: 64 µs.
const FIRST_BIT: u32 = 6;
const OCTAVES: usize = 21;
const BUCKETS: usize = 1 + 4 * OCTAVES;

/// Counts of times with **one writer**; they wrap around, so only differences mean something.
#[derive(Debug)]
pub struct Times([AtomicU32; BUCKETS]);

impl Default for Times {
    fn default() -> Times {
        Times([const { AtomicU32::new(0) }; BUCKETS])
    }
}

impl Times {
    /// Counts one. Only ever called by the one worker that owns it.
    pub fn observe(&self, time: Duration) {
        let bucket = &self.0[bucket(time)];
        bucket.store(bucket.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Adds what is counted here to `spread`; any thread.
    pub fn add_to(&self, spread: &mut Spread) {
        for (sum, bucket) in spread.0.iter_mut().zip(&self.0) {
            *sum = sum.wrapping_add(bucket.load(Relaxed));
        }
    }
}

/// The counts of [`Times`] at one moment, or of what came between two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread(#[serde(with = "crate::keep::sparse")] Box<[u32; BUCKETS]>);

impl Default for Spread {
    fn default() -> Spread {
        Spread(Box::new([0; BUCKETS]))
    }
}

impl Spread {
    /// Counts one.
    pub fn observe(&mut self, time: Duration) {
        let count = &mut self.0[bucket(time)];
        *count = count.wrapping_add(1);
    }

    /// What came since `earlier`.
    pub fn since(&self, earlier: &Spread) -> Spread {
        let mut since = self.clone();
        for (count, before) in since.0.iter_mut().zip(earlier.0.iter()) {
            *count = count.wrapping_sub(*before);
        }
        since
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Spread) {
        for (sum, count) in self.0.iter_mut().zip(other.0.iter()) {
            *sum = sum.wrapping_add(*count);
        }
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|&n| u64::from(n)).sum()
    }

    /// So many thousandths took this long at most, to the upper edge of a bucket; `None` if there are none.
    pub fn quantile(&self, thousandths: u64) -> Option<Duration> {
        let total = self.total();
        let wanted = (total * thousandths).div_ceil(1000).max(1);
        let mut seen = 0;
        let found = self.0.iter().position(|&n| {
            seen += u64::from(n);
            seen >= wanted
        })?;
        (total > 0).then(|| upper(found))
    }

    /// How many certainly took longer than this.
    pub fn over(&self, time: Duration) -> u64 {
        let first = self.0.iter().enumerate().skip(bucket(time) + 1);
        first.map(|(_, &n)| u64::from(n)).sum()
    }
}

fn bucket(time: Duration) -> usize {
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let Some(bit) = us.checked_ilog2().filter(|&bit| bit >= FIRST_BIT) else {
        return 0;
    };
    let quarter = (us >> (bit - 2)) & 3;
    (1 + 4 * (bit - FIRST_BIT) as usize + quarter as usize).min(BUCKETS - 1)
}

fn upper(bucket: usize) -> Duration {
    let Some(above) = bucket.checked_sub(1) else {
        return Duration::from_micros(1 << FIRST_BIT);
    };
    let (octave, quarter) = (above / 4, above as u64 % 4);
    Duration::from_micros(((1 << FIRST_BIT) << octave) * (5 + quarter) / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quantile_of_one_time_is_above_it_by_a_quarter_at_most(us in 64u64..100_000_000) {
            let mut spread = Spread::default();
            spread.observe(Duration::from_micros(us));
            let found = spread.quantile(500).unwrap().as_micros() as u64;
            prop_assert!(found >= us && found <= us + us / 4 + 1, "{} for {}", found, us);
        }
    }

    #[test]
    fn what_a_worker_counted_is_read_as_differences_even_when_a_count_wraps() {
        let times = Times::default();
        times.0[bucket(Duration::from_millis(3))].store(u32::MAX, Relaxed);
        let mut before = Spread::default();
        times.add_to(&mut before);
        times.observe(Duration::from_millis(3));
        times.observe(Duration::from_millis(30));
        let mut after = Spread::default();
        times.add_to(&mut after);
        let since = after.since(&before);
        assert_eq!(since.total(), 2);
        assert_eq!(since.over(Duration::from_millis(10)), 1);
        assert_eq!(Spread::default().quantile(500), None);
    }

    #[test]
    fn quantiles_are_found_among_many() {
        let mut spread = Spread::default();
        (0..95).for_each(|_| spread.observe(Duration::from_millis(3)));
        (0..5).for_each(|_| spread.observe(Duration::from_millis(60)));
        assert_eq!(spread.quantile(500).unwrap().as_millis(), 3);
        assert!(spread.quantile(990).unwrap() >= Duration::from_millis(60));
        assert_eq!(spread.over(Duration::from_secs(1000)), 0);
    }
}
