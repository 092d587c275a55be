//! Changing the protocol of a connection (RFC 9110 section 7.8): what may be offered, and what an endpoint may switch to.

use super::scan::{list, token_len};

/// Protocols that are never offered to an endpoint: h2c would take the requests behind it out of sight, and TLS cannot begin
/// inside a forwarded connection.
const REFUSED: [&[u8]; 4] = [b"h2c", b"h2", b"http", b"tls"];

/// May a client's `Upgrade` go on? At least one protocol, each `name` or `name/version`, none of those above.
pub(super) fn may_be_offered(value: &[u8]) -> bool {
    list(value).next().is_some()
        && list(value).all(|protocol| {
            let name = protocol.split(|&b| b == b'/').next().unwrap_or_default();
            is_protocol(protocol) && !REFUSED.iter().any(|r| name.eq_ignore_ascii_case(r))
        })
}

/// Does an endpoint that says `chosen` switch to what it was `offered`, and to nothing else?
pub(super) fn was_offered(chosen: &[u8], offered: &[u8]) -> bool {
    list(chosen).next().is_some()
        && list(chosen).all(|c| list(offered).any(|o| o.eq_ignore_ascii_case(c)))
}

fn is_protocol(protocol: &[u8]) -> bool {
    let mut parts = protocol.split(|&b| b == b'/');
    let token = |part: &[u8]| !part.is_empty() && token_len(part) == part.len();
    let name = parts.next().is_some_and(token);
    name && parts.next().is_none_or(token) && parts.next().is_none()
}

/// Appends a list in its one form: without empty elements, a comma and a space between two.
pub(super) fn write_list(out: &mut Vec<u8>, value: &[u8]) {
    for (at, protocol) in list(value).enumerate() {
        if at > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(protocol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_protocols_that_stay_in_sight_are_offered() {
        for (value, may) in [
            ("websocket", true),
            ("WebSocket , foo/1.0", true),
            (",websocket,", true),
            ("", false),
            (" , ", false),
            ("h2c", false),
            ("H2C", false),
            ("websocket, h2c", false),
            ("TLS/1.2", false),
            ("HTTP/2.0", false),
            ("web socket", false),
            ("a/b/c", false),
            ("a/", false),
            ("/a", false),
            ("\"websocket\"", false),
        ] {
            assert_eq!(may_be_offered(value.as_bytes()), may, "{value:?}");
        }
    }

    #[test]
    fn an_endpoint_may_choose_only_from_what_it_was_offered() {
        for (chosen, offered, fine) in [
            ("websocket", "websocket", true),
            ("WebSocket", "websocket", true),
            ("b", "a, b", true),
            ("h2c", "websocket", false),
            ("a, c", "a, b", false),
            ("", "a", false),
        ] {
            assert_eq!(
                was_offered(chosen.as_bytes(), offered.as_bytes()),
                fine,
                "{chosen:?} of {offered:?}"
            );
        }
    }

    #[test]
    fn a_list_has_one_form() {
        let mut out = Vec::new();
        write_list(&mut out, b", a ,, b/1\t,");
        assert_eq!(out, b"a, b/1");
    }
}
