//! Means that forget: each observation counts for less as time goes by, whether others come or not.

use crate::time::Time;

/// Of a [`Moment`], in seconds: 2^24 nanoseconds.
const TICK: f32 = 0.016_777_216;

/// Moments in sixtieths of a second or so: what is remembered for seconds need not be known to the nanosecond, and four bytes
/// last for two years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment(u32);

impl Moment {
    pub(super) fn of(time: Time) -> Moment {
        Moment((time.as_nanos() >> 24) as u32)
    }

    /// Which of the turns of so many seconds it is in, by the clock.
    pub(super) fn turn(self, seconds: f32) -> u32 {
        self.0 / ((seconds / TICK) as u32).max(1)
    }

    /// So many seconds at least, whatever part of a moment each of the two was.
    pub(super) fn since_surely(self, earlier: Moment) -> f32 {
        (self.since(earlier) - TICK).max(0.0)
    }

    /// In seconds.
    pub(super) fn since(self, earlier: Moment) -> f32 {
        // It goes round after two years; what is older than one lies ahead by this reckoning.
        let ticks = self.0.wrapping_sub(earlier.0);
        match ticks < 1 << 31 {
            true => ticks as f32 * TICK,
            false => 0.0,
        }
    }
}

/// What is left of something after so many seconds if it fades with this time constant: e^(-x) but for 3 % of the whole, by the
/// first terms of 1/e^x, at a third of its price.
pub(super) fn left(seconds: f32, tau: f32) -> f32 {
    let x = seconds / tau;
    1.0 / (1.0 + x * (1.0 + x * (0.5 + x / 6.0)))
}

/// A mean, and how many observations are left in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    weight: f32,
    value: f32,
    at: Moment,
}

impl Mean {
    pub(super) fn observe(&mut self, x: f32, now: Moment, tau: f32) {
        self.weigh(x, 1.0, now, tau);
    }

    /// One that counts for so much of an observation.
    pub(super) fn weigh(&mut self, x: f32, weight: f32, now: Moment, tau: f32) {
        self.weight = self.weight(now, tau) + weight;
        self.value += (x - self.value) * weight / self.weight;
        self.at = now;
    }

    pub(super) fn value(&self) -> f32 {
        self.value
    }

    /// Observations that are left.
    pub(super) fn weight(&self, now: Moment, tau: f32) -> f32 {
        match self.weight > 0.0 {
            true => self.weight * left(now.since(self.at), tau),
            false => 0.0,
        }
    }

    /// How far it is from what was expected, drawn to nothing as long as it knows less than `few` observations.
    pub(super) fn apart(&self, expected: f32, few: f32, now: Moment, tau: f32) -> f32 {
        let weight = self.weight(now, tau);
        (self.value - expected) * weight / (weight + few)
    }
}

/// A mean and how far observations scatter about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scatter {
    mean: Mean,
    squares: f32,
}

impl Scatter {
    pub(super) fn observe(&mut self, x: f32, now: Moment, tau: f32) {
        self.weigh(x, 1.0, now, tau);
    }

    /// One that counts for so much of an observation.
    pub(super) fn weigh(&mut self, x: f32, weight: f32, now: Moment, tau: f32) {
        let kept = self.mean.weight(now, tau);
        let before = self.mean.value;
        self.mean.weigh(x, weight, now, tau);
        let new = weight * (x - before) * (x - self.mean.value);
        self.squares = (self.squares * kept + new) / self.mean.weight;
    }

    pub(super) fn weight(&self, now: Moment, tau: f32) -> f32 {
        self.mean.weight(now, tau)
    }

    /// So much is left of what was observed: things have changed.
    pub(super) fn forget(&mut self, left: f32) {
        self.mean.weight *= left;
    }

    pub(super) fn value(&self) -> f32 {
        self.mean.value
    }

    /// The variance of the mean.
    pub(super) fn doubt(&self, now: Moment, tau: f32) -> f32 {
        self.squares / self.weight(now, tau).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Moment {
        Moment::of(Time::from_millis(s * 1000))
    }

    #[test]
    fn what_fades_fades_as_it_should() {
        for x in [0.0_f32, 0.1, 0.5, 1.0, 2.0, 5.0] {
            assert!((left(x * 7.0, 7.0) - (-x).exp()).abs() < 0.03, "{x}");
        }
    }

    #[test]
    fn a_mean_follows_what_comes_and_knows_less_as_time_goes_by() {
        let mut mean = Mean::default();
        (0..100).for_each(|_| mean.observe(3.0, at(10), 60.0));
        assert_eq!((mean.value(), mean.weight(at(10), 60.0)), (3.0, 100.0));
        assert!((mean.weight(at(70), 60.0) - 36.8).abs() < 2.0);
        assert!((mean.apart(1.0, 10.0, at(10), 60.0) - 2.0 * 100.0 / 110.0).abs() < 1e-4);
        assert!(mean.apart(1.0, 10.0, at(1000), 60.0) < 0.3);
    }

    #[test]
    fn the_scatter_of_dice_is_that_of_dice() {
        let mut scatter = Scatter::default();
        (0..6000).for_each(|n: u16| scatter.observe(f32::from(n % 6 + 1), at(1), 60.0));
        assert!((scatter.value() - 3.5).abs() < 0.01);
        assert!((scatter.doubt(at(1), 60.0) * 6000.0 - 35.0 / 12.0).abs() < 0.01);
    }
}
