//! Which requests of a client are right beyond doubt, so that refusing one of them is a fault.
//!
//! The grammar here is narrower than the RFC's on purpose: whatever one could argue about is doubtful, and then nothing follows.

use crate::judge::{Field, find, is_token, judge_host};

/// How many requests right beyond doubt `bytes` begin with, up to the first that closes, and whether these are all that will be
/// read.
pub(crate) fn beyond_doubt(bytes: &[u8]) -> (usize, bool) {
    let mut rest = bytes;
    let mut count = 0;
    while !rest.is_empty() {
        let Some((closes, len)) = one(rest) else {
            return (count, false);
        };
        count += 1;
        if closes {
            return (count, true);
        }
        rest = &rest[len..];
    }
    (count, true)
}

/// Does the first request close, and how long is it?
fn one(bytes: &[u8]) -> Option<(bool, usize)> {
    let end = find(bytes, b"\r\n\r\n")?;
    if end > 8000 {
        return None;
    }
    let text = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let lines: Vec<&str> = text.split("\r\n").collect();
    let plain = |c: char| c == '\t' || !c.is_control();
    if lines.len() > 64 || !lines.iter().all(|line| line.chars().all(plain)) {
        return None;
    }
    let parts: Vec<&str> = lines[0].split(' ').collect();
    let [method, target, version] = parts[..] else {
        return None;
    };
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    if !known.contains(&method) || !(is_path(target) || method == "OPTIONS" && target == "*") {
        return None;
    }
    let old = match version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        _ => return None,
    };
    let fields: Vec<Field> = lines[1..].iter().map(|l| field(l)).collect::<Option<_>>()?;
    let closes = closes(&fields, old)?;
    let len = body_len(&fields, old, &bytes[end + 4..])?;
    Some((closes, end + 4 + len))
}

fn is_path(target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_~!$&'()*+,;=:@/.".contains(&b);
    let dots = |segment: &str| segment == "." || segment == "..";
    path.starts_with('/')
        && path.bytes().all(plain)
        && !path.split('/').any(dots)
        && query.bytes().all(|b| plain(b) || b == b'?')
}

fn field(line: &str) -> Option<Field> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim_matches([' ', '\t']);
    let simple = is_token(name.as_bytes()) && !name.contains('_');
    simple.then(|| (name.to_lowercase(), value.as_bytes().to_vec()))
}

fn all<'a>(fields: &'a [Field], name: &str) -> Vec<&'a str> {
    let of_name = fields.iter().filter(|(n, _)| n == name);
    of_name
        .map(|(_, v)| std::str::from_utf8(v).unwrap_or("\0"))
        .collect()
}

/// Looks at all fields but those of the framing.
fn closes(fields: &[Field], old: bool) -> Option<bool> {
    match all(fields, "host")[..] {
        [host] if judge_host(host.as_bytes()).is_ok() => {}
        [] if old => {}
        _ => return None,
    }
    for name in ["authorization", "content-type", "max-forwards"] {
        if all(fields, name).len() > 1 {
            return None;
        }
    }
    for doubtful in ["upgrade", "expect", "max-forwards", "te", "trailer"] {
        if !all(fields, doubtful).is_empty() {
            return None;
        }
    }
    let options: Vec<String> = all(fields, "connection")
        .iter()
        .flat_map(|v| v.split(','))
        .map(|option| option.trim_matches([' ', '\t']).to_lowercase())
        .collect();
    if options.len() > 8 || !options.iter().all(|o| o == "close" || o == "keep-alive") {
        return None;
    }
    let close = options.iter().any(|o| o == "close");
    Some(close || old && options.is_empty())
}

fn body_len(fields: &[Field], old: bool, rest: &[u8]) -> Option<usize> {
    let lengths = all(fields, "content-length");
    let codings = all(fields, "transfer-encoding");
    match (&lengths[..], &codings[..]) {
        ([], []) => Some(0),
        ([length], []) => {
            let digits = length.bytes().all(|b| b.is_ascii_digit());
            let short = (1..=9).contains(&length.len());
            let length: usize = length.parse().ok().filter(|_| digits && short)?;
            (length <= rest.len()).then_some(length)
        }
        ([], [coding]) if !old && coding.eq_ignore_ascii_case("chunked") => chunks_len(rest),
        _ => None,
    }
}

