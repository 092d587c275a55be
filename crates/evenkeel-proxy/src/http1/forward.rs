//! Heads as they are sent on: written anew from what was understood, never copied raw.
//!
//! Fields go on in their order, each as `Name: value` with the name's own case. Left out are hop-by-hop fields (RFC 9110
//! section 7.6.1), those named by `Connection`, and everything that this side says itself: `Host`, the length, the forwarded
//! fields.
//!
//! `Via` is not added: RFC 9110 section 7.6.3 asks a gateway for it, but servers change their answers because of it (nginx
//! stops compressing), and none of the balancers people know adds it unasked. One that comes in is kept.

use super::fields::{Field, Known};
use super::trailers::may_announce;
use super::{Framing, RequestHead, ResponseHead, Version, upgrade};

/// What a request gets on its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forward<'a> {
    /// The client's address as text, without port (empty for a unix socket: then nothing is added to X-Forwarded-For).
    pub client_ip: &'a str,
    /// `http` or `https`.
    pub proto: &'a str,
    /// The client is a trusted proxy: its X-Forwarded-*, Forwarded, X-Request-Id and traceparent are kept.
    pub trusted: bool,
    /// Random: becomes X-Request-Id and the trace id (32 hex digits) unless a trusted proxy gave one.
    pub request_id: u128,
    /// Random: the parent id of a new traceparent.
    pub span_id: u64,
    /// `Host` where an HTTP/1.0 client gave none: the endpoint's address.
    pub fallback_host: &'a str,
    /// Ask the endpoint to close after its answer.
    pub close: bool,
    /// Send `Expect: 100-continue` on if the client sent it, and wait for the endpoint's 100. False: whoever forwards has
    /// answered the client's expectation itself.
    pub expect: bool,
}

/// Appends the head of a request as the endpoint gets it: HTTP/1.1, normalised target, hop-by-hop fields and those named
/// by `Connection` gone, framing written anew, forwarded fields, `Upgrade` only for a real upgrade.
///
/// A body follows in the request's own framing ([`RequestHead::framing`]): `Length` unchanged, `Chunked` framed anew.
pub fn write_request_head(
    out: &mut Vec<u8>,
    head: &RequestHead,
    buf: &[u8],
    forward: &Forward<'_>,
) {
    let authority = match head.authority_bytes(buf) {
        b"" => forward.fallback_host.as_bytes(),
        authority => authority,
    };
    out.extend_from_slice(head.method_bytes(buf));
    out.push(b' ');
    out.extend_from_slice(head.path_bytes(buf));
    if let Some(query) = head.query_bytes(buf) {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    line(out, b" HTTP/1.1\r\nHost: ", authority);

    let chunked = head.framing() == Framing::Chunked;
    let mut kept = Kept {
        trace: forward.trusted && has_trace(head, buf),
        ..Kept::default()
    };
    for field in head.fields().iter().filter(|f| !f.hop) {
        let goes_on = match field.known {
            Known::Host | Known::ContentLength => false,
            Known::Expect => false,
            Known::MaxForwards => head.max_forwards().is_none(),
            Known::Trailer => chunked && !head.names_fields() && may_announce(field.value.of(buf)),
            known => kept.keeps(known, field.value.of(buf), forward.trusted),
        };
        if goes_on {
            write_field(out, field, buf);
        }
    }
    write_forwarded(out, head, buf, forward, authority, kept);
    if let Some(many) = head.max_forwards() {
        let mut digits = itoa::Buffer::new();
        let one_less = digits.format(many.saturating_sub(1));
        line(out, b"Max-Forwards: ", one_less.as_bytes());
    }
    if forward.expect && head.expect_continue() {
        out.extend_from_slice(b"Expect: 100-continue\r\n");
    }
    match head.framing() {
        Framing::Length(length) => write_length(out, length),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose | Framing::Tunnel => {}
    }
    if let Some(protocol) = head.upgrade(buf) {
        write_upgrade(out, protocol);
    } else if forward.close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Which of the fields that are believed from trusted proxies only came from one.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    proto: bool,
    host: bool,
    request_id: bool,
    /// There is one traceparent, from a trusted proxy, and it is right.
    trace: bool,
}

impl Kept {
    /// Does a field go on as it is?
    fn keeps(&mut self, known: Known, value: &[u8], trusted: bool) -> bool {
        let flag = match known {
            // Written as one line with our client's address at its end.
            Known::XForwardedFor => return false,
            Known::Forwarded | Known::XForwardedOther => return trusted,
            // Means something together with its traceparent only.
            Known::Tracestate => return self.trace,
            Known::XForwardedProto => &mut self.proto,
            Known::XForwardedHost => &mut self.host,
            Known::XRequestId => &mut self.request_id,
            Known::Traceparent => return self.trace && is_traceparent(value),
            _ => return true,
        };
        let keeps = trusted && !value.is_empty() && !*flag;
        *flag |= keeps;
        keeps
    }
}

/// The forwarded fields that were not kept from a trusted proxy.
fn write_forwarded(
    out: &mut Vec<u8>,
    head: &RequestHead,
    buf: &[u8],
    forward: &Forward<'_>,
    authority: &[u8],
    kept: Kept,
) {
    write_forwarded_for(out, head, buf, forward);
    if !kept.proto {
        line(out, b"X-Forwarded-Proto: ", forward.proto.as_bytes());
    }
    if !kept.host {
        line(out, b"X-Forwarded-Host: ", authority);
    }
    let trace = hex::<32>(forward.request_id);
    if !kept.request_id {
        line(out, b"X-Request-Id: ", &trace);
    }
    if !kept.trace {
        out.extend_from_slice(b"traceparent: 00-");
        out.extend_from_slice(&trace);
        out.push(b'-');
        out.extend_from_slice(&hex::<16>(u128::from(forward.span_id)));
        // Sampled, which is what a service does with a request that brings no traceparent.
        out.extend_from_slice(b"-01\r\n");
    }
}

/// One line: what trusted proxies said, then who connected to us.
fn write_forwarded_for(out: &mut Vec<u8>, head: &RequestHead, buf: &[u8], forward: &Forward<'_>) {
    let before = head
        .fields()
        .iter()
        .filter(|f| forward.trusted && f.known == Known::XForwardedFor && !f.hop)
        .map(|f| f.value.of(buf))
        .filter(|value| !value.is_empty());
    let client = Some(forward.client_ip.as_bytes()).filter(|ip| !ip.is_empty());
    let mut separator: &[u8] = b"X-Forwarded-For: ";
    for address in before.chain(client) {
        out.extend_from_slice(separator);
        out.extend_from_slice(address);
        separator = b", ";
    }
    if separator.len() == 2 {
        out.extend_from_slice(b"\r\n");
    }
}

fn has_trace(head: &RequestHead, buf: &[u8]) -> bool {
    let mut all = head
        .fields()
        .iter()
        .filter(|f| f.known == Known::Traceparent && !f.hop);
    let first = all.next().map(|f| f.value.of(buf));
    first.is_some_and(is_traceparent) && all.next().is_none()
}

/// `version-traceid-parentid-flags` in lower-case hex, neither id all zero (W3C Trace Context, section 3.2).
fn is_traceparent(value: &[u8]) -> bool {
    let hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    let zero = |part: &[u8]| part.iter().all(|&b| b == b'0');
    value.len() == 55
        && value.iter().enumerate().all(|(at, b)| match at {
            2 | 35 | 52 => *b == b'-',
            _ => hex(b),
        })
        && !zero(&value[3..35])
        && !zero(&value[36..52])
        && &value[..2] != b"ff"
}

/// What an answer gets on its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseForward<'a> {
    /// The client's version: HTTP/1.0 gets no chunks.
    pub client: Version,
    /// Does the client want to keep the connection ([`RequestHead::persistent`]), and are we willing to?
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
    out: &mut Vec<u8>,
    head: &ResponseHead,
    buf: &[u8],
    forward: &ResponseForward<'_>,
) -> Sent {
    let sent = sent(head, forward);
    if head.interim() && forward.client == Version::Http10 {
        return sent;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.status()).as_bytes());
    line(out, b" ", head.reason(buf));
    let mut dated = false;
    for field in head.fields().iter().filter(|f| !f.hop) {
        match field.known {
            Known::ContentLength => continue,
            Known::Trailer if !announces(head, field.value.of(buf), sent) => continue,
            Known::Date => dated = true,
            _ => {}
        }
        write_field(out, field, buf);
    }
    if let Some(date) = forward.date.filter(|_| !dated && head.status() >= 200) {
        line(out, b"Date: ", date);
    }
    write_answer_framing(out, head, buf, sent, forward.client);
    out.extend_from_slice(b"\r\n");
    sent
}

