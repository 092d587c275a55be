//! Requests and failures of the last ten seconds, counted exactly: a ring of a hundred slots of 100 ms, and their sums.
//!
//! Exact, because an average that forgets slowly cannot say of how many requests it speaks, and the arithmetic of chance
//! needs to know.

use serde::{Deserialize, Serialize};

use crate::time::Time;

const SLOTS: usize = 100;
const SLOT_NS: u64 = 100_000_000;
/// Slots of the last second.
const OF_LATE: u64 = 10;

/// Requests that ended, and those of them that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests that ended.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
}

impl Counts {
    /// The share that failed; 0 of nothing.
    pub fn rate(self) -> f64 {
        match self.requests {
            0 => 0.0,
            n => self.failures as f64 / n as f64,
        }
    }

    /// Without these.
    pub fn without(self, some: Counts) -> Counts {
        Counts {
            requests: self.requests.saturating_sub(some.requests),
            failures: self.failures.saturating_sub(some.failures),
        }
    }

    /// With these.
    pub fn with(self, more: Counts) -> Counts {
        Counts {
            requests: self.requests + more.requests,
            failures: self.failures + more.failures,
        }
    }
}

/// The ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Window {
    #[serde(with = "crate::keep::sparse")]
    slots: Box<[Counts; SLOTS]>,
    /// The number of the newest slot, counted from the clock's start.
    newest: u64,
    sum: Counts,
}

impl Default for Window {
    fn default() -> Window {
        Window {
            slots: Box::new([Counts::default(); SLOTS]),
            newest: 0,
            sum: Counts::default(),
        }
    }
}

impl Window {
    /// Adds what was seen at this moment.
    pub(super) fn add(&mut self, seen: Counts, at: Time) {
        self.forget(at);
        let slot = &mut self.slots[(self.newest % SLOTS as u64) as usize];
        *slot = slot.with(seen);
        self.sum = self.sum.with(seen);
    }

    /// Drops what is older than ten seconds now.
    fn forget(&mut self, at: Time) {
        let now = (at.as_nanos() / SLOT_NS).max(self.newest);
        let passed = (now - self.newest).min(SLOTS as u64);
        for number in now - passed + 1..=now {
            let slot = std::mem::take(&mut self.slots[(number % SLOTS as u64) as usize]);
            self.sum = self.sum.without(slot);
        }
        self.newest = now;
    }

    /// What is in it, as of the last [`Window::add`].
    pub(super) fn counts(&self) -> Counts {
        self.sum
    }

    /// What the last second of it holds.
    pub(super) fn counts_of_late(&self) -> Counts {
        let first = self.newest.saturating_sub(OF_LATE - 1);
        let slots = (first..=self.newest).map(|n| self.slots[(n % SLOTS as u64) as usize]);
        slots.fold(Counts::default(), Counts::with)
    }

    /// Empties it.
    pub(super) fn clear(&mut self) {
        *self = Window {
            newest: self.newest,
            ..Window::default()
        };
    }
}

/// How many standard deviations one rate is above the other (z of two proportions, pooled variance); 0 if both are alike.
pub(super) fn deviation(one: Counts, other: Counts) -> f64 {
    let both = one.with(other);
    let (n, m) = (one.requests as f64, other.requests as f64);
    if n == 0.0 || m == 0.0 {
        return 0.0;
    }
    let pooled = both.rate();
    let variance = pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m);
    match variance > 0.0 {
        true => (one.rate() - other.rate()) / variance.sqrt(),
        false => 0.0,
    }
}

/// −ln of a bound for the probability that chance alone gives the one so many of all failures: Hoeffding's for drawing
/// without replacement, with the failures as what is drawn, K·KL(k/K ‖ n/N). 0 if it has no more than its share.
pub(super) fn surprise(one: Counts, other: Counts) -> f64 {
    let both = one.with(other);
    if both.failures == 0 || one.requests == both.requests {
        return 0.0;
    }
    let (has, share) = (
        one.failures as f64 / both.failures as f64,
        one.requests as f64 / both.requests as f64,
    );
    if has <= share {
        return 0.0;
    }
    let term = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    both.failures as f64 * (term(has, share) + term(1.0 - has, 1.0 - share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(failures: u64, requests: u64) -> Counts {
        Counts { requests, failures }
    }

    proptest! {
        #[test]
        fn the_sums_are_those_of_the_last_hundred_slots(seen in proptest::collection::vec((0u64..400, 0u64..9), 1..80)) {
            let mut window = Window::default();
            let mut at = 1_000_000;
            let mut all = Vec::new();
            for (gap, failures) in seen {
                at += gap * 10;
                window.add(counts(failures, failures + 3), Time::from_millis(at));
                all.push((at / 100, failures));
                let within = all.iter().filter(|(slot, _)| slot + 100 > at / 100);
                let (n, failed) = within.fold((0, 0), |(n, f), (_, failures)| (n + 1, f + failures));
                prop_assert_eq!(window.counts(), counts(failed, failed + 3 * n));
            }
        }
    }

    proptest! {
        /// Against the exact tail of the hypergeometric distribution.
        #[test]
        fn surprise_never_overstates(n in 1u64..40, m in 1u64..120, own in 0u64..20, rest in 0u64..20) {
            let (own, rest) = (own.min(n), rest.min(m));
            let choose = |n: u64, k: u64| (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>();
            let all = own + rest;
            let tail: f64 = (own..=all.min(n))
                .filter(|k| all - k <= m)
                .map(|k| choose(n, k) * choose(m, all - k) / choose(n + m, all))
                .sum();
            let bound = (-surprise(counts(own, n), counts(rest, m))).exp();
            prop_assert!(tail <= bound * (1.0 + 1e-9), "{} > {}", tail, bound);
        }
    }

    #[test]
    fn two_proportions_deviate_as_in_the_textbook() {
        // 30 of 100 against 10 of 100: pooled 0.2, standard error 0.0566.
        let z = deviation(counts(30, 100), counts(10, 100));
        assert!((z - 3.5355).abs() < 1e-3, "{z}");
        assert_eq!(deviation(counts(0, 50), counts(0, 50)), 0.0);
        assert_eq!(deviation(counts(50, 50), counts(50, 50)), 0.0);
        assert_eq!(deviation(counts(5, 5), counts(0, 0)), 0.0);
    }
}
