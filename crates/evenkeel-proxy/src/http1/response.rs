//! The head of an endpoint's answer: as strict as the request's, for an answer read in two ways poisons whoever asks next on
//! the same connection.

use super::fields::{Field, Fields, Known};
use super::scan::{HEAD_MAX, Lines, LoneLineFeed, Span, is_text};
use super::{Framing, Limits, Progress, Version, upgrade};

/// What was asked, as far as it decides how the answer is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The request was a HEAD: the answer has no body.
    pub head: bool,
    /// The protocols the request offered ([`RequestHead::upgrade`](super::RequestHead::upgrade)): a 101 that chooses from them
    /// is an answer. Any other is garbage.
    pub upgrade: Option<&'a [u8]>,
}

/// The endpoint's answer is not HTTP as it should be: the connection is useless, nothing of it was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// What was wrong.
    pub reason: &'static str,
}

fn garbage(reason: &'static str) -> Garbage {
    Garbage { reason }
}

/// How far the parser is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    StatusLine,
    Fields,
    /// Complete or garbage: the next call begins anew.
    Over,
}

/// The head of an answer; like [`RequestHead`](super::RequestHead), reused.
#[derive(Debug, Default)]
pub struct ResponseHead {
    stage: Stage,
    lines: Lines,
    len: usize,
    version: Version,
    status: u16,
    reason_at: Span,
    fields: Fields,
    framing: Framing,
    persistent: bool,
}

impl ResponseHead {
    /// Parses on from where the last call stopped; see [`RequestHead::parse`](super::RequestHead::parse).
    ///
    /// # Errors
    /// The answer is unusable and so is its connection.
    pub fn parse(
        &mut self,
        buf: &[u8],
        limits: &Limits,
        asked: Asked<'_>,
    ) -> Result<Progress, Garbage> {
        if self.stage == Stage::Over {
            self.reset();
        }
        let result = self.read_lines(buf, limits, asked);
        if result != Ok(Progress::Partial) {
            self.stage = Stage::Over;
        }
        result
    }

    /// Forgets a half-read head.
    pub fn reset(&mut self) {
        self.stage = Stage::StatusLine;
        self.lines = Lines::default();
        self.len = 0;
        self.fields.clear();
    }

    fn read_lines(
        &mut self,
        buf: &[u8],
        limits: &Limits,
        asked: Asked<'_>,
    ) -> Result<Progress, Garbage> {
        let max_head = limits.max_head.min(HEAD_MAX);
        loop {
            if self.stage == Stage::StatusLine {
                check_first_bytes(buf)?;
            }
            let line = self
                .lines
                .next(&buf[..buf.len().min(max_head)])
                .map_err(|LoneLineFeed| garbage("line ends without CR"))?;
            let Some((start, end)) = line else {
                if buf.len() >= max_head {
                    return Err(garbage("head of the answer is too large"));
                }
                return Ok(Progress::Partial);
            };
            match self.stage {
                Stage::StatusLine => {
                    self.status_line(buf, start, end)?;
                    self.stage = Stage::Fields;
                }
                _ if start == end => {
                    self.len = self.lines.position();
                    self.judge(buf, asked)?;
                    return Ok(Progress::Complete { len: self.len });
                }
                _ if self.fields.lines.len() >= limits.max_fields => {
                    return Err(garbage("too many field lines in the answer"));
                }
                _ => {
                    self.fields.push(buf, start, end).map_err(garbage)?;
                }
            }
        }
    }

