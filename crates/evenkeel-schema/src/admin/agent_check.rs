//! What an endpoint's agent says, as the admin API shows it.

use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// [`EndpointStatus::agent_check`](super::EndpointStatus::agent_check).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCheckStatus {
    /// The line that was read last.
    pub line: Option<String>,
    /// When.
    pub heard: Option<Stamp>,
    /// Why there is no newer one; absent where there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The share of its weight that it wants, in percent.
    pub percent: Option<u32>,
    /// Requests in flight that it takes at most; 0 = no limit of its own.
    pub maxconn: Option<u32>,
}
