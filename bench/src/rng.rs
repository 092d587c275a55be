//! Random numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014), so that every proxy of a round meets the same arrivals and
//! the same work, and a run can be made again.

/// A stream of them.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The one of this seed.
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly from 0 up to, and without, 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential with mean 1: what lies between two events that know nothing of each other.
    pub(crate) fn exponential(&mut self) -> f64 {
        -(1.0 - self.share()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_right_and_a_seed_tells_the_same_again() {
        let mut rng = Rng::new(7);
        let (mut even, mut exponential) = (0.0, 0.0);
        for _ in 0..100_000 {
            even += rng.share() / 1e5;
            exponential += rng.exponential() / 1e5;
        }
        assert!((even - 0.5).abs() < 0.01 && (exponential - 1.0).abs() < 0.02);
        assert_eq!(Rng::new(3).share(), Rng::new(3).share());
        assert_ne!(Rng::new(3).share(), Rng::new(4).share());
    }
}