    /// `HTTP/1.1 200 OK`; the reason may be empty, and the space before it missing, as many servers have it.
    fn status_line(&mut self, buf: &[u8], start: usize, end: usize) -> Result<(), Garbage> {
        const CODE: usize = b"HTTP/1.1 ".len();
        let line = &buf[start..end];
        self.version = match line.get(..CODE) {
            Some(b"HTTP/1.0 ") => Version::Http10,
            // A higher minor version is read as the highest one known (RFC 9110 section 6.2).
            Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9', b' ']) => Version::Http11,
            _ => return Err(garbage("answer does not begin with HTTP/1.1 or HTTP/1.0")),
        };
        self.status = match line.get(CODE..CODE + 3) {
            // Everything else is invalid (RFC 9110 section 15), to be taken for a server's error: which a 502 is.
            Some([a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9']) => [a, b, c]
                .iter()
                .fold(0, |n, &&d| n * 10 + u16::from(d - b'0')),
            _ => return Err(garbage("status is not a number from 100 to 599")),
        };
        let rest = &line[CODE + 3..];
        if !(rest.is_empty() || rest[0] == b' ') || !is_text(rest) {
            return Err(garbage("bad reason phrase"));
        }
        self.reason_at = Span::new(end - rest.len().saturating_sub(1), end);
        Ok(())
    }

    fn judge(&mut self, buf: &[u8], asked: Asked<'_>) -> Result<(), Garbage> {
        if !self.lines.are_text(buf) {
            return Err(garbage("control byte in the head"));
        }
        self.fields.read_options(buf).map_err(garbage)?;
        let lengths = self.fields.lengths;
        if lengths.chunked && self.version == Version::Http10 {
            return Err(garbage("Transfer-Encoding in an HTTP/1.0 answer"));
        }
        if self.status == 101 && !self.switches_as_asked(buf, asked) {
            return Err(garbage("101 without being asked for it"));
        }
        // A status that can have no body, and a head that announces one (RFC 9110 section 8.6 forbids it): it may follow.
        let without_body = matches!(self.status, 100..=199 | 204);
        let announces = lengths.chunked || lengths.length.is_some_and(|length| length > 0);
        if self.status < 200 && announces {
            return Err(garbage("interim answer that announces a body"));
        }
        self.framing = if self.status == 101 {
            Framing::Tunnel
        } else if without_body || asked.head || self.status == 304 {
            Framing::None
        } else if lengths.chunked {
            Framing::Chunked
        } else if let Some(length) = lengths.length {
            Framing::Length(length)
        } else {
            Framing::UntilClose
        };
        let options = self.fields.options;
        self.persistent = !options.close
            && (self.version == Version::Http11 || options.keep_alive)
            && !matches!(self.framing, Framing::UntilClose | Framing::Tunnel)
            && !(without_body && announces);
        Ok(())
    }

    /// One `Upgrade`, named by `Connection`, with nothing in it but what was offered.
    fn switches_as_asked(&self, buf: &[u8], asked: Asked<'_>) -> bool {
        let chosen = self.fields.first(buf, Known::Upgrade);
        self.fields.options.upgrade
            && !self.fields.has_two_of(&[Known::Upgrade])
            && chosen
                .zip(asked.upgrade)
                .is_some_and(|(chosen, offered)| upgrade::was_offered(chosen, offered))
    }

    /// Does `Connection` name fields that are not of one connection only? Then no trailer can be trusted to go on.
    pub fn names_fields(&self) -> bool {
        self.fields.options.names
    }

    /// Bytes of the head.
    pub fn len(&self) -> usize {
        self.len
    }
    /// True until a head is complete.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// 100–599.
    pub fn status(&self) -> u16 {
        self.status
    }
    /// The reason phrase, which may be empty.
    pub fn reason<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.reason_at.of(buf)
    }
    /// A 1xx other than 101: forwarded (to HTTP/1.1 clients), then the real answer's head follows.
    pub fn interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
    /// Version of the endpoint's message.
    pub fn version(&self) -> Version {
        self.version
    }
    /// How its body is delimited; `Tunnel` for a 101.
    pub fn framing(&self) -> Framing {
        self.framing
    }
    /// `Content-Length` as given, which for HEAD and 304 tells of a body that is not there.
    pub fn length(&self) -> Option<u64> {
        self.fields.lengths.length
    }
    /// May the connection to the endpoint be used again once the body is read?
    pub fn persistent(&self) -> bool {
        self.persistent
    }
    /// All field lines in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields.lines
    }
    /// Value of the first field line of this name.
    pub fn known<'a>(&self, buf: &'a [u8], name: Known) -> Option<&'a [u8]> {
        self.fields.first(buf, name)
    }
    /// Values of all field lines of this name (any case).
    pub fn values<'a>(&'a self, buf: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.values(buf, name)
    }
}

/// What does not begin like HTTP need not be waited for.
fn check_first_bytes(buf: &[u8]) -> Result<(), Garbage> {
    const BEGIN: &[u8] = b"HTTP/1.";
    let len = buf.len().min(BEGIN.len());
    if buf[..len] == BEGIN[..len] {
        Ok(())
    } else {
        Err(garbage("answer does not begin with HTTP/1.1 or HTTP/1.0"))
    }
}
