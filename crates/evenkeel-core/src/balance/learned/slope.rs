//! How much of what was seen is to be believed: learned from how well it foretold what came next.
//!
//! An endpoint's mean lies apart from everybody's because it is different, or by chance. If by chance, the next observation does
//! not lie there too. So each deviation is held against the rest of the observation that came *after* it was known
//! (Dawid 1984, prequential), and the regression of one on the other is the share of it to believe: 1 if endpoints really
//! differ and are well known, 0 if all is noise. It is what empirical Bayes shrinkage computes from variances (Efron and Morris,
//! Stein's paradox, 1977), without having to assume that observations are independent, which waiting times are not.

use super::mean::{Moment, left};

/// Two minutes: long against the seconds in which things are observed, short against a day's changes.
const TAU: f32 = 120.0;
/// So many squared standard errors a slope has to be from nothing before anything of it is believed.
const DOUBT: f32 = 4.0;

/// The regression of what came on what was seen before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slope {
    both: f32,
    seen: f32,
    came: f32,
    weight: f32,
    at: Moment,
    /// What to believe, as of the last observation.
    value: f32,
}

impl Slope {
    /// `seen` before, `came` after; it counts for so much of an observation.
    pub(super) fn learn(&mut self, seen: f32, came: f32, weight: f32, now: Moment) {
        let left = left(now.since(self.at), TAU);
        self.at = now;
        self.both = self.both * left + weight * seen * came;
        self.seen = self.seen * left + weight * seen * seen;
        self.came = self.came * left + weight * came * came;
        self.weight = self.weight * left + weight;
        self.value = self.computed();
    }

    fn computed(&self) -> f32 {
        if self.both <= 0.0 {
            return 0.0;
        }
        // The squared t of the slope, and of it the part beyond what chance makes (positive-part James-Stein).
        let errors = self.both * self.both / self.seen / self.came * self.weight;
        let sure = 1.0 - DOUBT / errors;
        (self.both / self.seen * sure).clamp(0.0, 1.0)
    }

    /// The share to believe, 0 to 1.
    pub(super) fn value(&self) -> f32 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::time::Time;

    fn learn(truth: f32) -> f32 {
        let mut rng = Rng::new(5);
        let mut slope = Slope::default();
        let mut noise = move || rng.below(2001) as f32 / 1000.0 - 1.0;
        for n in 0..5000 {
            let seen = noise();
            let at = Moment::of(Time::from_millis(n * 10));
            slope.learn(seen, truth * seen + noise(), 1.0, at);
        }
        slope.value()
    }

    #[test]
    fn what_foretells_is_believed_and_noise_is_not() {
        assert!((learn(0.7) - 0.7).abs() < 0.1, "{}", learn(0.7));
        assert!(learn(0.0) < 0.02, "{}", learn(0.0));
        assert_eq!(learn(-0.5), 0.0);
        assert!(learn(3.0) <= 1.0);
    }
}
