//! Request target and authority: one normal form that routing and forwarding share.
//!
//! **Path** (RFC 3986 section 6.2.2): percent-encoding of unreserved characters is undone, dot segments are removed,
//! everything else, `%2f` above all, stays as sent. A path that climbs above the root, a broken percent triplet and an
//! encoded NUL are refused, and so is a `..` that only an encoded slash keeps from being a dot segment. Bytes that no URI may have raw are refused where servers differ about them (`\`, which some
//! take for `/`, quotes, angle brackets, back-ticks); `{ } | ^ [ ]` are let through because browsers send them.
//!
//! **Query**: nothing is decided by it, so it is forwarded as sent; visible ASCII without `#`.
//!
//! **Authority**: a DNS-like name, an IPv4 address or a bracketed IPv6 address, and a port of 1–65535 if any. No user
//! info, no percent-encoding, no list. An empty port is left out, leading zeros of one too.

use super::scan::{Span, table};

/// Bytes a path may have; `%` is looked at by itself.
const PATH: [bool; 256] = table(b"/-._~!$&'()*+,;=:@%{}|^[]");

/// Characters that percent-encoding never changes (RFC 3986 section 2.3).
const UNRESERVED: [bool; 256] = table(b"-._~");

/// Bytes of a name.
const NAME: [bool; 256] = table(b"-._");

/// The longest name DNS can have.
const NAME_MAX: usize = 255;

pub(crate) type Wrong = &'static str;

/// Where the parts of a target are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// As sent; `None` if its normal form is another text.
    pub(crate) path: Option<Span>,
    pub(crate) query: Option<Span>,
}

/// Cuts path and query out of `start..end`, which begins with `/`. A path that is not in its normal form is written to
/// `normal`.
pub(crate) fn parse_path(
    buf: &[u8],
    start: usize,
    end: usize,
    normal: &mut String,
) -> Result<Parts, Wrong> {
    let bytes = &buf[start..end];
    let mut as_sent = true;
    let mut before = 0;
    let mut len = bytes.len();
    for (at, &b) in bytes.iter().enumerate() {
        if !PATH[b as usize] {
            if b == b'?' {
                len = at;
                break;
            }
            return Err(wrong_byte(b));
        }
        as_sent &= b != b'%' && !(b == b'.' && before == b'/');
        before = b;
    }
    if !as_sent {
        normalise(&bytes[..len], normal)?;
        if hides_dots(normal) {
            return Err("dot segment behind an encoded slash");
        }
        as_sent = normal.as_bytes() == &bytes[..len];
    }
    let path = as_sent.then(|| Span::new(start, start + len));
    let query = bytes.get(len + 1..).map(|query| (query, start + len + 1));
    if let Some((query, _)) = query
        && let Some(&b) = query
            .iter()
            .find(|&&b| !(b'!'..=b'~').contains(&b) || b == b'#')
    {
        return Err(wrong_byte(b));
    }
    Ok(Parts {
        path,
        query: query.map(|(_, at)| Span::new(at, end)),
    })
}

fn wrong_byte(b: u8) -> Wrong {
    match b {
        b'#' => "fragment in the request target",
        b'\\' => "backslash in the path",
        0x80.. => "byte above 127 in the request target",
        _ => "byte that no request target may have",
    }
}

/// Writes the normal form of an absolute path.
fn normalise(path: &[u8], out: &mut String) -> Result<(), Wrong> {
    out.clear();
    out.push('/');
    let mut segment = 1; // where the current segment starts in `out`
    let mut rest = path.get(1..).unwrap_or_default();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        match b {
            b'/' => segment = end_segment(out, segment, true)?,
            b'%' => {
                let (byte, triplet) = triplet(tail)?;
                rest = &tail[2..];
                if UNRESERVED[byte as usize] {
                    out.push(byte as char);
                } else {
                    out.push('%');
                    out.extend(triplet.iter().map(|&b| b as char));
                }
            }
            _ => out.push(b as char),
        }
    }
    end_segment(out, segment, false)?;
    Ok(())
}

/// The byte behind a `%`, and its two digits.
fn triplet(tail: &[u8]) -> Result<(u8, [u8; 2]), Wrong> {
    let digit = |at: usize| tail.get(at).and_then(|&b| (b as char).to_digit(16));
    match (digit(0), digit(1)) {
        (Some(0), Some(0)) => Err("encoded NUL in the path"),
        (Some(high), Some(low)) => Ok(((high * 16 + low) as u8, [tail[0], tail[1]])),
        _ => Err("broken percent-encoding in the path"),
    }
}

