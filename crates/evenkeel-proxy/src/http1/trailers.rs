//! Fields behind the last chunk: which of them may go on.
//!
//! Not what delimits, routes, authenticates or tells how to handle the message (RFC 9110 section 6.5.1): a server that merged
//! such a field into the head would be talked into something. These are dropped, which the RFC allows everyone on the way.

use super::fields::Known;
use super::scan::list;

/// Names that belong into a head, beside those evenkeel itself looks at; by what they do.
const HEAD_ONLY: [&str; 46] = [
    // How to handle the request or the answer.
    "age",
    "allow",
    "cache-control",
    "expires",
    "location",
    "max-forwards",
    "pragma",
    "prefer",
    "range",
    "accept-ranges",
    "vary",
    "warning",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    // What the body is.
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    // Who asks, and who may.
    "cookie2",
    "origin",
    "from",
    "set-cookie",
    "www-authenticate",
    "proxy-authenticate",
    "proxy-authentication-info",
    "strict-transport-security",
    "content-security-policy",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "sec-websocket-key",
    "sec-websocket-accept",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "sec-websocket-version",
    // Where it came from.
    "via",
    "x-real-ip",
    "true-client-ip",
    "x-original-url",
    "x-rewrite-url",
];

/// May a field of this name stand in the trailers that go on?
pub(super) fn may_trail(known: Known, name: &[u8]) -> bool {
    known == Known::Other
        && !HEAD_ONLY
            .iter()
            .any(|h| name.eq_ignore_ascii_case(h.as_bytes()))
}

/// May a `Trailer` field go on? Not if it announces what will be dropped.
pub(super) fn may_announce(value: &[u8]) -> bool {
    list(value).next().is_some() && list(value).all(|name| may_trail(Known::of(name), name))
}
