//! What a node knows of its own faults: it could not run, reach, or store; or its balancer died.

use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// [`Status::own`](super::Status::own): what the node knows of its own faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnStatus {
    /// Why it is taken to reach nobody; `null` = it reaches somebody, or has no other machine to reach.
    pub alone: Option<String>,
    /// Since when.
    pub alone_since: Option<Stamp>,
    /// Times the balancer itself did not run for a while, since it began.
    pub pauses: u64,
    /// Of those, the newest: when it ended.
    pub paused_last: Option<Stamp>,
    /// And how long it was.
    pub paused_last_ms: Option<u64>,
    /// All of them together.
    pub paused_ms: u64,
    /// Why what should be kept cannot be stored; `null` = it can.
    #[serde(default)]
    pub store: Option<String>,
    /// Since when.
    #[serde(default)]
    pub store_since: Option<Stamp>,
    /// Balancers of this keeper that died and were replaced; `null` = this is its first.
    #[serde(default)]
    pub replaced: Option<ReplacedStatus>,
}

/// [`OwnStatus::replaced`]. It goes back to when the keeper began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedStatus {
    /// How often.
    pub times: u64,
    /// When the last of them ended.
    pub last: Option<Stamp>,
    /// How it ended.
    pub why: Option<String>,
    /// Services that ran on meanwhile, and are the present one's.
    pub adopted: u32,
}
