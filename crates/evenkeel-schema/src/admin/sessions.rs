//! Sessions as the admin API shows them.

use serde::{Deserialize, Serialize};

/// [`PoolStatus::sessions`](super::PoolStatus::sessions): how clients are known again. Counts but `live` are since the balancer began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsStatus {
    /// By what: `cookie:NAME`, `header:NAME`, `query:NAME`, `jwt:CLAIM` or `source_ip`.
    pub by: String,
    /// So long after its last request a session is over, in seconds.
    pub ttl_s: u64,
    /// Sessions that are not over and of which the balancer has seen a request since it began.
    pub live: u64,
    /// Sessions that began.
    pub begun: u64,
    /// Requests that came with a session and were served where that was.
    pub kept: u64,
    /// Times a session went to another endpoint because its own could not serve.
    pub moved: u64,
    /// Times a session went back.
    pub returned: u64,
    /// Requests with a cookie that the pool did not make, or a token that nobody signed who should have, which was ignored.
    pub forged: u64,
    /// Requests with one that was too old.
    pub expired: u64,
    /// Of those that are kept here (not by a cookie): how many are stored and survive a restart. What a process was told in its last
    /// seconds is stored when it ends in order.
    pub stored: u64,
    /// In file order.
    pub endpoints: Vec<EndpointSessions>,
}

/// One of [`SessionsStatus::endpoints`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSessions {
    /// The endpoint's name.
    pub name: String,
    /// Sessions that are there.
    pub sessions: u64,
}
