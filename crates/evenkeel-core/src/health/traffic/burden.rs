//! What failing fast must not earn: work.
//!
//! A policy that looks at requests in flight takes an endpoint that fails at once for an idle one. With 30 % of instant errors
//! an endpoint has 30 % less in flight, and least requests gives it 1.43 times the others' share until it evens out. So what
//! it has in flight is counted as what it would be were each failure as slow as an answer: times 1/(1 − f). That
//! gives back exactly its share, and costs the pick a multiplication.
//!
//! Only from one failure in ten on: below, the difference is lost in the noise, and an endpoint must not lose all ties of an
//! idle pool to its peers for one error. Where all fail alike all are multiplied alike, and nothing changes.

use super::window::Counts;

/// Nothing is added: thousandths.
pub const NO_BURDEN: u32 = 1000;
/// Fewer failures are an accident.
const FAILURES_MIN: u64 = 5;
/// From this share of failures on.
const RATE_MIN: f64 = 0.1;
/// An endpoint of which nine in ten requests fail; more makes no difference any more.
const RATE_MAX: f64 = 0.9;

/// How much heavier each request in flight counts after these failures, in thousandths, in steps of a twentieth so that it does
/// not change with every one.
pub fn burden(counts: Counts) -> u32 {
    let rate = counts.rate();
    if counts.failures < FAILURES_MIN || rate < RATE_MIN {
        return NO_BURDEN;
    }
    let whole = 1.0 / (1.0 - rate.min(RATE_MAX));
    (whole * 20.0).round() as u32 * (NO_BURDEN / 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_weighs_as_if_it_had_been_answered() {
        let of = |failures, requests| burden(Counts { requests, failures });
        assert_eq!(of(0, 1000), 1000);
        assert_eq!(of(4, 4), 1000);
        assert_eq!(of(9, 100), 1000);
        assert_eq!(of(30, 100), 1450);
        assert_eq!(of(50, 100), 2000);
        assert_eq!(of(100, 100), 10_000);
    }
}
