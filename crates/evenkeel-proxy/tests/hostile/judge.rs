//! The judge of what reached an endpoint: a second reading of HTTP/1.1 that shares no code with the engine and forgives nothing.
//!
//! Written from the grammar of RFC 9110, 9112 and 3986 with plain slicing, on purpose in another manner than the engine's: whole
//! messages instead of streams, allocations everywhere. What it does not object to is a request with one meaning: one host, one
//! framing in its one form, no control byte, nothing of another hop, a target without dot segments, trailers that belong there.

use std::net::{Ipv4Addr, Ipv6Addr};

/// One line of a head or of trailers; the name in lower case.
pub(crate) type Field = (String, Vec<u8>);

/// A request without fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<Field>,
    /// Bytes of all of it.
    pub(crate) len: usize,
}

impl Request {
    /// Values of all lines of this name (in lower case).
    pub(crate) fn all(&self, name: &str) -> Vec<&[u8]> {
        values(&self.fields, name)
    }

    /// The value of the only line of this name.
    pub(crate) fn one(&self, name: &str) -> Option<String> {
        match self.all(name)[..] {
            [] => None,
            [value] => Some(String::from_utf8_lossy(value).into_owned()),
            _ => panic!("{name} comes more than once"),
        }
    }
}

/// What some bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// They begin with a request without fault.
    Request(Box<Request>),
    /// They may become one. `true`: the head is there and wants a 100 before the body comes.
    Partial(bool),
    /// No endpoint should ever have received them.
    Wrong(String),
}

type Verdict<T> = Result<T, String>;

/// Reads the first request of what an endpoint received.
pub(crate) fn read(bytes: &[u8]) -> Seen {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return match early(bytes) {
            Ok(()) => Seen::Partial(false),
            Err(why) => Seen::Wrong(why),
        };
    };
    let head = match head(&bytes[..end]) {
        Ok(head) => head,
        Err(why) => return Seen::Wrong(why),
    };
    match body(&head.fields, &bytes[end + 4..]) {
        Ok(Some((body, trailers, len))) => Seen::Request(Box::new(Request {
            body,
            trailers,
            len: end + 4 + len,
            ..head
        })),
        Ok(None) => Seen::Partial(!values(&head.fields, "expect").is_empty()),
        Err(why) => Seen::Wrong(why),
    }
}

/// Even half a head has no control byte.
fn early(bytes: &[u8]) -> Verdict<()> {
    let lines = bytes.split(|&b| b == b'\n');
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        clean(line)?;
    }
    Ok(())
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

fn values<'a>(fields: &'a [Field], name: &str) -> Vec<&'a [u8]> {
    let of_name = fields.iter().filter(|(n, _)| n == name);
    of_name.map(|(_, value)| value.as_slice()).collect()
}

/// No control byte but a tab.
fn clean(text: &[u8]) -> Verdict<()> {
    match text.iter().find(|b| b.is_ascii_control() && **b != b'\t') {
        Some(b) => Err(format!("control byte {b:#04x}")),
        None => Ok(()),
    }
}

pub(crate) fn is_token(text: &[u8]) -> bool {
    let tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !text.is_empty() && text.iter().all(tchar)
}

/// A head without its empty line; framing and body are looked at elsewhere.
fn head(text: &[u8]) -> Verdict<Request> {
    let mut lines = split_lines(text)?.into_iter();
    let first = lines.next().unwrap_or_default();
    let parts: Vec<&[u8]> = first.split(|&b| b == b' ').collect();
    let [method, target, b"HTTP/1.1"] = parts[..] else {
        return Err("request line is not method, target, HTTP/1.1".into());
    };
    if !is_token(method) {
        return Err("method is no token".into());
    }
    let target = std::str::from_utf8(target).map_err(|_| "target is not ASCII")?;
    judge_target(method, target)?;
    let fields: Vec<Field> = lines.map(field).collect::<Verdict<_>>()?;
    judge_fields(method, &fields)?;
    Ok(Request {
        method: String::from_utf8_lossy(method).into_owned(),
        target: target.to_owned(),
        fields,
        body: Vec::new(),
        trailers: Vec::new(),
        len: 0,
    })
}

fn split_lines(text: &[u8]) -> Verdict<Vec<&[u8]>> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = find(rest, b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    lines.iter().try_for_each(|line| clean(line))?;
    Ok(lines)
}

