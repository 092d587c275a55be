//! The field lines of a head: offsets, and known names told by length and first byte.

use super::framing::{LengthError, Lengths};
use super::scan::{Span, TOKEN, list, token_len, trim};

/// Field names that evenkeel itself looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of that name
pub enum Known {
    #[default]
    Other,
    Accept,
    Authorization,
    Connection,
    ContentLength,
    ContentType,
    Cookie,
    Date,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    MaxForwards,
    Proxy,
    ProxyAuthorization,
    ProxyConnection,
    Referer,
    RetryAfter,
    Te,
    Traceparent,
    Tracestate,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    /// Any other field whose name begins with `x-forwarded-`.
    XForwardedOther,
    XRequestId,
}

impl Known {
    /// Which one a name is. Length and first byte leave one candidate or two.
    pub(crate) fn of(name: &[u8]) -> Known {
        let first = name.first().map_or(0, |b| b | 0x20);
        let (candidate, known): (&[u8], Known) = match (name.len(), first) {
            (2, b't') => (b"te", Known::Te),
            (4, b'h') => (b"host", Known::Host),
            (4, b'd') => (b"date", Known::Date),
            (6, b'a') => (b"accept", Known::Accept),
            (6, b'c') => (b"cookie", Known::Cookie),
            (6, b'e') => (b"expect", Known::Expect),
            (5, b'p') => (b"proxy", Known::Proxy),
            (7, b'u') => (b"upgrade", Known::Upgrade),
            (7, b't') => (b"trailer", Known::Trailer),
            (7, b'r') => (b"referer", Known::Referer),
            (9, b'f') => (b"forwarded", Known::Forwarded),
            (10, b'c') => (b"connection", Known::Connection),
            (10, b'k') => (b"keep-alive", Known::KeepAlive),
            (10, b'u') => (b"user-agent", Known::UserAgent),
            (10, b't') => (b"tracestate", Known::Tracestate),
            (11, b't') => (b"traceparent", Known::Traceparent),
            (11, b'r') => (b"retry-after", Known::RetryAfter),
            (12, b'c') => (b"content-type", Known::ContentType),
            (12, b'm') => (b"max-forwards", Known::MaxForwards),
            (12, b'x') => (b"x-request-id", Known::XRequestId),
            (13, b'a') => (b"authorization", Known::Authorization),
            (14, b'h') => (b"http2-settings", Known::Http2Settings),
            (14, b'c') => (b"content-length", Known::ContentLength),
            (16, b'p') => (b"proxy-connection", Known::ProxyConnection),
            (17, b't') => (b"transfer-encoding", Known::TransferEncoding),
            (19, b'p') => (b"proxy-authorization", Known::ProxyAuthorization),
            (13.., b'x') => return Known::forwarded(name),
            _ => return Known::Other,
        };
        if is_name(name, candidate) {
            known
        } else {
            Known::Other
        }
    }

    fn forwarded(name: &[u8]) -> Known {
        const PREFIX: &[u8] = b"x-forwarded-";
        if !is_name(&name[..PREFIX.len()], PREFIX) {
            return Known::Other;
        }
        match name[PREFIX.len()..].to_ascii_lowercase_array() {
            (3, [b'f', b'o', b'r', _, _]) => Known::XForwardedFor,
            (4, [b'h', b'o', b's', b't', _]) => Known::XForwardedHost,
            (5, [b'p', b'r', b'o', b't', b'o']) => Known::XForwardedProto,
            _ => Known::XForwardedOther,
        }
    }

    /// Belongs to one connection only (RFC 9110 section 7.6.1), or is written anew. So does `HTTP2-Settings`, whose upgrade is
    /// never passed on; and `Proxy`, which no server expects and CGI turns into the variable that names a program's proxy.
    fn hop_by_hop(self) -> bool {
        matches!(
            self,
            Known::Connection
                | Known::Http2Settings
                | Known::KeepAlive
                | Known::Proxy
                | Known::ProxyAuthorization
                | Known::ProxyConnection
                | Known::Te
                | Known::TransferEncoding
                | Known::Upgrade
        )
    }
}

