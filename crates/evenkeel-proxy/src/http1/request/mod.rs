//! The head of a request: parsed line by line, judged strictly, kept as offsets.

mod judge;
mod line;

use super::fields::{Field, Fields, Known};
use super::framing::UNKNOWN_CODING;
use super::scan::{HEAD_MAX, Lines, LoneLineFeed, Span, TOKEN, token_len};
use super::{Framing, Limits, Method, Progress, Refusal, Version};

/// Empty lines that may stand before a request line (RFC 9112 section 2.2 asks for at least one: an old client ends a
/// POST body with a CR LF it did not count).
const BLANK_MAX: u8 = 2;

/// How far the parser is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    RequestLine,
    Fields,
    /// Complete or refused: the next call begins anew.
    Over,
}

/// The head of a request: offsets into the caller's buffer. One per connection, reused for every request on it.
///
/// All accessors take the buffer the head was parsed from (the same bytes at the same offsets).
#[derive(Debug, Default)]
pub struct RequestHead {
    stage: Stage,
    lines: Lines,
    blank: u8,
    len: usize,
    method: Method,
    method_at: Span,
    target_at: Span,
    /// `None`: in `normal`.
    path_at: Option<Span>,
    normal: String,
    query_at: Option<Span>,
    /// The authority of a target in absolute form.
    absolute_at: Option<Span>,
    /// Who is asked; `None`: in `authority`, or unknown.
    authority_at: Option<Span>,
    authority: String,
    host: String,
    /// The connection is TLS. Not forgotten by `reset`.
    tls: bool,
    version: Version,
    fields: Fields,
    framing: Framing,
    persistent: bool,
    upgrade_at: Option<Span>,
    expect_continue: bool,
    max_forwards: Option<u32>,
    /// No control byte but those of line ends before this.
    clean: usize,
}

fn bad(reason: &'static str) -> Refusal {
    Refusal {
        status: 400,
        reason,
    }
}

/// What is wrong with a field line.
fn bad_field(reason: &'static str) -> Refusal {
    Refusal {
        status: if reason == UNKNOWN_CODING { 501 } else { 400 },
        reason,
    }
}

impl RequestHead {
    /// Parses on from where the last call stopped. `buf` begins at the request's first byte and holds at least what the
    /// last call saw, unchanged. After `Complete` or a refusal the next call begins anew by itself; call
    /// [`reset`](Self::reset) when a half-read head is given up.
    ///
    /// # Errors
    /// The answer to give; the connection is closed after it.
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Progress, Refusal> {
        if self.stage == Stage::Over {
            self.reset();
        }
        let result = self.read_lines(buf, limits);
        if result != Ok(Progress::Partial) {
            self.stage = Stage::Over;
        }
        result
    }

    /// Forgets a half-read head.
    pub fn reset(&mut self) {
        self.stage = Stage::RequestLine;
        self.lines = Lines::default();
        self.blank = 0;
        self.len = 0;
        self.path_at = None;
        self.query_at = None;
        self.absolute_at = None;
        self.authority_at = None;
        self.authority.clear();
        self.upgrade_at = None;
        self.max_forwards = None;
        self.method = Method::Get;
        self.clean = 0;
        self.host.clear();
        self.fields.clear();
    }

    fn read_lines(&mut self, buf: &[u8], limits: &Limits) -> Result<Progress, Refusal> {
        let max_head = limits.max_head.min(HEAD_MAX);
        loop {
            if self.stage == Stage::RequestLine {
                self.check_first_byte(buf)?;
            }
            let line = self
                .lines
                .next(&buf[..buf.len().min(max_head)])
                .map_err(|LoneLineFeed| bad("line ends without CR"))?;
            let Some((start, end)) = line else {
                if buf.len() >= max_head {
                    return Err(self.too_large(&buf[..max_head]));
                }
                return Ok(Progress::Partial);
            };
            match self.stage {
                Stage::RequestLine if start == end => {
                    self.blank += 1;
                    if self.blank > BLANK_MAX {
                        return Err(bad("empty lines instead of a request"));
                    }
                }
                Stage::RequestLine => {
                    self.request_line(buf, start, end)?;
                    self.stage = Stage::Fields;
                }
                _ if start == end => {
                    self.len = self.lines.position();
                    self.judge(buf)?;
                    return Ok(Progress::Complete { len: self.len });
                }
                _ => {
                    if self.fields.lines.len() >= limits.max_fields {
                        return Err(Refusal {
                            status: 431,
                            reason: "more field lines than this listener allows",
                        });
                    }
                    self.fields.push(buf, start, end).map_err(bad_field)?;
                }
            }
        }
    }

    /// RFC 9112 section 3 has a status of its own for a target that is too long.
    fn too_large(&self, buf: &[u8]) -> Refusal {
        let line = buf.get(self.lines.position()..).unwrap_or_default();
        let in_target =
            self.stage == Stage::RequestLine && line.get(token_len(line)) == Some(&b' ');
        if in_target {
            return Refusal {
                status: 414,
                reason: "request target is longer than this listener allows",
            };
        }
        Refusal {
            status: 431,
            reason: "request head is larger than this listener allows",
        }
    }

