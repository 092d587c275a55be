//! The balancer's own zone, as a pool sees it.

use serde::{Deserialize, Serialize};

/// [`PoolStatus::zone`](super::PoolStatus::zone).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneStatus {
    /// `node.zone`.
    pub name: String,
    /// What of the traffic goes to endpoints there by lot, in percent; sessions stay where they are, and who is full is passed over.
    pub stays: f64,
}
