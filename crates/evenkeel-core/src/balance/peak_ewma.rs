//! Peak EWMA (Finagle): two endpoints by lot, and of these the one with the smaller *expected wait*: what its answers take,
//! times what would be in flight (per weight, of which the average is 1).
//!
//! The time is a moving average that follows a slower answer at once and a faster one slowly (τ = 10 s), so an endpoint that
//! becomes slow loses its work with its first slow answer. Untouched it fades to nothing in the same way, so that one that
//! was slow is asked again. A failed try counts as [`PENALTY`](super::ended::PENALTY), never as the short time it took.
//!
//! Each worker has its own averages, from its own answers; what is in flight is known of all workers together.

use std::time::Duration;

use super::{Ask, Candidate, Ended, Entry, Group, Kept, Policy, draw};
use crate::registry::Part;
use crate::rng::Rng;
use crate::time::Time;

pub(super) const ENTRY: Entry = Entry {
    learns: true,
    ..Entry::plain(
        Part {
            name: "peak_ewma",
            summary: "two endpoints by lot, the one with the smaller product of answer time (peaks at once, then fading) and requests in flight",
            settings: &[],
        },
        |_| Box::new(PeakEwma::default()),
    )
};

/// Finagle's default: long enough to remember a slow phase, short enough to forgive it within a minute.
pub(super) const TAU: Duration = Duration::from_secs(10);
/// What somebody with requests in flight and no answer yet counts as, in nanoseconds: more than any answer, so that a new
/// endpoint is tried by one request and not by all (Finagle).
const UNSEEN: f64 = 1e12;

/// The part that is left of something after this long.
pub(super) fn left(since: Time, now: Time) -> f64 {
    (-(now.since(since).as_secs_f64() / TAU.as_secs_f64())).exp()
}

/// What an endpoint's answers take, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    ns: f64,
    at: Time,
}

impl Cost {
    fn observe(&mut self, ns: f64, now: Time) {
        let faded = self.ns * left(self.at, now);
        self.ns = match ns > self.ns {
            true => ns,
            false => faded + ns * (1.0 - left(self.at, now)),
        };
        self.at = now;
    }

    /// The expected wait of one more request after these per weight.
    fn wait(&self, in_flight: f64, now: Time) -> f64 {
        let ns = self.ns * left(self.at, now);
        match ns < 1.0 && in_flight > 0.0 {
            true => UNSEEN + in_flight,
            false => ns.max(1.0) * (in_flight + 1.0),
        }
    }
}

#[derive(Debug, Default)]
struct PeakEwma {
    costs: Kept<Cost>,
}

impl Policy for PeakEwma {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let one = draw::weighted(group, ask, None, rng)?;
        let Some(other) = draw::weighted(group, ask, Some(one), rng) else {
            return Some(one);
        };
        let [a, b] = [one, other].map(|position| {
            let candidate = &group.candidates()[position];
            self.costs[position].wait(ask.in_flight_each(group, candidate), ask.now())
        });
        Some(if b < a { other } else { one })
    }

    fn ended(&mut self, position: usize, how: &Ended) {
        let known = &mut self.costs[position];
        if let Some(cost) = how.cost(known.ns * left(known.at, how.at)) {
            known.observe(cost, how.at);
        }
    }

    fn rebuilt(&mut self, before: &[Candidate], after: &Group, _: &mut Rng) {
        self.costs.rebuilt(before, after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_slowly() {
        let mut cost = Cost::default();
        cost.observe(1e6, at(1000));
        cost.observe(9e6, at(1001));
        assert_eq!(cost.ns, 9e6);
        // After τ, e⁻¹ of the old and the rest of the new.
        cost.observe(1e6, at(11_001));
        let expected = 9e6 * (-1.0_f64).exp() + 1e6 * (1.0 - (-1.0_f64).exp());
        assert!((cost.ns - expected).abs() < 1.0, "{}", cost.ns);
    }

    #[test]
    fn whoever_was_never_heard_is_tried_by_one_request_and_not_by_two() {
        let (mut seen, new) = (Cost::default(), Cost::default());
        seen.observe(5e6, at(1000));
        assert!(new.wait(0.0, at(1000)) < seen.wait(0.0, at(1000)));
        assert!(new.wait(1.0, at(1000)) > seen.wait(100.0, at(1000)));
    }
}
