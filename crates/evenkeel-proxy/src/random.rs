//! Identifiers that need not be secret but must not repeat: request ids, trace ids, span ids.
//!
//! SplitMix64 (Steele, Lea, Flood 2014): every output once in 2^64, one addition and a mix each.

use std::cell::Cell;

/// A stream of its own for each worker.
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(Cell::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn next_wide(&self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}
