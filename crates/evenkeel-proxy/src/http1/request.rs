//! The head of a request: parsed line by line, judged strictly, kept as offsets.

use super::fields::{Field, Fields, Known};
use super::scan::{HEAD_MAX, Lines, LoneLineFeed, Span, TOKEN, list, token_len};
use super::target::{parse_authority, parse_path};
use super::{Framing, Limits, Progress, Refusal, Version};

/// A request's method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the method of that name
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Trace,
    Patch,
    /// Some other token; forwarded as it is.
    Other,
}

impl Method {
    fn of(token: &[u8]) -> Method {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            _ => Method::Other,
        }
    }

    /// May it be done twice (RFC 9110 section 9.2.2)? An unknown method may not.
    pub const fn idempotent(self) -> bool {
        !matches!(self, Method::Post | Method::Patch | Method::Other)
    }
}

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
    /// Of the absolute form, until the end; then whichever counts.
    authority_at: Option<Span>,
    host: String,
    version: Version,
    fields: Fields,
    framing: Framing,
    persistent: bool,
    upgrade_at: Option<Span>,
    expect_continue: bool,
}

fn bad(reason: &'static str) -> Refusal {
    Refusal {
        status: 400,
        reason,
    }
}

const TOO_LARGE: Refusal = Refusal {
    status: 431,
    reason: "request head is larger than this listener allows",
};

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
        self.authority_at = None;
        self.upgrade_at = None;
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
                    return Err(TOO_LARGE);
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
                    self.fields.push(buf, start, end).map_err(bad)?;
                }
            }
        }
    }

    /// Something that is not HTTP at all (a TLS hello) need not be waited for.
    fn check_first_byte(&self, buf: &[u8]) -> Result<(), Refusal> {
        match buf.get(self.lines.position()) {
            Some(b'\r' | b'\n') | None => Ok(()),
            Some(&b) if TOKEN[b as usize] => Ok(()),
            Some(_) => Err(bad("this is no HTTP request")),
        }
    }

    fn request_line(&mut self, buf: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
        let line = &buf[start..end];
        let method = token_len(line);
        if method == 0 || line.get(method) != Some(&b' ') {
            return Err(bad("request line does not begin with a method and a space"));
        }
        let target = start + method + 1;
        let len = memchr::memchr(b' ', &buf[target..end])
            .filter(|&len| len > 0)
            .ok_or(bad("request line is not method, target, version"))?;
        self.version = version(&buf[target + len + 1..end])?;
        self.method_at = Span::new(start, start + method);
        self.target_at = Span::new(target, target + len);
        let token = &line[..method];
        if token == b"CONNECT" {
            return Err(Refusal {
                status: 501,
                reason: "CONNECT is not served here",
            });
        }
        self.method = Method::of(token);
        self.read_target(buf, target, target + len)
    }

    fn read_target(&mut self, buf: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
        const SCHEME: &[u8] = b"http://";
        let target = &buf[start..end];
        if target[0] == b'/' {
            return self.path_and_query(buf, start, end);
        }
        if target == b"*" {
            self.path_at = Some(Span::new(start, end));
            return match self.method {
                Method::Options => Ok(()),
                _ => Err(bad("only OPTIONS may ask for *")),
            };
        }
        if !target
            .get(..SCHEME.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(SCHEME))
        {
            return Err(bad("request target is neither a path nor an http:// URI"));
        }
        let authority = start + SCHEME.len();
        let len = buf[authority..end]
            .iter()
            .position(|b| matches!(b, b'/' | b'?' | b'#'))
            .unwrap_or(end - authority);
        let path = authority + len;
        parse_authority(&buf[authority..path], &mut self.host).map_err(bad)?;
        self.authority_at = Some(Span::new(authority, path));
        match buf[path..end].first() {
            Some(b'/') => self.path_and_query(buf, path, end),
            Some(b'#') => Err(bad("fragment in the request target")),
            Some(_) => {
                // `http://host?query`: the path is empty, which stands for `/`.
                self.path_and_query(buf, path, end)?;
                self.path_at = None;
                "/".clone_into(&mut self.normal);
                Ok(())
            }
            None => {
                // RFC 9112 section 3.2.4: an OPTIONS of no path means the server as a whole.
                let whole = if self.method == Method::Options {
                    "*"
                } else {
                    "/"
                };
                whole.clone_into(&mut self.normal);
                Ok(())
            }
        }
    }

    fn path_and_query(&mut self, buf: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
        let parts = parse_path(buf, start, end, &mut self.normal).map_err(bad)?;
        self.path_at = parts.path;
        self.query_at = parts.query;
        Ok(())
    }

    /// What only the whole head can tell.
    fn judge(&mut self, buf: &[u8]) -> Result<(), Refusal> {
        if !self.lines.are_text(buf) {
            return Err(bad("control byte in the head"));
        }
        self.fields.read_options(buf).map_err(bad)?;
        self.judge_framing()?;
        let options = self.fields.options;
        self.persistent = !options.close && (self.version == Version::Http11 || options.keep_alive);
        let mut hosts = 0;
        let mut upgrades = 0;
        self.expect_continue = false;
        for at in 0..self.fields.lines.len() {
            let Field { known, value, .. } = self.fields.lines[at];
            match known {
                Known::Host => {
                    hosts += 1;
                    self.judge_host(buf, value, hosts)?;
                }
                Known::Upgrade => {
                    upgrades += 1;
                    self.upgrade_at = Some(value);
                }
                Known::Expect => self.judge_expect(value.of(buf))?,
                _ => {}
            }
        }
        if hosts == 0 && self.version == Version::Http11 {
            return Err(bad("no Host"));
        }
        if !(upgrades == 1 && self.may_upgrade(buf)) {
            self.upgrade_at = None;
        }
        Ok(())
    }

    fn judge_framing(&mut self) -> Result<(), Refusal> {
        let lengths = self.fields.lengths;
        if lengths.chunked && self.version == Version::Http10 {
            return Err(bad("Transfer-Encoding in an HTTP/1.0 request"));
        }
        self.framing = match lengths.length {
            _ if lengths.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::None,
        };
        Ok(())
    }

    /// Every `Host` has to be right, even where the absolute form overrules it.
    fn judge_host(&mut self, buf: &[u8], value: Span, count: u32) -> Result<(), Refusal> {
        if count > 1 {
            return Err(bad("more than one Host"));
        }
        let overruled = self.authority_at;
        parse_authority(value.of(buf), &mut self.host).map_err(bad)?;
        match overruled {
            None => self.authority_at = Some(value),
            Some(target) => parse_authority(target.of(buf), &mut self.host).map_err(bad)?,
        }
        Ok(())
    }

    fn judge_expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal {
                status: 417,
                reason: "no expectation but 100-continue is known",
            });
        }
        self.expect_continue = self.version == Version::Http11 && self.has_body();
        Ok(())
    }

    fn has_body(&self) -> bool {
        !matches!(self.framing, Framing::None | Framing::Length(0))
    }

    /// h2c would take the requests behind it out of sight, and TLS cannot begin inside a forwarded connection.
    fn may_upgrade(&self, buf: &[u8]) -> bool {
        let Some(value) = self.upgrade_at else {
            return false;
        };
        let refused = |protocol: &[u8]| {
            let name = protocol.split(|&b| b == b'/').next().unwrap_or_default();
            [&b"h2c"[..], b"h2", b"http", b"tls"]
                .iter()
                .any(|r| name.eq_ignore_ascii_case(r))
        };
        self.fields.options.upgrade
            && self.version == Version::Http11
            && !self.has_body()
            && list(value.of(buf)).next().is_some()
            && !list(value.of(buf)).any(refused)
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
    /// Host and port as sent (from the target if it is in absolute form).
    pub fn authority<'a>(&self, buf: &'a [u8]) -> &'a str {
        self.authority_at.map_or("", |at| at.text(buf))
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

fn version(text: &[u8]) -> Result<Version, Refusal> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal {
                status: 505,
                reason: "only HTTP/1.1 and HTTP/1.0 are spoken here",
            })
        }
        _ => Err(bad("request line does not end with an HTTP version")),
    }
}