    /// Is there a byte in this half-read head that no head may have, so that waiting for the rest of it is of no use? Looks at
    /// each byte once, and only where somebody is about to wait.
    pub fn is_hopeless(&mut self, buf: &[u8]) -> bool {
        let unseen = buf.get(self.clean..).unwrap_or_default();
        for (at, &b) in unseen.iter().enumerate() {
            match b {
                b'\r' if at + 1 == unseen.len() => {
                    self.clean += at;
                    return false;
                }
                b'\r' if unseen[at + 1] != b'\n' => return true,
                b'\t' | b'\r' | b'\n' => {}
                0..0x20 | 0x7f => return true,
                _ => {}
            }
        }
        self.clean += unseen.len();
        false
    }

    /// Is the connection TLS? That decides which scheme a target in absolute form may have: a client that asks for the other
    /// one believes to talk to somebody else. Remembered from request to request.
    pub fn over_tls(&mut self, tls: bool) {
        self.tls = tls;
    }

    /// Something that is not HTTP at all (a TLS hello) need not be waited for.
    fn check_first_byte(&self, buf: &[u8]) -> Result<(), Refusal> {
        match buf.get(self.lines.position()) {
            Some(b'\r' | b'\n') | None => Ok(()),
            Some(&b) if TOKEN[b as usize] => Ok(()),
            Some(_) => Err(bad("this is no HTTP request")),
        }
    }

    /// Bytes of the head.
    pub fn len(&self) -> usize {
        self.len
    }
    /// True until a head is complete.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Which method.
    pub fn method(&self) -> Method {
        self.method
    }
    /// The method as sent, case-sensitive.
    pub fn method_str<'a>(&self, buf: &'a [u8]) -> &'a str {
        self.method_at.text(buf)
    }
    /// The path in its normal form, without the query: what routing looks at and what is forwarded. `*` for `OPTIONS *`.
    pub fn path<'a>(&'a self, buf: &'a [u8]) -> &'a str {
        match self.path_at {
            Some(at) => at.text(buf),
            None => &self.normal,
        }
    }
    /// What follows the `?`, as sent.
    pub fn query<'a>(&self, buf: &'a [u8]) -> Option<&'a str> {
        self.query_at.map(|at| at.text(buf))
    }
    /// The request target as sent, for the log.
    pub fn target<'a>(&self, buf: &'a [u8]) -> &'a str {
        self.target_at.text(buf)
    }
    /// The host in lower case, without port, IPv6 in brackets: what routing looks at. Empty if an HTTP/1.0 client gave none.
    pub fn host(&self) -> &str {
        &self.host
    }
    /// Host and port (from the target if it is in absolute form): as sent, but for a port that is empty or has leading zeros.
    pub fn authority<'a>(&'a self, buf: &'a [u8]) -> &'a str {
        match self.authority_at {
            Some(at) => at.text(buf),
            None => &self.authority,
        }
    }
    // The same as bytes, for whoever only writes them on: text costs a look at each byte.
    pub(crate) fn method_bytes<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.method_at.of(buf)
    }
    pub(crate) fn path_bytes<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        self.path_at.map_or(self.normal.as_bytes(), |at| at.of(buf))
    }
    pub(crate) fn query_bytes<'a>(&self, buf: &'a [u8]) -> Option<&'a [u8]> {
        self.query_at.map(|at| at.of(buf))
    }
    pub(crate) fn authority_bytes<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        self.authority_at
            .map_or(self.authority.as_bytes(), |at| at.of(buf))
    }

    /// Version of the client's message.
    pub fn version(&self) -> Version {
        self.version
    }
    /// `None`, `Length` or `Chunked`.
    pub fn framing(&self) -> Framing {
        self.framing
    }
    /// Does the client want to send further requests on this connection?
    pub fn persistent(&self) -> bool {
        self.persistent
    }
    /// The protocol the client wants to switch to (`websocket`): one `Upgrade` named by `Connection`, HTTP/1.1, without
    /// body, neither HTTP/2 nor TLS. Else the field is dropped.
    pub fn upgrade<'a>(&self, buf: &'a [u8]) -> Option<&'a [u8]> {
        self.upgrade_at.map(|at| at.of(buf))
    }
    /// `Max-Forwards` of an OPTIONS or a TRACE: at 0 the request goes no further and is answered here.
    pub fn max_forwards(&self) -> Option<u32> {
        self.max_forwards
    }
    /// Does `Connection` name fields that are not of one connection only? Then no trailer can be trusted to go on.
    pub fn names_fields(&self) -> bool {
        self.fields.options.names
    }
    /// Does the client wait for a 100 before it sends its body? False for HTTP/1.0 and without body.
    pub fn expect_continue(&self) -> bool {
        self.expect_continue
    }
    /// All field lines in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields.lines
    }
    /// Value of the first field line of this name.
    pub fn known<'a>(&self, buf: &'a [u8], name: Known) -> Option<&'a [u8]> {
        self.fields.first(buf, name)
    }
    /// Values of all field lines of this name (any case), each line by itself.
    pub fn values<'a>(&'a self, buf: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.values(buf, name)
    }
}