/// Chunks with sizes in any form, simple extensions, and trailers that nobody reads.
fn chunks_len(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = find(&rest[at..], b"\r\n")?;
        let line = std::str::from_utf8(&rest[at..at + end]).ok()?;
        let mut parts = line.split(';');
        let digits = parts.next()?;
        let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let token = |t: &str| is_token(t.as_bytes());
        let simple = |e: &str| {
            e.split_once('=')
                .map_or(token(e), |(n, v)| token(n) && token(v))
        };
        if !hex || !(1..=8).contains(&digits.len()) || line.len() > 200 || !parts.all(simple) {
            return None;
        }
        let size = usize::from_str_radix(digits, 16).ok()?;
        at += end + 2;
        if size == 0 {
            break;
        }
        if rest.get(at + size..at + size + 2)? != b"\r\n" {
            return None;
        }
        at += size + 2;
    }
    loop {
        let end = find(&rest[at..], b"\r\n")?;
        let line = std::str::from_utf8(&rest[at..at + end]).ok()?;
        at += end + 2;
        if line.is_empty() {
            return Some(at);
        }
        let plain = line.chars().all(|c| c == '\t' || !c.is_control());
        let (name, _) = field(line)?;
        if !plain || !name.starts_with("x-") || name.starts_with("x-forwarded") || at > 2000 {
            return None;
        }
    }
}

/// Method and body of the first `count` requests, read as RFC 9112 section 6.3 delimits them and without judging anything else.
/// `None` if there are not as many.
pub(crate) fn delimit(bytes: &[u8], count: usize) -> Option<Vec<(String, Vec<u8>)>> {
    let mut rest = bytes;
    let mut all = Vec::new();
    for _ in 0..count {
        while let Some(behind) = rest.strip_prefix(b"\r\n") {
            rest = behind;
        }
        let end = find(rest, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 4..];
        let method = head.split(' ').next()?.to_owned();
        let value = |name: &str| {
            let lines = head.split("\r\n").skip(1).filter_map(|l| l.split_once(':'));
            let mut of_name = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
            of_name.next().map(|(_, v)| v.trim().to_owned())
        };
        let (body, len) = if value("transfer-encoding").is_some() {
            dechunk(rest)?
        } else {
            let len: usize = value("content-length").map_or(Ok(0), |v| v.parse()).ok()?;
            (rest.get(..len)?.to_vec(), len)
        };
        rest = &rest[len..];
        all.push((method, body));
    }
    Some(all)
}

/// Payload and bytes of chunks: a number, whatever else is on its line, so many bytes, a line end.
fn dechunk(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut payload = Vec::new();
    let mut at = 0;
    loop {
        let end = find(&rest[at..], b"\r\n")?;
        let digits = rest[at..at + end]
            .iter()
            .take_while(|b| b.is_ascii_hexdigit());
        let digits = String::from_utf8(digits.copied().collect()).ok()?;
        let size = usize::from_str_radix(&digits, 16).ok()?;
        at += end + 2;
        if size == 0 {
            break;
        }
        payload.extend_from_slice(rest.get(at..at.checked_add(size)?)?);
        at += size + 2;
    }
    while !rest.get(at..)?.starts_with(b"\r\n") {
        at += find(&rest[at..], b"\r\n")? + 2;
    }
    Some((payload, at + 2))
}

/// Status and body of the final answer in what an endpoint sent before it closed, delimited as RFC 9112 section 6.3 says. `None`
/// if it is not whole.
pub(crate) fn read_reply(mut bytes: &[u8], head_request: bool) -> Option<(u16, Vec<u8>)> {
    loop {
        let end = find(bytes, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let rest = &bytes[end + 4..];
        let status: u16 = head.get(9..12)?.parse().ok()?;
        if status < 200 {
            bytes = rest;
            continue;
        }
        let value = |name: &str| {
            let lines = head.split("\r\n").skip(1).filter_map(|l| l.split_once(':'));
            let mut of_name = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
            of_name.next().map(|(_, v)| v.trim().to_owned())
        };
        let body = if head_request || status == 204 || status == 304 {
            Vec::new()
        } else if value("transfer-encoding").is_some() {
            dechunk(rest)?.0
        } else if let Some(length) = value("content-length") {
            rest.get(..length.parse().ok()?)?.to_vec()
        } else {
            rest.to_vec()
        };
        return Some((status, body));
    }
}

#[test]
fn only_what_nobody_can_object_to_is_beyond_doubt() {
    let good = "GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX-A: 1\r\n\r\n";
    for (text, wanted) in [
        (good.to_owned(), (1, true)),
        (good.repeat(3), (3, true)),
        (format!("{good}{chunked}{good}"), (3, true)),
        (format!("{good}GET"), (1, false)),
        (format!("{good}\r\n{good}"), (1, false)),
        (good.replace("1.1", "1.0") + "junk", (1, true)),
        (good.replace("/a", "a"), (0, false)),
        (good.replace("Host: a", "Host: a@b"), (0, false)),
        (chunked.replace("abc", "abcd"), (0, false)),
        (chunked.replace("X-A", "Host"), (0, false)),
    ] {
        assert_eq!(beyond_doubt(text.as_bytes()), wanted, "{text:?}");
    }
}