/// `Name: value` and not a blank more.
fn field(line: &[u8]) -> Verdict<Field> {
    let colon = line.iter().position(|&b| b == b':').ok_or("no colon")?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return Err(format!("name {:?}", String::from_utf8_lossy(name)));
    }
    let value = value.strip_prefix(b" ").ok_or("no space behind a colon")?;
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    if blank(value.first()) || blank(value.last()) {
        return Err("blanks around a value".into());
    }
    let name = String::from_utf8_lossy(name).to_lowercase();
    Ok((name, value.to_vec()))
}

fn judge_target(method: &[u8], target: &str) -> Verdict<()> {
    if target == "*" {
        return match method {
            b"OPTIONS" => Ok(()),
            _ => Err("* without OPTIONS".into()),
        };
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.starts_with('/') {
        return Err(format!("target {target:?} is no path"));
    }
    if !query.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Err("byte that no query may have".into());
    }
    let may = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%{}|^[]".contains(&b);
    if !path.bytes().all(may) {
        return Err(format!("byte that no path may have in {path:?}"));
    }
    for (at, _) in path.match_indices('%') {
        let digits = path.get(at + 1..at + 3).ok_or("half a percent triplet")?;
        let byte = u8::from_str_radix(digits, 16).map_err(|_| "no percent triplet")?;
        if byte == 0 || byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            return Err(format!("%{digits} in the path"));
        }
    }
    let dots = |segment: &str| segment == "." || segment == "..";
    if path.split('/').any(dots) {
        return Err(format!("dot segment in {path:?}"));
    }
    let decoded = path.to_lowercase().replace("%2f", "/").replace("%5c", "/");
    match decoded.split('/').any(|segment| segment == "..") {
        true => Err(format!("dot segment behind an encoded slash in {path:?}")),
        false => Ok(()),
    }
}

/// Names that an endpoint must never see from us.
const NEVER: [&str; 9] = [
    "forwarded",
    "http2-settings",
    "keep-alive",
    "proxy",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "x-forwarded-port",
    "x-forwarded-server",
];

/// Names that come once at most.
const ONCE: [&str; 15] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "max-forwards",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

fn judge_fields(method: &[u8], fields: &[Field]) -> Verdict<()> {
    for (name, _) in fields {
        if NEVER.contains(&name.as_str()) {
            return Err(format!("{name} went on"));
        }
        let dashed = name.replace('_', "-");
        let special = NEVER.contains(&&*dashed) || ONCE.contains(&&*dashed);
        if *name != dashed && special {
            return Err(format!("{name} looks like {dashed}"));
        }
    }
    for name in ONCE {
        if values(fields, name).len() > 1 {
            return Err(format!("{name} comes more than once"));
        }
    }
    match values(fields, "host")[..] {
        [host] => judge_host(host)?,
        _ => return Err("no Host".into()),
    }
    judge_connection(fields)?;
    judge_framing(method, fields)
}

/// A name, an IPv4 or a bracketed IPv6 address; a port from 1 to 65535 in its one form.
pub(crate) fn judge_host(host: &[u8]) -> Verdict<()> {
    let wrong = || format!("Host: {:?}", String::from_utf8_lossy(host));
    let text = std::str::from_utf8(host).map_err(|_| wrong())?;
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(wrong)?;
            address.parse::<Ipv6Addr>().map_err(|_| wrong())?;
            (None, port)
        }
        None => match text.find(':') {
            Some(colon) => (Some(&text[..colon]), &text[colon..]),
            None => (Some(text), ""),
        },
    };
    if let Some(name) = name {
        if name.len() > 255 {
            return Err("a Host longer than any name".into());
        }
        let labels = name.strip_suffix('.').unwrap_or(name);
        let label = |l: &str| {
            !l.is_empty()
                && l.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.parse::<Ipv4Addr>().is_err() && !labels.split('.').all(label) {
            return Err(wrong());
        }
    }
    let number = match port.strip_prefix(':') {
        None if port.is_empty() => return Ok(()),
        None => return Err(wrong()),
        Some(number) => number,
    };
    match number.parse::<u16>() {
        Ok(n) if n > 0 && n.to_string() == number => Ok(()),
        _ => Err(wrong()),
    }
}

