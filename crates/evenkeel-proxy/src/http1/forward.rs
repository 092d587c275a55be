//! Heads as they are sent on: written anew from what was understood, never copied raw.

use super::{Framing, RequestHead, ResponseHead, Version};

/// What a request gets on its way.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// The client's address as text, without port (empty for a unix socket: then nothing is added to X-Forwarded-For).
    pub client_ip: &'a str,
    /// `http` or `https`.
    pub proto: &'a str,
    /// The client is a trusted proxy: its X-Forwarded-*, X-Request-Id, traceparent, Forwarded are kept.
    pub trusted: bool,
    /// Random: becomes X-Request-Id and the trace id (32 hex digits) unless a trusted proxy gave one.
    pub request_id: u128,
    /// Random: the parent id of a new traceparent.
    pub span_id: u64,
    /// `Host` where an HTTP/1.0 client gave none: the endpoint's address.
    pub fallback_host: &'a str,
    /// Ask the endpoint to close after its answer.
    pub close: bool,
}

/// Appends the head of a request as the endpoint gets it: HTTP/1.1, normalised target, hop-by-hop fields and those named
/// by `Connection` gone, framing written anew, forwarded fields, `Upgrade` only for a real upgrade.
///
/// A body follows in the request's own framing ([`RequestHead::framing`]): `Length` unchanged, `Chunked` framed anew.
pub fn write_request_head(
    _out: &mut Vec<u8>,
    _head: &RequestHead,
    _buf: &[u8],
    _forward: &Forward<'_>,
) {
}

/// What an answer gets on its way.
#[derive(Clone, Copy, Debug)]
pub struct ResponseForward<'a> {
    /// The client's version: HTTP/1.0 gets no chunks.
    pub client: Version,
    /// Does the client want to keep the connection ([`RequestHead::persistent`])?
    pub persistent: bool,
    /// `Date` if the endpoint gave none.
    pub date: Option<&'a [u8]>,
}

/// How an answer goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How the client's side is framed: the endpoint's framing, but `UntilClose` where that is `Chunked` and the client
    /// speaks HTTP/1.0 (copy the payload with [`To::Plain`](super::To)).
    pub framing: Framing,
    /// Close the client's connection after the body.
    pub close: bool,
}

/// Appends the head of an answer, interim or final, as the client gets it. Appends nothing for an interim answer to an
/// HTTP/1.0 client.
pub fn write_response_head(
    _out: &mut Vec<u8>,
    _head: &ResponseHead,
    _buf: &[u8],
    _forward: &ResponseForward<'_>,
) -> Sent {
    Sent {
        framing: Framing::None,
        close: false,
    }
}
