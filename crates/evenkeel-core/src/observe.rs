//! What the data plane saw go wrong, as data: the bounded queue from proxy to control carries these.

use serde::{Deserialize, Serialize};

use crate::id::{EndpointId, PathId};
use crate::time::Time;

/// How a try at an endpoint failed. The layer is part of the name, as in HAProxy's L4TOUT and L7STS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// The connection was refused.
    Connect,
    /// There is no way there: no route, host or network unreachable.
    Unreachable,
    /// No connection within `connect_timeout`.
    ConnectTimeout,
    /// The connection ended before the answer did.
    Reset,
    /// No answer's head within `per_try_timeout` or the route's `timeout`.
    Timeout,
    /// The answer was not HTTP.
    Garbage,
    /// The endpoint itself answered 502, 503 or 504, or 500 where that counts.
    Status(u16),
    /// The connection was there, but TLS on it did not come about. Nothing of the request was written.
    Tls(TlsFailure),
}

/// How far a probe got, which is what tells a fault of the way from one of the endpoint, and both from one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Contact {
    /// Something of the endpoint's machine came back: an answer, a connection, or the refusal of one.
    Answered,
    /// Connected, and then nothing within the time.
    TimedOut,
    /// No connection within the time.
    Silent,
    /// There is no way to the machine: no route, host or network unreachable.
    NoWay,
}

impl Contact {
    /// Did anything of the machine come back?
    pub const fn reached(self) -> bool {
        matches!(self, Contact::Answered | Contact::TimedOut)
    }
    /// Was it time that ran out? Then a listener that slept may have missed the answer.
    pub const fn ran_out(self) -> bool {
        matches!(self, Contact::TimedOut | Contact::Silent)
    }
}

/// Why TLS with an endpoint did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsFailure {
    /// Its certificate is past its time.
    Expired,
    /// Its certificate's time has not come.
    NotYetValid,
    /// Its certificate was made for another name.
    WrongName,
    /// None of the authorities that are trusted signed its certificate.
    UnknownIssuer,
    /// Something else is wrong with its certificate.
    Untrusted,
    /// It refused us by an alert, as it does when it wants a client certificate of another authority.
    Refused,
    /// It closed the connection.
    Closed,
    /// What it said was not TLS, or not as TLS goes; or it spoke before it was spoken to.
    Protocol,
}

impl FailureKind {
    /// The word for people, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            FailureKind::Connect => "connection refused",
            FailureKind::Unreachable => "unreachable",
            FailureKind::ConnectTimeout => "connect timeout",
            FailureKind::Reset => "connection reset",
            FailureKind::Timeout => "response timeout",
            FailureKind::Garbage => "garbage",
            FailureKind::Status(500) => "status 500",
            FailureKind::Status(502) => "status 502",
            FailureKind::Status(503) => "status 503",
            FailureKind::Status(504) => "status 504",
            FailureKind::Status(_) => "error status",
            FailureKind::Tls(TlsFailure::Expired) => "certificate not trusted: expired",
            FailureKind::Tls(TlsFailure::NotYetValid) => "certificate not trusted: not yet valid",
            FailureKind::Tls(TlsFailure::WrongName) => "certificate not trusted: another name",
            FailureKind::Tls(TlsFailure::UnknownIssuer) => {
                "certificate not trusted: unknown issuer"
            }
            FailureKind::Tls(TlsFailure::Untrusted) => "certificate not trusted",
            FailureKind::Tls(TlsFailure::Refused) => "TLS refused by the endpoint",
            FailureKind::Tls(TlsFailure::Closed) => "closed in the TLS handshake",
            FailureKind::Tls(TlsFailure::Protocol) => "not TLS",
        }
    }
}

/// One failed try, reported by the worker that saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose.
    pub endpoint: EndpointId,
    /// Over which of its addresses.
    pub path: PathId,
    /// How.
    pub kind: FailureKind,
    /// How many failed in a row with this one, over all workers.
    pub run: u32,
    /// When it was seen.
    pub at: Time,
}
