//! Who else is on an endpoint's machine: its story by lot, the same for every policy.
//!
//! Either the machine is full, and the endpoint has what is allotted to it and no more; or something is spare, and it may use that
//! too. Which, for how long, and how much is spare, is drawn anew at each turn.

use evenkeel_core::rng::Rng;

use super::lots::{exponential, unit};
use super::scenario::{Antagonist, Scenario};
use super::to_ns;

/// The story of one.
#[derive(Debug)]
pub(super) struct Story {
    of: Antagonist,
    rng: Rng,
}

/// Those of a scenario's endpoints, for each one or none.
pub(super) fn stories(scenario: &Scenario, seed: u64) -> Vec<Option<Story>> {
    let kinds = scenario.endpoints.iter();
    let of = kinds.flat_map(|kind| (0..kind.count).map(move |_| kind.antagonist));
    let story = |(endpoint, of): (usize, Option<Antagonist>)| {
        of.map(|antagonist| Story::new(antagonist, seed, endpoint))
    };
    of.enumerate().map(story).collect()
}

impl Story {
    fn new(of: Antagonist, seed: u64, endpoint: usize) -> Story {
        let rng = Rng::new(seed).stream("antagonists");
        Story {
            of,
            rng: rng.stream(&endpoint.to_string()),
        }
    }

    /// How many times its own cores the endpoint has from now on, and for how many nanoseconds.
    pub(super) fn turn(&mut self) -> (f64, u64) {
        let Antagonist {
            full_share,
            full_s,
            spare: [from, to],
            level_s,
        } = self.of;
        // A turn is full so often that the time is as wanted, though the two last differently long.
        let (full, loose) = (full_share / full_s, (1.0 - full_share) / level_s);
        let is_full = unit(&mut self.rng) < full / (full + loose);
        let spare = from + (to - from) * unit(&mut self.rng);
        let mean = if is_full { full_s } else { level_s };
        let lasts = to_ns(exponential(mean, &mut self.rng)).max(1_000_000);
        (if is_full { 1.0 } else { 1.0 + spare }, lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_full_as_long_as_wanted_and_has_as_much_to_spare() {
        let of = Antagonist {
            full_share: 0.2,
            full_s: 20.0,
            spare: [0.5, 2.5],
            level_s: 0.5,
        };
        let mut story = Story::new(of, 3, 0);
        let (mut full, mut area, mut all) = (0.0, 0.0, 0.0);
        for _ in 0..400_000 {
            let (times, lasts) = story.turn();
            let lasts = lasts as f64;
            full += if times == 1.0 { lasts } else { 0.0 };
            area += times * lasts;
            all += lasts;
        }
        assert!((full / all - 0.2).abs() < 0.02, "{}", full / all);
        assert!(
            (area / all - (0.2 + 0.8 * 2.5)).abs() < 0.04,
            "{}",
            area / all
        );
    }
}