fn judge_connection(fields: &[Field]) -> Verdict<()> {
    let upgrade = values(fields, "upgrade");
    match values(fields, "connection")[..] {
        [] | [b"close"] if upgrade.is_empty() => {}
        [b"upgrade"] if !upgrade.is_empty() => {}
        _ => return Err("Connection and Upgrade do not fit together".into()),
    }
    for protocol in upgrade.iter().flat_map(|u| u.split(|&b| b == b',')) {
        let protocol = String::from_utf8_lossy(protocol).trim().to_lowercase();
        let name = protocol.split('/').next().unwrap_or_default();
        if !is_token(name.as_bytes()) || ["h2c", "h2", "http", "tls"].contains(&name) {
            return Err(format!("Upgrade: {protocol}"));
        }
    }
    Ok(())
}

fn judge_framing(method: &[u8], fields: &[Field]) -> Verdict<()> {
    let lengths = values(fields, "content-length");
    let codings = values(fields, "transfer-encoding");
    let length = match lengths.first() {
        Some(length) => Some(number(length)?),
        None => None,
    };
    match (&length, &codings[..]) {
        (_, []) | (None, [b"chunked"]) => {}
        _ => return Err("two framings, or one that is not known".into()),
    }
    let has_body = !codings.is_empty() || length.is_some_and(|l| l > 0);
    if method == b"TRACE" && has_body {
        return Err("TRACE with a body".into());
    }
    match values(fields, "expect")[..] {
        [] => {}
        [b"100-continue"] if has_body => {}
        _ => return Err("Expect".into()),
    }
    if codings.is_empty() && !values(fields, "trailer").is_empty() {
        return Err("Trailer without chunks".into());
    }
    Ok(())
}

/// Decimal digits in their one form.
fn number(text: &[u8]) -> Verdict<u64> {
    let text = std::str::from_utf8(text).map_err(|_| "no number")?;
    match text.parse::<u64>() {
        Ok(n) if n.to_string() == text => Ok(n),
        _ => Err(format!("{text:?} is no number in its one form")),
    }
}

type Rest = (Vec<u8>, Vec<Field>, usize);

/// The body that belongs to these fields: payload, trailers, bytes. `None`: not all there.
fn body(fields: &[Field], rest: &[u8]) -> Verdict<Option<Rest>> {
    if !values(fields, "transfer-encoding").is_empty() {
        return chunks(rest);
    }
    let length = match values(fields, "content-length").first() {
        Some(length) => number(length)? as usize,
        None => 0,
    };
    let whole = rest.get(..length);
    Ok(whole.map(|body| (body.to_vec(), Vec::new(), length)))
}

/// Chunks in their one form.
pub(crate) fn chunks(rest: &[u8]) -> Verdict<Option<Rest>> {
    let mut payload = Vec::new();
    let mut at = 0;
    loop {
        let Some(end) = find(&rest[at..], b"\r\n") else {
            return match rest.len() - at > 16 {
                true => Err("endless chunk size".into()),
                false => Ok(None),
            };
        };
        let digits = std::str::from_utf8(&rest[at..at + end]).map_err(|_| "chunk size")?;
        let size = usize::from_str_radix(digits, 16).map_err(|_| "chunk size")?;
        if format!("{size:x}") != digits {
            return Err(format!("chunk size {digits:?} is not in its one form"));
        }
        at += end + 2;
        if size == 0 {
            let trailers = trailers(&rest[at..])?;
            return Ok(trailers.map(|(trailers, len)| (payload, trailers, at + len)));
        }
        let Some(chunk) = rest.get(at..at + size + 2) else {
            return Ok(None);
        };
        payload.extend_from_slice(&chunk[..size]);
        if &chunk[size..] != b"\r\n" {
            return Err("chunk does not end where it says".into());
        }
        at += size + 2;
    }
}

/// Names that must not come behind a body (RFC 9110 section 6.5.1): framing, routing, modifiers, authentication, response control,
/// and how to read the content.
const NEVER_TRAIL: [&str; 40] = [
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

fn trailers(rest: &[u8]) -> Verdict<Option<(Vec<Field>, usize)>> {
    if rest.starts_with(b"\r\n") {
        return Ok(Some((Vec::new(), 2)));
    }
    let Some(end) = find(rest, b"\r\n\r\n") else {
        return Ok(None);
    };
    let lines = split_lines(&rest[..end])?;
    let fields: Vec<Field> = lines.into_iter().map(field).collect::<Verdict<_>>()?;
    for (name, _) in &fields {
        if NEVER_TRAIL.contains(&&*name.replace('_', "-")) {
            return Err(format!("{name} in the trailers"));
        }
    }
    Ok(Some((fields, end + 4)))
}
