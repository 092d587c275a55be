//! When requests of an open loop fall due.

use crate::rng::Rng;
use std::time::{Duration, Instant};

/// The next one and what comes after it.
pub(crate) struct Pace {
    every: Duration,
    /// Random gaps, of which `every` is the mean.
    random: Option<Rng>,
    /// The next.
    pub(crate) next: Instant,
    /// Connections that wait for one.
    pub(crate) idle: Vec<usize>,
}

impl Pace {
    /// So many a second from now on, at fixed times or, with a seed, at random ones.
    pub(crate) fn new(rate: f64, seed: Option<u64>, idle: Vec<usize>) -> Pace {
        Pace {
            every: Duration::from_secs_f64(1.0 / rate),
            random: seed.map(Rng::new),
            next: Instant::now(),
            idle,
        }
    }

    /// One was sent: when the next is due.
    pub(crate) fn step(&mut self) {
        self.next += match &mut self.random {
            Some(rng) => self.every.mul_f64(rng.exponential()),
            None => self.every,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_times_come_at_the_rate_too() {
        let mut pace = Pace::new(1000.0, Some(1), Vec::new());
        let start = pace.next;
        (0..10_000).for_each(|_| pace.step());
        let seconds = (pace.next - start).as_secs_f64();
        assert!((9.7..10.3).contains(&seconds), "{seconds}");
    }
}