/// Would a server that takes `%2f` or `%5c` for a slash find a `..` segment where we see none? `/a/..%2fb` is a name to us and a
/// way out of `/a` to it.
fn hides_dots(normal: &str) -> bool {
    let is_slash = |at: usize| {
        normal
            .as_bytes()
            .get(at..at + 3)
            .is_some_and(|t| t.eq_ignore_ascii_case(b"%2f") || t.eq_ignore_ascii_case(b"%5c"))
    };
    normal.match_indices("..").any(|(at, _)| {
        let encoded = (at >= 3 && is_slash(at - 3), is_slash(at + 2));
        let before = encoded.0 || normal[..at].ends_with('/');
        let after = encoded.1 || matches!(normal.as_bytes().get(at + 2), None | Some(b'/'));
        before && after && (encoded.0 || encoded.1)
    })
}

/// Ends the segment that starts at `segment`; says where the next one starts.
fn end_segment(out: &mut String, segment: usize, more: bool) -> Result<usize, Wrong> {
    match &out[segment..] {
        "." => out.truncate(segment),
        ".." if segment == 1 => return Err("path climbs above the root"),
        ".." => {
            let parent = out[..segment - 1].rfind('/').map_or(0, |slash| slash);
            out.truncate(parent + 1);
        }
        _ if more => out.push('/'),
        _ => {}
    }
    Ok(out.len())
}

/// The port of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    /// Bytes of the authority before it.
    name_len: usize,
    number: Option<u16>,
    /// Is the authority in its normal form? Not with a port that is empty or has leading zeros, which RFC 3986 section 3.2.3
    /// allows and section 6.2.3 does without.
    pub(crate) as_sent: bool,
}

/// Writes an authority in its normal form.
pub(crate) fn write_authority(authority: &[u8], port: &Port, out: &mut String) {
    let name = authority.get(..port.name_len).unwrap_or_default();
    push_ascii(out, name);
    if let Some(number) = port.number {
        out.push(':');
        out.push_str(itoa::Buffer::new().format(number));
    }
}

/// Checks an authority and writes its host in lower case to `host`, without port and without the dot of the DNS root.
pub(crate) fn parse_authority(authority: &[u8], host: &mut String) -> Result<Port, Wrong> {
    host.clear();
    let (name, port) = if authority.first() == Some(&b'[') {
        let close = memchr::memchr(b']', authority).ok_or("unclosed bracket in the host")?;
        check_v6(&authority[1..close])?;
        (&authority[..=close], &authority[close + 1..])
    } else {
        let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
        check_name(&authority[..end])?;
        authority.split_at(end)
    };
    let number = parse_port(port)?;
    let parsed = Port {
        name_len: name.len(),
        number,
        as_sent: match number {
            Some(_) => port.get(1) != Some(&b'0'),
            None => port.is_empty(),
        },
    };
    let name = name.strip_suffix(b".").unwrap_or(name);
    push_ascii(host, name);
    host.make_ascii_lowercase();
    Ok(parsed)
}

/// Appends what was checked to be ASCII, all at once.
fn push_ascii(out: &mut String, bytes: &[u8]) {
    out.push_str(std::str::from_utf8(bytes).unwrap_or_default());
}

fn check_v6(literal: &[u8]) -> Result<(), Wrong> {
    std::str::from_utf8(literal)
        .ok()
        .and_then(|text| text.parse::<std::net::Ipv6Addr>().ok())
        .map(drop)
        .ok_or("no IPv6 address between the brackets of the host")
}

fn check_name(name: &[u8]) -> Result<(), Wrong> {
    if name.is_empty() {
        return Err("empty host");
    }
    if name.len() > NAME_MAX {
        return Err("host is longer than a name can be");
    }
    let mut before = b'.'; // so that a leading dot is an empty label
    for &b in name {
        if !NAME[b as usize] {
            return Err(match b {
                b'@' => "user info in the host",
                b',' => "list in the host",
                b'/' => "path in the host",
                _ => "byte that no host may have",
            });
        }
        if b == b'.' && before == b'.' {
            return Err("empty label in the host");
        }
        before = b;
    }
    Ok(())
}

