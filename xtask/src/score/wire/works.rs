//! What endpoints do with a request. Eight servers with four workers each and a queue before them; a request takes a worker 5 ms
//! on average, and ten times that at the last server. Timers stand for the work, so that all of them fit on a part of a core.
//!
//! The load is 60 % of what all of them can do together, in the middle of what such fleets are run at. The fast ones could carry it without
//! the slow one, with short queues: so p99 shows how often a policy asks the slow one nevertheless. Near all they can do, the
//! queues before all of them would rule it whatever the policy.

/// How much slower the last endpoint is.
pub(super) const SLOW_TIMES: u32 = 10;
/// Milliseconds of a worker, on average.
pub(super) const SERVICE_MS: f64 = 5.0;

/// One kind.
pub(super) struct Work {
    pub(super) name: &'static str,
    /// In the program's words.
    spread: &'static str,
    pub(super) shows: &'static str,
    pub(super) endpoints: usize,
    at_once: u32,
    /// Of what all can do.
    pub(super) load: f64,
    /// The most that the best of ours may have as p99, as a share of the best of the others.
    pub(super) p99_max: Option<f64>,
}

/// All of them.
pub(super) const WORKS: &[Work] = &[
    Work {
        name: "even",
        spread: "even",
        shows: "a request takes between a half and one and a half of the mean",
        endpoints: 8,
        at_once: 4,
        load: 0.6,
        p99_max: Some(0.5),
    },
    Work {
        name: "exponential",
        spread: "exponential",
        shows: "times are exponential: a hundredth of all requests takes 4.6 times the mean at a fast server too, below which no policy can bring p99",
        endpoints: 8,
        at_once: 4,
        load: 0.6,
        p99_max: None,
    },
];

impl Work {
    /// Requests a second.
    pub(super) fn rate(&self) -> f64 {
        let one = f64::from(self.at_once) * 1e3 / SERVICE_MS;
        let all = one * ((self.endpoints - 1) as f64 + 1.0 / f64::from(SLOW_TIMES));
        all * self.load
    }

    /// How endpoints are told.
    pub(super) fn arguments(&self, seed: u64) -> Vec<String> {
        [
            ("--service-ms", SERVICE_MS.to_string()),
            ("--spread", self.spread.to_owned()),
            ("--at-once", self.at_once.to_string()),
            ("--slow", SLOW_TIMES.to_string()),
            ("--seed", seed.to_string()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_a_share_of_what_all_can_do() {
        // Seven of 800 a second and one of 80.
        assert!((WORKS[0].rate() - 0.6 * 5680.0).abs() < 1e-6);
    }
}
