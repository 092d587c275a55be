//! The field lines of a head: offsets, and known names told by length and first byte.

use super::scan::Span;

/// Field names that evenkeel itself looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Known {
    #[default]
    Other,
    Accept,
    Authorization,
    Connection,
    ContentLength,
    Date,
    Expect,
    Forwarded,
    Host,
    KeepAlive,
    ProxyConnection,
    Te,
    Traceparent,
    Tracestate,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    Referer,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    XRequestId,
    RetryAfter,
}

/// One field line.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name as sent; never empty, a token.
    pub name: Span,
    /// Its value without the white space around it.
    pub value: Span,
    /// Which one it is.
    pub known: Known,
    /// Goes no further: hop-by-hop, or named by `Connection`.
    pub(crate) hop: bool,
}
