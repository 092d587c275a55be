//! `phi`: accrual detection of N. Hayashibara, X. Défago, R. Yared, T. Katayama, "The φ Accrual Failure Detector" (SRDS
//! 2004).
//!
//! The times between the last 1000 beats are taken for a normal distribution. φ(t) = −log10 P(a beat comes later than
//! t after the last one), and a sender is suspected at φ ≥ `threshold`: at 8 such a silence would be one in 10^8. On a
//! quiet network that is soon, on a restless one later, with nothing to be set.
//!
//! - The deviation is at least 100 ms: the ordinary jitter of a scheduler shall not be enough for a suspicion however even
//!   the beats were (Akka's and Cassandra's experience).
//! - Before anything is known, one interval with a deviation of a quarter of it is assumed, as in Akka.
//! - A silence of more than ten intervals was an outage and not jitter; it is not learned from, and neither is one across
//!   which the sender began anew or the listener was paused.
//! - Beats overtaken on their way say nothing.
//!
//! Sums are kept in whole microseconds, so that nothing drifts however long it runs.

use std::f64::consts::SQRT_2;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use statrs::function::erf::erfc;

use super::{Arrival, Detector, Entry, Sequence};
use crate::keep::revive;
use crate::registry::{Part, Setting};
use crate::settings::HeartbeatSettings;
use crate::time::Time;

/// Times kept.
const WINDOW: usize = 1000;
/// The least deviation.
const DEVIATION_MIN: Duration = Duration::from_millis(100);
/// So many intervals of silence are an outage.
const OUTAGE: u32 = 10;
/// Beyond it the probability is too small for a number.
const PHI_MAX: f64 = 300.0;

