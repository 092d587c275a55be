//! What measured times say: mean times with their confidence intervals, and parts put together.
//!
//! Failures are taken to come at a constant rate (exponential times between them), the usual first assumption, under which
//! 2 · total time / mean follows a chi-square distribution (Epstein & Sobel 1953; NIST/SEMATECH e-Handbook 8.4.5.1). One
//! looks at a running system until *now*, not until its r-th failure, so the interval of the mean time between failures is
//! the time-truncated one: `[2T / χ²(1−α/2; 2r+2), 2T / χ²(α/2; 2r)]`. Repairs are all seen to their end, so theirs is the
//! failure-truncated one, `2r` on both sides. Three failures in 10 000 h give [1289.7 h, 12 229.6 h] at 90 %.
//!
//! MTBF is the mean *operating* time between failures (IEC 60050-192), total up time over failures; with a constant rate
//! MTTF is the same number. Steady availability is MTTF / (MTTF + MTTR).

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// The confidence of every interval shown: nine in ten hold the true mean.
pub const CONFIDENCE: f64 = 0.9;

/// When one stopped counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncated {
    /// At some moment, with the next event still to come.
    ByTime,
    /// With the last event.
    ByEvent,
}

/// Mean time from `total` in which `events` happened; `None` without any.
pub fn mean(total: f64, events: u64) -> Option<f64> {
    (events > 0).then(|| total / events as f64)
}

/// The interval that holds the true mean with this confidence (two-sided, 0 < `confidence` < 1), in the unit of `total`.
/// Without events, time-truncated: a lower end only; failure-truncated: neither.
pub fn interval(
    total: f64,
    events: u64,
    truncated: Truncated,
    confidence: f64,
) -> (Option<f64>, Option<f64>) {
    let tail = (1.0 - confidence) / 2.0;
    let end = |events: u64, probability: f64| Some(2.0 * total / chi_square(probability, events)?);
    let upper_events = match truncated {
        Truncated::ByTime => events.saturating_add(1),
        Truncated::ByEvent => events,
    };
    (end(upper_events, 1.0 - tail), end(events, tail))
}

/// The quantile of the chi-square distribution with 2 · `events` degrees of freedom; `None` with none.
fn chi_square(probability: f64, events: u64) -> Option<f64> {
    // A billion events: by then the interval has no width.
    let freedom = 2.0 * events.min(1_000_000_000) as f64;
    let distribution = ChiSquared::new(freedom).ok()?;
    let inside = probability > 0.0 && probability < 1.0;
    inside.then(|| distribution.inverse_cdf(probability))
}

/// Steady availability of what works for `mttf` and is repaired in `mttr`.
pub fn availability(mttf: f64, mttr: f64) -> f64 {
    mttf / (mttf + mttr)
}

/// Availability of parts that are all needed and fail independently: ∏ A.
pub fn series(parts: impl IntoIterator<Item = f64>) -> f64 {
    parts.into_iter().product()
}

/// Availability of parts of which any one is enough and that fail independently: 1 − ∏ (1 − A).
pub fn parallel(parts: impl IntoIterator<Item = f64>) -> f64 {
    1.0 - parts.into_iter().map(|a| 1.0 - a).product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64, by: f64) -> bool {
        (a - b).abs() <= by * b.abs()
    }

    #[test]
    fn three_failures_in_ten_thousand_hours_give_the_known_interval() {
        let (low, high) = interval(10_000.0, 3, Truncated::ByTime, 0.9);
        assert!((low.unwrap() - 1289.7).abs() < 0.05, "{low:?}");
        assert!((high.unwrap() - 12_229.6).abs() < 0.05, "{high:?}");
        assert_eq!(mean(10_000.0, 3), Some(10_000.0 / 3.0));
    }

    #[test]
    fn without_a_failure_there_is_a_lower_end_and_no_mean() {
        // χ²(0.95; 2) = −2 ln 0.05.
        let (low, high) = interval(10_000.0, 0, Truncated::ByTime, 0.9);
        assert!(close(low.unwrap(), 10_000.0 / -(0.05f64.ln()), 1e-9));
        assert_eq!((high, mean(10_000.0, 0)), (None, None));
        assert_eq!(interval(1.0, 0, Truncated::ByEvent, 0.9), (None, None));
    }

    proptest! {
        #[test]
        fn an_interval_is_around_the_mean_and_narrows_with_events(
            total in 1.0f64..1e9, events in 1u64..5000, confidence in 0.5f64..0.99,
        ) {
            for truncated in [Truncated::ByTime, Truncated::ByEvent] {
                let (low, high) = interval(total, events, truncated, confidence);
                let (low, high, mean) = (low.unwrap(), high.unwrap(), mean(total, events).unwrap());
                prop_assert!(0.0 < low && low < mean * 1.01 && mean < high * 1.5 && low < high);
                let (more_low, more_high) = interval(total * 2.0, events * 2, truncated, confidence);
                prop_assert!(more_high.unwrap() / more_low.unwrap() < high / low);
            }
        }

        /// The sum of the Poisson terms is another way to the same distribution.
        #[test]
        fn a_quantile_has_the_probability_it_was_asked_for(events in 1u64..60, p in 0.01f64..0.99) {
            let half = chi_square(p, events).unwrap() / 2.0;
            let mut term = (-half).exp();
            let mut below = 0.0;
            for n in 0..events {
                below += term;
                term *= half / (n + 1) as f64;
            }
            prop_assert!(((1.0 - below) - p).abs() < 1e-6);
        }

        #[test]
        fn more_parts_in_series_are_worse_and_in_parallel_better(
            parts in proptest::collection::vec(0.0f64..1.0, 1..8), one in 0.0f64..1.0,
        ) {
            let more = || parts.iter().copied().chain([one]);
            prop_assert!(series(more()) <= series(parts.iter().copied()) + 1e-12);
            prop_assert!(parallel(more()) >= parallel(parts.iter().copied()) - 1e-12);
        }
    }
}
