//! What the data plane saw go wrong, as data: the bounded queue from proxy to control carries these.

use crate::id::EndpointId;
use crate::time::Time;

/// How a try at an endpoint failed. The layer is part of the name, as in HAProxy's L4TOUT and L7STS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// The connection was refused or could not be routed.
    Connect,
    /// No connection within `connect_timeout`.
    ConnectTimeout,
    /// The connection ended before the answer did.
    Reset,
    /// No answer's head within `per_try_timeout` or the route's `timeout`.
    Timeout,
    /// The answer was not HTTP.
    Garbage,
    /// The endpoint itself answered 502, 503 or 504.
    Status(u16),
}

impl FailureKind {
    /// The word for people, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            FailureKind::Connect => "connection refused",
            FailureKind::ConnectTimeout => "connect timeout",
            FailureKind::Reset => "connection reset",
            FailureKind::Timeout => "response timeout",
            FailureKind::Garbage => "garbage",
            FailureKind::Status(502) => "status 502",
            FailureKind::Status(503) => "status 503",
            FailureKind::Status(504) => "status 504",
            FailureKind::Status(_) => "error status",
        }
    }
}

/// One failed try, reported by the worker that saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose.
    pub endpoint: EndpointId,
    /// How.
    pub kind: FailureKind,
    /// How many failed in a row with this one, over all workers.
    pub run: u32,
    /// When it was seen.
    pub at: Time,
}