/// Nothing, or a colon and nothing, or a colon and 1–65535.
fn parse_port(port: &[u8]) -> Result<Option<u16>, Wrong> {
    let Some(digits) = port.strip_prefix(b":") else {
        return if port.is_empty() {
            Ok(None)
        } else {
            Err("something behind the bracket of the host")
        };
    };
    if digits.is_empty() {
        return Ok(None);
    }
    let number = std::str::from_utf8(digits)
        .ok()
        .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|d| d.parse::<u16>().ok());
    match number {
        Some(1..) => Ok(number),
        _ if memchr::memchr(b'@', digits).is_some() => Err("user info in the host"),
        _ => Err("bad port in the host"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String, Wrong> {
        let mut normal = String::new();
        let parts = parse_path(text.as_bytes(), 0, text.len(), &mut normal)?;
        Ok(match parts.path {
            Some(span) => span.text(text.as_bytes()).to_owned(),
            None => normal,
        })
    }

    #[test]
    fn paths_have_one_normal_form() {
        for (sent, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/a/b/c/../../d", "/a/d"),
            ("/%61%2D%5f%7E", "/a-_~"),
            ("/a%2fb", "/a%2fb"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/%2E/b", "/a/b"),
            ("/a/.%2e/b", "/b"),
            ("/a//b", "/a//b"),
            ("//a", "//a"),
            ("//..", "/"),
            ("/a//../b", "/a/b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/..a/b..", "/..a/b.."),
            ("/...", "/..."),
            ("/%41.%42", "/A.B"),
            ("/caf%C3%A9", "/caf%C3%A9"),
            ("/a%20b", "/a%20b"),
            ("/a%25b", "/a%25b"),
            ("/a%252e%252e", "/a%252e%252e"),
            ("/a%2f..b", "/a%2f..b"),
            ("/a..%2fb", "/a..%2fb"),
            ("/a/...%2fb", "/a/...%2fb"),
            ("/{id}|x^[1]", "/{id}|x^[1]"),
            ("/a?b=../..&c=%zz", "/a"),
        ] {
            assert_eq!(path(sent).as_deref(), Ok(normal), "{sent}");
            // The normal form of a normal form is itself.
            assert_eq!(path(normal).as_deref(), Ok(normal), "{sent}");
        }
    }

    #[test]
    fn paths_that_could_be_read_in_two_ways_are_refused() {
        for sent in [
            "/..",
            "/../a",
            "/a/../..",
            "/a/../../b",
            "/%2e%2e",
            "/.%2e/x",
            "/%",
            "/%4",
            "/%4g",
            "/%zz",
            "/a%",
            "/%00",
            "/a\\b",
            "/a\"b",
            "/<x>",
            "/`",
            "/a#b",
            "/a b",
            "/a\tb",
            "/a\u{e9}",
            "/\u{7f}",
            "/a?b#c",
            "/a?b c",
            "/a?\u{e9}",
            "/a/..%2fb",
            "/a/%2e%2e%2Fb",
            "/a%2f..",
            "/a%2f../b",
            "/a%5c..%5cb",
            "/a/%2E.%5C",
        ] {
            assert!(path(sent).is_err(), "{sent:?}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_with_a_port_at_most() {
        let mut host = String::new();
        for (sent, wanted) in [
            ("Example.COM", "example.com"),
            ("example.com:8080", "example.com"),
            ("example.com.", "example.com"),
            ("a_b.example", "a_b.example"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[2001:DB8::1]:443", "[2001:db8::1]"),
            ("localhost:65535", "localhost"),
        ] {
            let port = parse_authority(sent.as_bytes(), &mut host).unwrap();
            assert!(port.as_sent, "{sent}");
            assert_eq!(host, wanted);
            let mut again = String::new();
            write_authority(sent.as_bytes(), &port, &mut again);
            assert_eq!(again, sent);
        }
        for (sent, normal) in [("A:", "A"), ("a:0080", "a:80"), ("[::1]:", "[::1]")] {
            let port = parse_authority(sent.as_bytes(), &mut host).unwrap();
            assert!(!port.as_sent, "{sent}");
            let mut again = String::new();
            write_authority(sent.as_bytes(), &port, &mut again);
            assert_eq!(again, normal);
        }
        for sent in [
            "",
            ":80",
            ":",
            "a::",
            "a:0",
            "a:000",
            "a:65536",
            "a:+80",
            "a:8 0",
            "a:80:80",
            "a b",
            "a,b",
            "a/b",
            "u@a",
            "u:p@a",
            "[::1",
            "[::1]x",
            "[]",
            "[1.2.3.4]",
            "[fe80::1%eth0]",
            "::1",
            ".a",
            "a..b",
            ".",
            "a%41",
            "é",
            "a?b",
            "a#b",
            "a\\b",
            "*.example.com",
            "[v1.x]",
        ] {
            assert!(
                parse_authority(sent.as_bytes(), &mut host).is_err(),
                "{sent}"
            );
        }
        assert!(parse_authority(&[b'a'; 256], &mut host).is_err());
    }
}