pub(super) const ENTRY: Entry = Entry {
    part: Part {
        name: "phi",
        summary: "Suspected when such a silence is too unlikely after what was heard before: it learns the jitter by itself.",
        settings: &[Setting {
            key: "threshold",
            default: "8.0",
            why: "one in 10^8 silences of a living sender is that long, were its jitter normal",
        }],
    },
    make: |settings, at| Box::new(Phi::new(settings, at)),
    revive: |from| Ok(revive::<Phi>(from)?),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Phi {
    interval: Duration,
    threshold: f64,
    /// So many deviations above the mean is where φ reaches the threshold.
    limit: f64,
    sequence: Sequence,
    last: Time,
    /// Is the time to the next beat worth learning?
    learns: bool,
    times: Times,
    mean: f64,
    deviation: f64,
}

impl Phi {
    fn new(settings: &HeartbeatSettings, at: Time) -> Phi {
        let threshold = settings.threshold.value();
        let mut phi = Phi {
            interval: settings.interval,
            threshold,
            limit: deviations(threshold),
            sequence: Sequence::default(),
            last: at,
            learns: false,
            times: Times::new(),
            mean: 0.0,
            deviation: 0.0,
        };
        phi.begin();
        phi
    }

    /// Nothing is known but the interval.
    fn begin(&mut self) {
        let quarter = self.interval / 4;
        self.times.clear();
        self.times.push(self.interval - quarter);
        self.times.push(self.interval + quarter);
        self.measure();
    }

    fn measure(&mut self) {
        let (mean, deviation) = self.times.moments();
        self.mean = mean;
        self.deviation = deviation.max(DEVIATION_MIN.as_secs_f64());
    }

    /// Silence until φ reaches the threshold.
    fn patience(&self) -> Duration {
        let seconds = self.mean + self.limit * self.deviation;
        // A configured interval is at most an hour, and so is what is learned times ten.
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

impl Detector for Phi {
    fn name(&self) -> &'static str {
        ENTRY.part.name
    }

    fn beat(&mut self, number: u64, at: Time) -> Arrival {
        let arrival = self.sequence.on(number, self.interval, at);
        if arrival == Arrival::Late {
            return arrival;
        }
        let silence = at.since(self.last);
        let learns = std::mem::replace(&mut self.learns, true);
        if learns && arrival == Arrival::Fresh && silence <= self.interval * OUTAGE {
            self.times.push(silence);
            self.measure();
        }
        self.last = at;
        arrival
    }

    fn suspicion(&self, at: Time) -> f64 {
        let silence = at.since(self.last).as_secs_f64();
        let suspicion = phi((silence - self.mean) / self.deviation) / self.threshold;
        // The deadline decides, not the last digit of two ways to compute it.
        match at >= self.next_wakeup() {
            true => suspicion.max(1.0),
            false => suspicion.min(1.0 - f64::EPSILON),
        }
    }

    fn next_wakeup(&self) -> Time {
        self.last + self.patience()
    }

    fn excuse(&mut self, length: Duration) {
        self.last = self.last + length;
        self.learns = false;
    }

    fn retime(&mut self, interval: Duration, at: Time) {
        self.interval = interval;
        self.sequence = Sequence::default();
        self.last = at;
        self.learns = false;
        self.begin();
    }

    fn bound(&self) -> Duration {
        self.patience()
    }
}

/// −log10 of the probability that a normal value lies this many deviations or more above its mean.
fn phi(deviations: f64) -> f64 {
    let later = 0.5 * erfc(deviations / SQRT_2);
    (-later.log10()).clamp(0.0, PHI_MAX)
}

/// The inverse of [`phi`], by bisection: 60 halvings of 40 leave nothing a double could tell.
fn deviations(threshold: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        match phi(middle) < threshold {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

/// The newest times, with their sums.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Times {
    /// In microseconds.
    ring: Box<[u32]>,
    next: usize,
    filled: usize,
    sum: u64,
    squares: u128,
}

impl Times {
    fn new() -> Times {
        Times {
            ring: vec![0; WINDOW].into(),
            next: 0,
            filled: 0,
            sum: 0,
            squares: 0,
        }
    }

    fn clear(&mut self) {
        (self.next, self.filled, self.sum, self.squares) = (0, 0, 0, 0);
    }

    fn push(&mut self, time: Duration) {
        let us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        if self.filled == WINDOW {
            let oldest = u64::from(self.ring[self.next]);
            self.sum -= oldest;
            self.squares -= u128::from(oldest * oldest);
        }
        self.ring[self.next] = us;
        self.next = (self.next + 1) % WINDOW;
        self.filled = (self.filled + 1).min(WINDOW);
        let us = u64::from(us);
        self.sum += us;
        self.squares += u128::from(us * us);
    }

    /// Mean and standard deviation in seconds.
    fn moments(&self) -> (f64, f64) {
        let n = self.filled.max(1) as u128;
        let mean = self.sum as f64 / n as f64;
        // n·Σx² − (Σx)² is exact in whole numbers; it would not be in floating point.
        let spread = n * self.squares - u128::from(self.sum) * u128::from(self.sum);
        let deviation = (spread as f64).sqrt() / n as f64;
        (mean / 1e6, deviation / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Phi {
        Phi::new(&HeartbeatSettings::default(), Time::ZERO)
    }

    #[test]
    fn phi_is_the_logarithm_of_the_normal_tail() {
        // Tables of the normal distribution: P(Z > 1.6449) = 0.05, P(Z > 5.6120) = 1e-8.
        assert!((phi(1.644_853_6) - 0.05f64.log10().abs()).abs() < 1e-6);
        assert!((deviations(8.0) - 5.612_001_2).abs() < 1e-6);
        assert_eq!(phi(1e9), PHI_MAX);
        assert!(phi(-5.0) < 1e-6);
    }

    #[test]
    fn even_beats_leave_the_least_deviation_and_uneven_ones_more_patience() {
        let mut even = watch();
        for n in 1..2000u64 {
            even.beat(n, Time::from_millis(n * 1000));
        }
        let patience = even.bound().as_secs_f64();
        assert!((patience - (1.0 + 5.612 * 0.1)).abs() < 1e-3, "{patience}");
        let mut uneven = watch();
        for n in 1..2000u64 {
            uneven.beat(n, Time::from_millis(n * 1000 + n % 2 * 400));
        }
        let patience = uneven.bound().as_secs_f64();
        assert!((patience - (1.0 + 5.612 * 0.4)).abs() < 1e-2, "{patience}");
    }

    #[test]
    fn an_outage_is_not_taken_for_jitter() {
        let mut phi = watch();
        for n in 1..100u64 {
            phi.beat(n, Time::from_millis(n * 1000));
        }
        let before = phi.bound();
        phi.beat(160, Time::from_millis(160_000));
        assert_eq!(phi.bound(), before);
    }

    #[test]
    fn sums_stay_exact_when_the_window_turns_over() {
        let mut times = Times::new();
        for n in 0..10_000u64 {
            times.push(Duration::from_micros(n * 7919 % 1_000_003));
        }
        let kept: Vec<f64> = (9_000..10_000u64)
            .map(|n| (n * 7919 % 1_000_003) as f64)
            .collect();
        let mean = kept.iter().sum::<f64>() / 1000.0;
        let spread = kept.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1000.0;
        let (m, d) = times.moments();
        assert!((m * 1e6 - mean).abs() < 1e-6);
        assert!((d * 1e6 - spread.sqrt()).abs() < 1e-6);
    }
}
