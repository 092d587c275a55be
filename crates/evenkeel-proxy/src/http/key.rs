//! What of a request its pool's policy goes by. A request that does not bring it has no key, and is balanced by lot.

use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use evenkeel_core::balance::hash;
use evenkeel_core::settings::{Cidr, KeySource};
use evenkeel_tls::TOKEN_MAX;

use crate::http1::RequestHead;

/// The key of this request. `head` is its head as it came, `ip` the client's address; where that is a trusted proxy's, the
/// last address before the trusted ones counts.
pub(super) fn of(
    source: &KeySource,
    request: &RequestHead,
    head: &[u8],
    ip: Option<IpAddr>,
    trusted: &[Cidr],
) -> Option<u64> {
    match source {
        KeySource::SourceIp => Some(of_address(client(request, head, ip?, trusted))),
        KeySource::Path => Some(hash::key(request.path(head).as_bytes())),
        KeySource::Header(name) => request.values(head, name).next().map(hash::key),
        KeySource::Cookie(name) => {
            let mut fields = request.values(head, "cookie");
            fields.find_map(|field| cookie(field, name)).map(hash::key)
        }
        KeySource::Query(name) => {
            let query = request.query(head)?;
            parameter(query, name).map(|value| hash::key(value.as_bytes()))
        }
        KeySource::Jwt(name) => {
            let mut fields = request.values(head, "authorization");
            fields.find_map(bearer).and_then(|token| claim(token, name))
        }
    }
}

/// The key of an address, however it was written down.
pub(crate) fn of_address(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => hash::key(&ip.octets()),
        IpAddr::V6(ip) => hash::key(&ip.octets()),
    }
}

/// Read from the right: each proxy appends whom it saw. The first that is not trusted is the client.
fn client(request: &RequestHead, head: &[u8], peer: IpAddr, trusted: &[Cidr]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|cidr| cidr.contains(ip));
    if trusted.is_empty() || !is_trusted(peer) {
        return peer;
    }
    let mut seen = peer;
    let mut told = [peer; HOPS_MAX];
    let mut n = 0;
    for field in request.values(head, "x-forwarded-for") {
        for hop in field.split(|&b| b == b',') {
            let hop = std::str::from_utf8(hop.trim_ascii()).ok();
            if let Some(ip) = hop.and_then(|hop| hop.parse().ok()) {
                told[n % HOPS_MAX] = ip;
                n += 1;
            }
        }
    }
    for back in 1..=n.min(HOPS_MAX) {
        seen = told[(n - back) % HOPS_MAX];
        if !is_trusted(seen) {
            break;
        }
    }
    seen
}

/// Proxies in a row that are looked behind.
const HOPS_MAX: usize = 8;

/// The value of a cookie in one `Cookie` field (RFC 6265 section 4.2.1).
fn cookie<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    cookies(field, name).next()
}

/// The values of all cookies of this name in one `Cookie` field.
pub(super) fn cookies<'a>(field: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    field.split(|&b| b == b';').filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let at = memchr::memchr(b'=', pair)?;
        (pair[..at] == *name.as_bytes()).then(|| &pair[at + 1..])
    })
}

/// The value of a parameter as it stands in the query.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        (found == name).then_some(value)
    })
}

/// The token of `Authorization: Bearer …` (RFC 6750 section 2.1); the scheme is compared without case.
pub(super) fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// A claim of a token whose signature nobody looks at (RFC 7515 section 3.1: header.payload.signature, each in base64url).
fn claim(token: &[u8], name: &str) -> Option<u64> {
    if token.len() > TOKEN_MAX {
        return None;
    }
    let payload = token.split(|&b| b == b'.').nth(1)?;
    let mut decoded = [0; TOKEN_MAX];
    let len = BASE64_URL_SAFE_NO_PAD
        .decode_slice(payload, &mut decoded)
        .ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&decoded[..len]).ok()?;
    of_claim(&claims, name)
}

/// The key that a claim is: a text or a number.
pub(super) fn of_claim(claims: &serde_json::Value, name: &str) -> Option<u64> {
    match claims.get(name)? {
        serde_json::Value::String(text) => Some(hash::key(text.as_bytes())),
        other @ serde_json::Value::Number(_) => Some(hash::key(other.to_string().as_bytes())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{Limits, Progress};

    fn key(source: KeySource, fields: &str) -> Option<u64> {
        let head = format!("GET /a/./b?x=1&sid=abc HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let mut request = RequestHead::default();
        let limits = Limits {
            max_head: 16 * 1024,
            max_fields: 64,
        };
        let parsed = request.parse(head.as_bytes(), &limits);
        assert!(
            matches!(parsed, Ok(Progress::Complete { .. })),
            "{parsed:?}"
        );
        let ip = "10.0.0.9".parse().ok();
        let trusted = [Cidr {
            address: "10.0.0.0".parse().unwrap(),
            prefix: 8,
        }];
        of(&source, &request, head.as_bytes(), ip, &trusted)
    }

    fn bytes(text: &str) -> Option<u64> {
        Some(hash::key(text.as_bytes()))
    }

    #[test]
    fn each_source_reads_what_it_names_and_nothing_else() {
        let cookies = "Cookie: a=1; sid=s 1 ;b=2\r\nCookie: late=yes\r\n";
        assert_eq!(key(KeySource::Cookie("sid".into()), cookies), bytes("s 1"));
        assert_eq!(key(KeySource::Cookie("late".into()), cookies), bytes("yes"));
        assert_eq!(key(KeySource::Cookie("id".into()), cookies), None);
        assert_eq!(key(KeySource::Query("sid".into()), ""), bytes("abc"));
        assert_eq!(key(KeySource::Query("si".into()), ""), None);
        assert_eq!(key(KeySource::Path, ""), bytes("/a/b"));
        let user = "X-User: u7\r\n";
        assert_eq!(key(KeySource::Header("x-user".into()), user), bytes("u7"));
        assert_eq!(key(KeySource::Header("x-user".into()), ""), None);
    }

    #[test]
    fn a_claim_is_found_in_the_middle_of_the_token_and_garbage_is_no_claim() {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"u1","n":7,"list":[1]}"#);
        let token = format!("Authorization: bearer e30.{payload}.sig\r\n");
        assert_eq!(key(KeySource::Jwt("sub".into()), &token), bytes("u1"));
        assert_eq!(key(KeySource::Jwt("n".into()), &token), bytes("7"));
        assert_eq!(key(KeySource::Jwt("list".into()), &token), None);
        for garbage in [
            "Bearer",
            "Bearer a.b",
            "Bearer a.%%.c",
            "Basic e30.e30.x",
            "Bearer .e30",
        ] {
            let field = format!("Authorization: {garbage}\r\n");
            assert_eq!(key(KeySource::Jwt("sub".into()), &field), None, "{garbage}");
        }
    }

    #[test]
    fn behind_trusted_proxies_the_last_address_before_them_is_the_client() {
        let with = |told: &str| key(KeySource::SourceIp, told);
        let address = |text: &str| Some(of_address(text.parse().unwrap()));
        assert_eq!(with(""), address("10.0.0.9"));
        let chain = "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-For: 10.1.1.1\r\n";
        assert_eq!(
            with(chain),
            address("1.2.3.4"),
            "what the client itself claims does not count"
        );
        assert_eq!(with("X-Forwarded-For: 10.1.1.1\r\n"), address("10.1.1.1"));
        assert_eq!(address("::ffff:1.2.3.4"), address("1.2.3.4"));
    }
}