/// Is it this name in whatever case? `lower` must be of lower-case letters, digits and dashes. Eight bytes at a time, since
/// every field line of every message is asked this.
fn is_name(name: &[u8], lower: &[u8]) -> bool {
    /// Differ at most in the bit of the case, and that only where there are letters (which alone have 0x40).
    fn same(a: u64, lower: u64) -> bool {
        (a ^ lower) & !(lower >> 1 & 0x2020_2020_2020_2020) == 0
    }
    let short = |a: &[u8; 4], b: &[u8; 4]| {
        same(u32::from_le_bytes(*a).into(), u32::from_le_bytes(*b).into())
    };
    let long = |a: &[u8; 8], b: &[u8; 8]| same(u64::from_le_bytes(*a), u64::from_le_bytes(*b));
    if name.len() != lower.len() {
        return false;
    }
    // The last word may overlap the one before.
    if let (Some(a), Some(b)) = (name.last_chunk(), lower.last_chunk()) {
        let words = name.as_chunks().0.iter().zip(lower.as_chunks().0);
        return long(a, b) && words.into_iter().all(|(a, b)| long(a, b));
    }
    if let (Some(a), Some(b)) = (name.last_chunk(), lower.last_chunk())
        && let (Some(c), Some(d)) = (name.first_chunk(), lower.first_chunk())
    {
        return short(a, b) && short(c, d);
    }
    name.eq_ignore_ascii_case(lower)
}

/// The first five bytes in lower case, and the whole length.
trait FirstLower {
    fn to_ascii_lowercase_array(&self) -> (usize, [u8; 5]);
}

impl FirstLower for [u8] {
    fn to_ascii_lowercase_array(&self) -> (usize, [u8; 5]) {
        let mut first = [0; 5];
        for (to, from) in first.iter_mut().zip(self) {
            *to = from.to_ascii_lowercase();
        }
        (self.len(), first)
    }
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
    /// Goes no further: hop-by-hop, or named by `Connection`, or a look-alike of a name that means something here.
    pub(crate) hop: bool,
}

/// What is wrong with a field line.
pub(crate) type Wrong = &'static str;

/// What a byte of a name is: 0 no `tchar`, else one; `_` has a mark of its own.
const NAME: [u8; 256] = {
    let mut class = [0; 256];
    let mut b = 0;
    while b < 256 {
        class[b] = TOKEN[b] as u8;
        b += 1;
    }
    class[b'_' as usize] |= UNDERSCORE;
    class
};
const UNDERSCORE: u8 = 2;

/// Cuts one field line, which stands at `start..end` of `buf`, without its CR LF. Whether its value is text, the caller has
/// to look: for heads that is done once for all lines.
pub(crate) fn parse_line(buf: &[u8], start: usize, end: usize) -> Result<Field, Wrong> {
    let line = &buf[start..end];
    let mut colon = 0;
    let mut seen = 0;
    while let Some(&b) = line.get(colon)
        && NAME[b as usize] != 0
    {
        seen |= NAME[b as usize];
        colon += 1;
    }
    if colon == 0 || line.get(colon) != Some(&b':') {
        return Err(wrong_name(line, colon));
    }
    let mut at = colon + 1;
    while let Some(b' ' | b'\t') = line.get(at) {
        at += 1;
    }
    let value = trim(&line[at..]);
    let name = &line[..colon];
    let known = Known::of(name);
    Ok(Field {
        name: Span::new(start, start + colon),
        value: Span::new(start + at, start + at + value.len()),
        known,
        hop: known.hop_by_hop() || seen & UNDERSCORE != 0 && is_look_alike(name),
    })
}

fn wrong_name(line: &[u8], colon: usize) -> Wrong {
    match line.get(colon) {
        Some(b' ' | b'\t') if colon == 0 => "folded field line",
        Some(b' ' | b'\t') => "space in or after a field name",
        Some(b':') => "empty field name",
        None => "field line without a colon",
        Some(_) => "byte that no field name may have",
    }
}

