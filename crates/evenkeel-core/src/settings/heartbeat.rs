//! What is expected of an endpoint that says by itself that it lives.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number with three decimals, kept in thousandths so that two configurations can be compared exactly.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Decimal(pub u32);

impl Decimal {
    /// `n` wholes.
    pub const fn whole(n: u32) -> Decimal {
        Decimal(n.saturating_mul(1000))
    }
    /// As a number.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

/// `[pool.NAME.heartbeat]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatSettings {
    /// Between two beats, unless the sender says another one with its beats.
    pub interval: Duration,
    /// A name from [`DETECTORS`](crate::detect::DETECTORS).
    #[serde(deserialize_with = "crate::detect::known_name")]
    pub detector: crate::registry::Name,
    /// Of `phi`: so unlikely must a silence be, as a power of ten.
    pub threshold: Decimal,
    /// Of `fixed`: so late may a beat be.
    pub timeout: Duration,
}

impl Default for HeartbeatSettings {
    /// Every second: cheap, and a crash is still seen before a person notices. Threshold 8 (Hayashibara et al.; also
    /// Akka's and Cassandra's): were jitter normal, one silence in 10^8 would be a mistake. A fixed time-out of two
    /// intervals lets one beat be lost.
    fn default() -> Self {
        HeartbeatSettings {
            interval: Duration::from_secs(1),
            detector: "phi",
            threshold: Decimal::whole(8),
            timeout: Duration::from_secs(2),
        }
    }
}
