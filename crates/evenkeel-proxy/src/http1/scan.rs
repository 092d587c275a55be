//! Lines, byte classes and offsets: what both heads and the trailers are cut with.
//!
//! A line ends with CR LF and nothing else (RFC 9112 section 2.2 lets a recipient accept a lone LF; two parties that
//! differ in that see different messages, so it is refused). A lone CR is a control byte and is refused wherever it stands.

/// A range of the caller's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Offsets fit: a head is at most [`HEAD_MAX`] bytes.
    pub(crate) fn new(start: usize, end: usize) -> Span {
        debug_assert!(start <= end && end <= HEAD_MAX);
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The bytes themselves. `buf` must be the buffer the head was parsed from; an empty slice if it is too short.
    pub fn of(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// As text. What was parsed as a token, target or authority is ASCII.
    pub(crate) fn text(self, buf: &[u8]) -> &str {
        std::str::from_utf8(self.of(buf)).unwrap_or_default()
    }
}

/// No head is larger, whatever the limits say: offsets are 32 bits wide.
pub(crate) const HEAD_MAX: usize = 16 << 20;

/// A line ended with a lone LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoneLineFeed;

/// Cuts lines out of a growing buffer; no byte is searched twice.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Where the next line starts.
    start: usize,
    /// No LF in `start..searched`.
    searched: usize,
    /// Lines so far.
    count: usize,
}

impl Lines {
    /// The next line as (start, end without CR LF), or `None` if it is not all there.
    pub(crate) fn next(&mut self, buf: &[u8]) -> Result<Option<(usize, usize)>, LoneLineFeed> {
        let unseen = buf.get(self.searched..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', unseen) else {
            self.searched = buf.len().max(self.searched);
            return Ok(None);
        };
        let (start, lf) = (self.start, self.searched + at);
        self.start = lf + 1;
        self.searched = lf + 1;
        self.count += 1;
        if lf == start || buf[lf - 1] != b'\r' {
            return Err(LoneLineFeed);
        }
        Ok(Some((start, lf - 1)))
    }

    /// Has what was cut so far no control bytes but tabs and the CR LF of each line? One pass over a whole head costs less
    /// than one over each value.
    pub(crate) fn are_text(&self, buf: &[u8]) -> bool {
        controls(&buf[..self.start]) == 2 * self.count
    }

    /// Where the next line starts: one past the last line's CR LF.
    pub(crate) fn position(&self) -> usize {
        self.start
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(crate) const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");

/// Letters and digits and these.
pub(crate) const fn table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 128 {
        table[b] = (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
}

/// Length of the token that `bytes` begins with.
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|&b| !TOKEN[b as usize])
        .unwrap_or(bytes.len())
}

/// May this byte not stand in a field value or a reason phrase? Visible ones, space, tab, and 0x80–0xff, which stay opaque, may
/// (RFC 9110 section 5.5).
const fn is_control(b: u8) -> bool {
    ((b < 0x20) & (b != b'\t')) | (b == 0x7f)
}

/// How many control bytes there are. Counted in bytes, 128 at a time, so that it is vectorised.
fn controls(bytes: &[u8]) -> usize {
    let count = |part: &[u8]| part.iter().fold(0u8, |n, &b| n + u8::from(is_control(b)));
    bytes.chunks(128).map(|part| usize::from(count(part))).sum()
}

/// Has it no control bytes?
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    controls(bytes) == 0
}

/// Without spaces and tabs at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Elements of a comma-separated list (RFC 9110 section 5.6.1), trimmed, empty ones left out.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&b| b == b',')
        .map(trim)
        .filter(|e| !e.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        let whole = [(0, 14), (16, 23), (25, 25)];
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for end in 0..=text.len() {
            while let Some(line) = lines.next(&text[..end]).unwrap() {
                seen.push(line);
            }
        }
        assert_eq!(seen, whole);
        assert_eq!(lines.position(), 27);
    }

    #[test]
    fn a_lone_line_feed_is_refused() {
        for text in [&b"\n"[..], b"a\n", b"a\r\n\n"] {
            let mut lines = Lines::default();
            let mut last = Ok(None);
            for _ in 0..2 {
                last = lines.next(text);
                if last.is_err() {
                    break;
                }
            }
            assert_eq!(last, Err(LoneLineFeed), "{text:?}");
        }
    }

    #[test]
    fn only_control_bytes_are_not_text() {
        for b in 0..=255u8 {
            let fine = !(b < 0x20 && b != b'\t' || b == 0x7f);
            assert_eq!(is_text(&[b]), fine, "{b:#x}");
            assert_eq!(is_text(&[[b'a'; 40].as_slice(), &[b]].concat()), fine);
        }
    }

    #[test]
    fn lists_lose_their_blanks_and_empty_elements() {
        let all: Vec<_> = list(b" a ,, b\t,c,").collect();
        assert_eq!(all, [b"a", b"b", b"c"]);
        assert_eq!(trim(b" \t "), b"");
    }
}
