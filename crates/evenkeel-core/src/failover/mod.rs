//! Who takes over when somebody cannot serve, and how one comes back: tiers, zones, ramp, hold; and by which of its addresses an
//! endpoint is reached.

pub mod hold;
pub mod path;
pub mod ramp;
pub mod tiers;
pub mod zones;