/// May the `Trailer` of an answer go on?
fn announces(head: &ResponseHead, value: &[u8], sent: Sent) -> bool {
    sent.framing == Framing::Chunked && !head.names_fields() && may_announce(value)
}

fn sent(head: &ResponseHead, forward: &ResponseForward<'_>) -> Sent {
    let framing = match head.framing() {
        Framing::Chunked if forward.client == Version::Http10 => Framing::UntilClose,
        framing => framing,
    };
    let ends_by_close = matches!(framing, Framing::UntilClose | Framing::Tunnel);
    Sent {
        framing,
        close: !head.interim() && (ends_by_close || !forward.persistent),
    }
}

/// The length, and what becomes of the connection.
fn write_answer_framing(
    out: &mut Vec<u8>,
    head: &ResponseHead,
    buf: &[u8],
    sent: Sent,
    client: Version,
) {
    match sent.framing {
        Framing::Length(length) => write_length(out, length),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        // HEAD and 304 tell the length of a body that does not come; 1xx and 204 must not.
        Framing::None if head.status() >= 200 && head.status() != 204 => {
            if let Some(length) = head.length() {
                write_length(out, length);
            }
        }
        Framing::Tunnel => {
            let protocol = head.known(buf, Known::Upgrade).unwrap_or_default();
            write_upgrade(out, protocol);
            return;
        }
        Framing::None | Framing::UntilClose => {}
    }
    if sent.close {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if client == Version::Http10 && !head.interim() {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
}

fn write_upgrade(out: &mut Vec<u8>, protocols: &[u8]) {
    out.extend_from_slice(b"Connection: upgrade\r\nUpgrade: ");
    upgrade::write_list(out, protocols);
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, field: &Field, buf: &[u8]) {
    out.extend_from_slice(field.name.of(buf));
    line(out, b": ", field.value.of(buf));
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_length(out: &mut Vec<u8>, length: u64) {
    let mut digits = itoa::Buffer::new();
    line(out, b"Content-Length: ", digits.format(length).as_bytes());
}

/// The lower `N` hexadecimal digits of a number; `N` is even.
fn hex<const N: usize>(number: u128) -> [u8; N] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [b'0'; N];
    let pairs = digits.as_chunks_mut::<2>().0.iter_mut().rev();
    for (pair, byte) in pairs.zip(number.to_le_bytes()) {
        *pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
    }
    digits
}