/// Servers that hand fields on as variables (CGI, WSGI) take `_` for `-`: `Content_Length` would become a second
/// `Content-Length` there. Such look-alikes of names that mean something here go no further.
fn is_look_alike(name: &[u8]) -> bool {
    const LONGEST: usize = 24;
    if name.len() > LONGEST {
        return false;
    }
    let mut dashed = [0; LONGEST];
    for (to, &from) in dashed.iter_mut().zip(name) {
        *to = if from == b'_' { b'-' } else { from };
    }
    Known::of(&dashed[..name.len()]) != Known::Other
}

/// What the `Connection` fields of a head say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    /// Fields that are not hop-by-hop anyway: they are taken out of the head, and no trailer may have such a name.
    pub(crate) names: bool,
}

// `Fields::seen` has a bit for each.
const _: () = assert!((Known::XRequestId as u32) < u32::BITS);

const fn bit(known: Known) -> u32 {
    1 << known as u32
}

/// More connection options than this in one head are refused: each is looked for among all fields.
const OPTIONS_MAX: usize = 32;

/// All field lines of a head, and what both kinds of head read from them.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) lines: Vec<Field>,
    pub(crate) options: Options,
    pub(crate) lengths: Lengths,
    /// One bit for each [`Known`] among them.
    seen: u32,
    /// … for each that came more than once.
    again: u32,
}

