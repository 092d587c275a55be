//! How good `fixed` is, computed instead of waited for: the formulas for NFD-S of W. Chen, S. Toueg, M. K. Aguilera, "On
//! the Quality of Service of Failure Detectors" (IEEE Transactions on Computers 51(5), 2002), section 5.
//!
//! With η between beats, δ until a beat's freshness point, each beat lost with probability p_L and else delayed by D, all
//! independent, and k = ⌈δ/η⌉:
//!
//! - p_j(x) = p_L + (1 − p_L)·P(D > δ + x − jη): the beat j after the i-th has not arrived x after the freshness point τ_i;
//! - u(x) = ∏ p_j(x) over j = 0…k: none has that could be trusted, so the sender is suspected at τ_i + x, 0 ≤ x < η;
//! - q_0 = (1 − p_L)·P(D < δ + η): the beat before it arrived in time, so the sender was trusted until then;
//! - p_s = q_0·u(0): a mistake begins at τ_i.
//!
//! From these: E(T_MR) = η / p_s between the beginnings of two mistakes, E(T_M) = ∫u dx / p_s for one mistake's length, and
//! P_A = 1 − ∫u dx / η, the share of time without one. A crash is seen within η + δ.

use std::time::Duration;

/// A network that loses and delays beats, each independently of the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// The share of beats that never arrive, 0 to 1.
    pub loss: f64,
    /// Mean of the delay above the least possible, exponentially distributed: what is left of a queue's waiting time.
    pub delay_mean: Duration,
}

impl Network {
    /// P(D > t), t in seconds.
    fn later(&self, t: f64) -> f64 {
        let mean = self.delay_mean.as_secs_f64();
        match t {
            t if t < 0.0 => 1.0,
            _ if mean == 0.0 => 0.0,
            t => (-t / mean).exp(),
        }
    }
}

/// What may be expected of a detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// A crash is seen within this: T_D ≤ η + δ.
    pub detection_max: Duration,
    /// E(T_MR): seconds from one mistake to the next; infinite if there is none.
    pub mistake_every_s: f64,
    /// E(T_M): seconds a mistake lasts; 0 if there is none.
    pub mistake_lasts_s: f64,
    /// P_A: the share of time in which it is right about a sender that lives.
    pub accuracy: f64,
}

/// Steps of the integral. u falls steeply where a beat is about to arrive; with these the error is below 1e-6 of it for
/// delays down to a thousandth of the interval.
const STEPS: u32 = 20_000;

/// Of `fixed` with this interval and time-out, in this network.
pub fn fixed(interval: Duration, timeout: Duration, network: &Network) -> Quality {
    let (eta, delta) = (interval.as_secs_f64(), timeout.as_secs_f64());
    let lost = network.loss;
    let missing =
        |j: u32, x: f64| lost + (1.0 - lost) * network.later(delta + x - f64::from(j) * eta);
    // A beat that is sent after the moment in question cannot have arrived: beyond k its factor is 1.
    let last = (delta / eta).ceil().clamp(0.0, 1000.0) as u32;
    let suspected = |x: f64| (0..=last).map(|j| missing(j, x)).product::<f64>();
    let in_time = (1.0 - lost) * (1.0 - network.later(delta + eta));
    let begins = in_time * suspected(0.0);
    let wrong = integral(suspected, eta);
    Quality {
        detection_max: interval + timeout,
        mistake_every_s: eta / begins,
        mistake_lasts_s: if begins > 0.0 { wrong / begins } else { 0.0 },
        accuracy: 1.0 - wrong / eta,
    }
}

/// ∫ f from 0 to `end`, by the midpoint rule: it never asks at the points where a factor of u jumps to 1.
fn integral(f: impl Fn(f64) -> f64, end: f64) -> f64 {
    let step = end / f64::from(STEPS);
    let middle = |n: u32| (f64::from(n) + 0.5) * step;
    (0..STEPS).map(|n| f(middle(n))).sum::<f64>() * step
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(timeout_ms: u64, loss: f64) -> Quality {
        let network = Network {
            loss,
            delay_mean: Duration::from_millis(20),
        };
        fixed(
            Duration::from_secs(1),
            Duration::from_millis(timeout_ms),
            &network,
        )
    }

    #[test]
    fn the_formulas_give_what_follows_by_hand() {
        // δ < η: only the beat itself may still arrive. p_0(x) = p_L + (1 − p_L)·e^(−(δ+x)/0.02).
        let late = (-2.5f64).exp();
        let u0 = 0.01 + 0.99 * late;
        let q = quality(50, 0.01);
        assert!((q.mistake_every_s - 1.0 / (0.99 * u0)).abs() < 1e-9);
        // ∫ from 0 to 0.95 of u, where the next beat is not sent yet, and then its own delay too.
        let tail = |x: f64| 0.01 + 0.99 * (-(x / 0.02)).exp();
        let whole = 0.95 * 0.01 + 0.99 * late * 0.02 * (1.0 - (-47.5f64).exp());
        let rest = 0.01 * 0.01 * 0.05 + 0.01 * 0.99 * 0.02 * (1.0 - late);
        let accuracy = 1.0 - whole - rest;
        assert!(
            (q.accuracy - accuracy).abs() < 1e-6,
            "{} {accuracy}",
            q.accuracy
        );
        assert!(tail(0.0) == 1.0);
        assert_eq!(q.detection_max, Duration::from_millis(1050));
    }

    #[test]
    fn a_network_without_loss_or_delay_makes_no_mistakes() {
        let network = Network {
            loss: 0.0,
            delay_mean: Duration::ZERO,
        };
        let q = fixed(Duration::from_secs(1), Duration::from_millis(500), &network);
        assert_eq!(q.mistake_every_s, f64::INFINITY);
        assert_eq!((q.mistake_lasts_s, q.accuracy), (0.0, 1.0));
    }

    #[test]
    fn a_longer_time_out_never_makes_more_mistakes() {
        let every: Vec<f64> = [50, 100, 500, 1050, 1500, 2500]
            .map(|ms| quality(ms, 0.01).mistake_every_s)
            .into();
        assert!(every.is_sorted(), "{every:?}");
    }
}
