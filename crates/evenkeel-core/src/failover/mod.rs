//! Who takes over when somebody cannot serve, and how one comes back: tiers, ramp, hold.

pub mod hold;
pub mod ramp;
pub mod tiers;
