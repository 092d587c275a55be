//! Randomness as data: one seed, and from it as many independent streams as there are users, each found by its name.
//!
//! xoshiro256++ (Blackman and Vigna 2019): about a nanosecond a number. A stream's own seed is a hash of the parent's seed
//! and the name, so that a new user of randomness never shifts the numbers of the others, and a run replays from its seed.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// A seeded generator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rng {
    seed: u64,
    inner: Xoshiro256PlusPlus,
}

impl Rng {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Rng {
        Rng {
            seed,
            inner: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// The stream of this name. It does not depend on how many numbers were already drawn from `self`.
    pub fn stream(&self, name: &str) -> Rng {
        // FNV-1a: enough to tell names apart; the generator's own seeding mixes the bits.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ self.seed;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Rng::new(hash ^ self.seed.rotate_left(32))
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.inner.next_u64()
    }

    /// One of `0..n`; 0 if `n` is 0. Multiply-shift (Lemire 2019) without the rejection: the bias is below n/2⁶⁴.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }

    /// One of `0..n` as an index; 0 if `n` is 0.
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// True `n` times in `of`.
    pub fn chance(&mut self, n: u64, of: u64) -> bool {
        self.below(of) < n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_streams_do_not_depend_on_draws() {
        let mut a = Rng::new(7);
        let mut b = Rng::new(7);
        let early = a.stream("x").draw();
        assert!((0..100).all(|_| a.draw() == b.draw()));
        assert_eq!(early, a.stream("x").draw());
        assert_ne!(early, a.stream("y").draw());
        assert_ne!(early, Rng::new(8).stream("x").draw());
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let mut rng = Rng::new(1);
        let mut seen = [0_u32; 7];
        for _ in 0..7000 {
            seen[rng.index(7)] += 1;
        }
        assert!(seen.iter().all(|&n| (800..1200).contains(&n)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }
}
