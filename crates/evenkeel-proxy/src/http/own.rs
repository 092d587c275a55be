//! Answers evenkeel makes itself: which status and which word of RFC 9209 stand for what happened.

use evenkeel_core::counters::Reject;
use evenkeel_core::observe::{FailureKind, TlsFailure};

/// Why evenkeel answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) status: u16,
    /// RFC 9209 section 2.3.
    pub(crate) error: &'static str,
    pub(crate) detail: &'static str,
    pub(crate) reject: Reject,
    /// Seconds for `Retry-After`.
    pub(crate) retry_after: Option<u32>,
}

/// A second is about what a failover takes, and long enough not to make things worse.
const RETRY_AFTER_S: u32 = 1;

const fn own(status: u16, error: &'static str, detail: &'static str, reject: Reject) -> Own {
    Own {
        status,
        error,
        detail,
        reject,
        retry_after: if status == 503 {
            Some(RETRY_AFTER_S)
        } else {
            None
        },
    }
}

pub(crate) const NO_ROUTE: Own = own(
    404,
    "destination_not_found",
    "no route fits this request",
    Reject::NoRoute,
);
pub(crate) const NO_ENDPOINT: Own = own(
    503,
    "destination_unavailable",
    "no endpoint is usable",
    Reject::NoEndpoint,
);
pub(crate) const QUEUE_FULL: Own = own(
    503,
    "connection_limit_reached",
    "all endpoints are busy and the queue is full",
    Reject::QueueFull,
);
pub(crate) const QUEUE_TIMEOUT: Own = own(
    503,
    "connection_limit_reached",
    "all endpoints stayed busy for too long",
    Reject::QueueTimeout,
);
pub(crate) const BODY_TOO_LARGE: Own = own(
    413,
    "http_request_error",
    "the body is larger than this route takes",
    Reject::BodyTooLarge,
);
pub(crate) const BODY_TOO_SLOW: Own = own(
    408,
    "http_request_error",
    "the body came too slowly",
    Reject::BodyTooSlow,
);
pub(crate) const HEAD_TOO_SLOW: Own = own(
    408,
    "http_request_error",
    "the head came too slowly",
    Reject::HeadTimeout,
);

pub(crate) const HEAD_ENDED: Own = refused(400, "the connection ended before the head did");
pub(crate) const HEAD_HOPELESS: Own = refused(400, "control byte in the head");
/// `Max-Forwards: 0`. A server need not reflect what it was sent, and one that does not knows no TRACE.
pub(crate) const TRACE_ENDS: Own = refused(501, "TRACE is not served here");

/// A request the engine refused.
pub(crate) const fn refused(status: u16, reason: &'static str) -> Own {
    let reject = if matches!(status, 414 | 431) {
        Reject::HeadTooLarge
    } else {
        Reject::BadRequest
    };
    own(status, "http_request_error", reason, reject)
}

/// A TLS connection made for one virtual host, and a request on it for another with other rules for its clients.
pub(crate) const MISDIRECTED: Own = own(
    421,
    "http_request_error",
    "this connection was not made for that host",
    Reject::Misdirected,
);

/// All tries failed, the last one like this.
pub(crate) const fn failed(kind: FailureKind) -> Own {
    match kind {
        FailureKind::Connect => own(
            502,
            "connection_refused",
            "the endpoint refused the connection",
            Reject::BadGateway,
        ),
        FailureKind::Unreachable => own(
            502,
            "destination_ip_unroutable",
            "there is no way to the endpoint from here",
            Reject::BadGateway,
        ),
        FailureKind::ConnectTimeout => own(
            504,
            "connection_timeout",
            "the endpoint did not take the connection in time",
            Reject::GatewayTimeout,
        ),
        FailureKind::Reset => own(
            502,
            "connection_terminated",
            "the endpoint closed the connection before it answered",
            Reject::BadGateway,
        ),
        FailureKind::Timeout => own(
            504,
            "http_response_timeout",
            "the endpoint did not answer in time",
            Reject::GatewayTimeout,
        ),
        FailureKind::Tls(why) => own(
            502,
            match why {
                TlsFailure::Refused => "tls_alert_received",
                TlsFailure::Closed | TlsFailure::Protocol => "tls_protocol_error",
                _ => "tls_certificate_error",
            },
            kind.name(),
            Reject::BadGateway,
        ),
        FailureKind::Garbage | FailureKind::Status(_) => own(
            502,
            "http_protocol_error",
            "the endpoint's answer was not HTTP",
            Reject::BadGateway,
        ),
    }
}

/// No connection could be opened for want of something on this machine: no endpoint was asked.
pub(crate) const LOCAL: Own = own(
    503,
    "proxy_internal_error",
    "no connection to an endpoint could be opened from here",
    Reject::NoResources,
);