impl Fields {
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.options = Options::default();
        self.lengths = Lengths::default();
        self.seen = 0;
        self.again = 0;
    }

    /// Is there a line of this name?
    pub(crate) fn has(&self, known: Known) -> bool {
        self.seen & bit(known) != 0
    }

    /// Is there more than one line of one of these names?
    pub(crate) fn has_two_of(&self, all: &[Known]) -> bool {
        let mask = all.iter().fold(0, |mask, &known| mask | bit(known));
        self.again & mask != 0
    }

    /// Adds the line at `start..end`.
    pub(crate) fn push(&mut self, buf: &[u8], start: usize, end: usize) -> Result<(), Wrong> {
        let field = parse_line(buf, start, end)?;
        self.again |= self.seen & bit(field.known);
        self.seen |= bit(field.known);
        let read = match field.known {
            Known::ContentLength => self.lengths.content_length(field.value.of(buf)),
            Known::TransferEncoding => self.lengths.transfer_encoding(field.value.of(buf)),
            _ => Ok(()),
        };
        read.map_err(|LengthError(reason)| reason)?;
        self.lines.push(field);
        Ok(())
    }

    /// Reads the `Connection` fields and marks what they name.
    pub(crate) fn read_options(&mut self, buf: &[u8]) -> Result<(), Wrong> {
        if !self.has(Known::Connection) {
            return Ok(());
        }
        let mut count = 0;
        for at in 0..self.lines.len() {
            if self.lines[at].known != Known::Connection {
                continue;
            }
            for option in list(self.lines[at].value.of(buf)) {
                count += 1;
                if count > OPTIONS_MAX {
                    return Err("too many connection options");
                }
                self.read_option(buf, option)?;
            }
        }
        Ok(())
    }

    fn read_option(&mut self, buf: &[u8], option: &[u8]) -> Result<(), Wrong> {
        if token_len(option) != option.len() {
            return Err("connection option is not a token");
        }
        if option.eq_ignore_ascii_case(b"close") {
            self.options.close = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            self.options.keep_alive = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            self.options.upgrade = true;
        } else if matches!(
            Known::of(option),
            Known::Host | Known::ContentLength | Known::TransferEncoding
        ) {
            return Err("Connection names a field that delimits or addresses the message");
        } else {
            self.options.names |= !Known::of(option).hop_by_hop();
            for field in &mut self.lines {
                field.hop |= field.name.of(buf).eq_ignore_ascii_case(option);
            }
        }
        Ok(())
    }

    /// The first line of this name.
    pub(crate) fn first<'a>(&self, buf: &'a [u8], known: Known) -> Option<&'a [u8]> {
        if !self.has(known) {
            return None;
        }
        let field = self.lines.iter().find(|f| f.known == known)?;
        Some(field.value.of(buf))
    }

    /// Values of all lines of this name.
    pub(crate) fn values<'a>(
        &'a self,
        buf: &'a [u8],
        name: &'a str,
    ) -> impl Iterator<Item = &'a [u8]> {
        self.lines
            .iter()
            .filter(move |f| f.name.of(buf).eq_ignore_ascii_case(name.as_bytes()))
            .map(|f| f.value.of(buf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        let all = [
            ("Accept", Known::Accept),
            ("Authorization", Known::Authorization),
            ("Connection", Known::Connection),
            ("Content-Length", Known::ContentLength),
            ("Content-Type", Known::ContentType),
            ("Cookie", Known::Cookie),
            ("Date", Known::Date),
            ("Expect", Known::Expect),
            ("Forwarded", Known::Forwarded),
            ("Host", Known::Host),
            ("HTTP2-Settings", Known::Http2Settings),
            ("Max-Forwards", Known::MaxForwards),
            ("Proxy", Known::Proxy),
            ("Keep-Alive", Known::KeepAlive),
            ("Proxy-Authorization", Known::ProxyAuthorization),
            ("Proxy-Connection", Known::ProxyConnection),
            ("Referer", Known::Referer),
            ("Retry-After", Known::RetryAfter),
            ("TE", Known::Te),
            ("Traceparent", Known::Traceparent),
            ("Tracestate", Known::Tracestate),
            ("Trailer", Known::Trailer),
            ("Transfer-Encoding", Known::TransferEncoding),
            ("Upgrade", Known::Upgrade),
            ("User-Agent", Known::UserAgent),
            ("X-Forwarded-For", Known::XForwardedFor),
            ("X-Forwarded-Host", Known::XForwardedHost),
            ("X-Forwarded-Proto", Known::XForwardedProto),
            ("X-Forwarded-Port", Known::XForwardedOther),
            ("X-Forwarded-Form", Known::XForwardedOther),
            ("X-Request-Id", Known::XRequestId),
            ("X-Requested-With", Known::Other),
            ("Hostt", Known::Other),
            ("Hast", Known::Other),
            ("", Known::Other),
        ];
        for (name, known) in all {
            assert_eq!(Known::of(name.as_bytes()), known, "{name}");
            assert_eq!(Known::of(name.to_lowercase().as_bytes()), known, "{name}");
            assert_eq!(Known::of(name.to_uppercase().as_bytes()), known, "{name}");
            for at in 0..name.len() {
                for b in 0..=255u8 {
                    let mut other = name.as_bytes().to_vec();
                    other[at] = b;
                    let same = other.eq_ignore_ascii_case(name.as_bytes());
                    let lower = name.to_lowercase();
                    assert_eq!(is_name(&other, lower.as_bytes()), same, "{other:?}");
                }
            }
        }
    }

    #[test]
    fn look_alikes_with_underscores_go_no_further() {
        for (line, hop) in [
            ("Content_Length: 5", true),
            ("transfer_encoding: chunked", true),
            ("X_Forwarded-For: 1.1.1.1", true),
            ("X_Custom: 1", false),
            ("Connection: close", true),
            ("X-Custom: 1", false),
        ] {
            let field = parse_line(line.as_bytes(), 0, line.len()).unwrap();
            assert_eq!(field.hop, hop, "{line}");
        }
    }

    #[test]
    fn values_lose_the_white_space_around_them() {
        for (line, value) in [
            ("a:b", "b"),
            ("a: b", "b"),
            ("a:\t b c \t", "b c"),
            ("a:", ""),
            ("a:   ", ""),
            ("a: é", "é"),
        ] {
            let field = parse_line(line.as_bytes(), 0, line.len()).unwrap();
            assert_eq!(field.value.text(line.as_bytes()), value, "{line:?}");
        }
    }
}
