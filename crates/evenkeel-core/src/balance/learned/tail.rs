//! The time that one answer in a hundred exceeds, followed answer by answer with nothing kept but itself.
//!
//! Each answer moves it a little: up if it took longer, and a ninety-ninth of that down if not, so that it rests where one in a
//! hundred takes longer (Robbins and Monro, A stochastic approximation method, 1951), by shares of itself, since nobody knows
//! beforehand whether it is milliseconds or minutes.

/// What part of the answers takes longer.
pub(super) const PART: f32 = 0.01;
/// How far it moves up: with a tail like that of waiting lines it is known within 7 % and follows in some hundred answers.
const STEP: f32 = 0.05;
/// The first steps are longer, and shorter by and by.
const FIRST: f32 = 20.0;

/// Where it is now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    seen: f32,
    value: f32,
}

impl Tail {
    /// An answer took so long.
    pub(super) fn observe(&mut self, took: f32) {
        if self.seen == 0.0 {
            self.value = took;
        }
        self.seen += 1.0;
        let step = (FIRST / self.seen).clamp(STEP, 1.0);
        let to = if took > self.value { 1.0 - PART } else { -PART };
        self.value *= 1.0 + step * to;
    }

    /// What one in a hundred exceeds.
    pub(super) fn value(&self) -> f32 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn one_in_a_hundred_takes_longer_whatever_the_unit_and_after_a_change_too() {
        for unit in [0.001, 1.0, 60.0] {
            let (mut tail, mut rng) = (Tail::default(), Rng::new(4));
            for times in [1.0, 5.0, 0.5] {
                // Exponential: a hundredth takes longer than ln 100 means.
                let mut took = || -(rng.below(1_000_000) as f32 + 1.0).log10() + 6.0;
                let mut draw = || took() * std::f32::consts::LN_10 * unit * times;
                (0..20_000).for_each(|_| tail.observe(draw()));
                let slow = (0..50_000).filter(|_| draw() > tail.value()).count();
                assert!((250..1000).contains(&slow), "{unit} × {times}: {slow}");
            }
        }
    }
}
