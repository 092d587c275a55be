//! What a pool is expected to be.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A share near to one, in parts of a billion: a [`Share`](super::Share) ends at 99.99 %, and people promise more nines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nines(pub u32);

impl Nines {
    /// All of it.
    pub const WHOLE: u32 = 1_000_000_000;

    /// What may be missing, in parts of a billion.
    pub const fn budget_ppb(self) -> u32 {
        Nines::WHOLE.saturating_sub(self.0)
    }
    /// As a number from 0 to 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(Nines::WHOLE)
    }
}

/// `[pool.NAME.objective]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectiveSettings {
    /// How much of the time, and of the requests, is to be good; less than all.
    pub availability: Nines,
    /// Over this long, sliding.
    pub window: Duration,
}

impl Default for ObjectiveSettings {
    /// Three nines over 30 days, 43 minutes a month: the example the SRE workbook's alert thresholds were made for, and what
    /// one machine with restarts can keep.
    fn default() -> Self {
        ObjectiveSettings {
            availability: Nines(999_000_000),
            window: Duration::from_secs(30 * 86_400),
        }
    }
}
