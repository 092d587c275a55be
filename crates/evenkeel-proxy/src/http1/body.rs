//! The framing machine: walks through a body under any split and says which bytes are payload.
//!
//! Chunked bodies are never passed on raw: sizes are written anew, chunk extensions are dropped (see `chunk`), trailers are
//! checked (see `trailers`).

use std::ops::Range;

use super::Framing;
use super::chunk::{Read, SizeLine};
use super::fields::parse_line;
use super::scan::is_text;
use super::trailers::may_trail;

/// A body that breaks its own framing: the message is unusable and so is its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFraming {
    /// What was wrong.
    pub reason: &'static str,
}

/// What one call of [`Body::advance`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are dealt with; call again with the rest, unless `done`.
    pub consumed: usize,
    /// The part of the input that is payload (may be empty); always within `..consumed`.
    pub payload: Range<usize>,
    /// The body has ended; what follows `consumed` belongs to the next message.
    pub done: bool,
}

/// How [`Body::copy`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Payload only: length or until close; trailers are dropped.
    Plain,
    /// Framed anew in chunks of its own, with the trailers and the last chunk at the end.
    Chunked,
}

/// What one call of [`Body::copy`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of the input that are dealt with.
    pub consumed: usize,
    /// Payload bytes among them.
    pub payload: u64,
    /// The body has ended and everything of it is written.
    pub done: bool,
}

/// Bytes of a chunked body that are neither payload nor a size may be as many as its payload, and this many more. So a body
/// costs no more reading than twice its length, and a signature with each chunk is fine.
const OVERHEAD_MAX: u64 = 16 * 1024;
/// Bytes of all trailer lines; a quarter of the default head, since only checksums and statuses come here.
const TRAILERS_MAX: usize = 8 * 1024;
/// Lines of trailers.
const TRAILER_LINES_MAX: u32 = 64;
/// Room below which [`Body::copy`] writes nothing: a size line, its CR LFs and the last chunk.
const COPY_MIN: usize = 64;

/// Where in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In front of a chunk.
    Size(SizeLine),
    /// This much payload to come; never 0.
    Data {
        left: u64,
    },
    /// CR, then LF, behind the payload.
    DataCr,
    DataLf,
    /// Within a trailer line, which is gathered in `line`.
    Trailer,
    Done,
}

/// The kinds of walk.
#[derive(Clone, Copy, Debug)]
enum Walk {
    /// Until the count is 0.
    Length(u64),
    /// Until the sender closes.
    Unbounded {
        closed: bool,
    },
    Chunked(At),
}

/// Walks through one body.
#[derive(Debug)]
pub struct Body {
    walk: Walk,
    payload: u64,
    /// The trailer line that is not complete yet.
    line: Vec<u8>,
    trailers: Vec<u8>,
    trailer_lines: u32,
    trailer_bytes: usize,
    /// No trailer goes on.
    drops_trailers: bool,
    /// Bytes of size lines that are no digit of a size.
    overhead: u64,
    /// [`copy`](Self::copy) has written the last chunk.
    ended: bool,
}

fn bad(reason: &'static str) -> BadFraming {
    BadFraming { reason }
}

impl Default for Body {
    fn default() -> Self {
        Body::new(Framing::None)
    }
}

impl Body {
    /// At the start of a body. Of `None` and `Length(0)` it is done at once.
    pub fn new(framing: Framing) -> Body {
        Body {
            walk: match framing {
                Framing::None => Walk::Length(0),
                Framing::Length(length) => Walk::Length(length),
                Framing::Chunked => Walk::Chunked(At::Size(SizeLine::START)),
                Framing::UntilClose | Framing::Tunnel => Walk::Unbounded { closed: false },
            },
            payload: 0,
            line: Vec::new(),
            trailers: Vec::new(),
            trailer_lines: 0,
            trailer_bytes: 0,
            drops_trailers: false,
            overhead: 0,
            ended: false,
        }
    }

    /// Lets no trailer go on: `Connection` named fields, and those are to be removed from the trailers too (RFC 9110 section
    /// 7.6.1).
    pub fn drop_trailers(&mut self) {
        self.drops_trailers = true;
    }

    /// Has it ended?
    pub fn is_done(&self) -> bool {
        matches!(
            self.walk,
            Walk::Length(0) | Walk::Unbounded { closed: true } | Walk::Chunked(At::Done)
        )
    }

    /// Bytes that pass unchanged from here on, so they may be spliced: what is left of a length, `u64::MAX` until close
    /// and in a tunnel, 0 if chunked or done. Tell with [`passed`](Self::passed) how many were.
    pub fn remaining(&self) -> u64 {
        match self.walk {
            Walk::Length(left) => left,
            Walk::Unbounded { closed: false } => u64::MAX,
            Walk::Unbounded { closed: true } | Walk::Chunked(_) => 0,
        }
    }

    /// `n` bytes, at most [`remaining`](Self::remaining), passed unseen.
    pub fn passed(&mut self, n: u64) {
        debug_assert!(n <= self.remaining());
        if let Walk::Length(left) = &mut self.walk {
            *left = left.saturating_sub(n);
        }
        self.payload = self.payload.saturating_add(n);
    }

    /// Payload bytes so far.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// The sender closed its side. True if that ends the body well (until close, tunnel, or already done); false if it was
    /// cut short.
    pub fn closed(&mut self) -> bool {
        if let Walk::Unbounded { closed } = &mut self.walk {
            *closed = true;
        }
        self.is_done()
    }

    /// Trailer field lines so far, each with its CRLF: syntax checked, forbidden ones dropped.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Looks at the next bytes; finds at most one piece of payload.
    ///
    /// # Errors
    /// The body breaks its framing; what was found before that still counts.
    pub fn advance(&mut self, input: &[u8]) -> Result<Step, BadFraming> {
        let piece = match self.walk {
            Walk::Length(left) => input.len().min(usize::try_from(left).unwrap_or(usize::MAX)),
            Walk::Unbounded { closed: false } => input.len(),
            Walk::Unbounded { closed: true } => 0,
            Walk::Chunked(at) => return self.advance_chunked(at, input),
        };
        self.passed(piece as u64);
        Ok(Step {
            consumed: piece,
            payload: 0..piece,
            done: self.is_done(),
        })
    }

    fn advance_chunked(&mut self, mut at: At, input: &[u8]) -> Result<Step, BadFraming> {
        let mut payload = 0..0;
        let mut pos = 0;
        while pos < input.len() && at != At::Done {
            if let At::Data { left } = at {
                if !payload.is_empty() {
                    break;
                }
                let len = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(input.len() - pos);
                payload = pos..pos + len;
                pos += len;
                self.payload = self.payload.saturating_add(len as u64);
                at = match left - len as u64 {
                    0 => At::DataCr,
                    left => At::Data { left },
                };
            } else {
                at = self.framing_byte(at, input[pos])?;
                pos += 1;
            }
        }
        self.walk = Walk::Chunked(at);
        Ok(Step {
            consumed: pos,
            payload,
            done: at == At::Done,
        })
    }

    /// One byte that is not payload.
    fn framing_byte(&mut self, at: At, b: u8) -> Result<At, BadFraming> {
        Ok(match (at, b) {
            (At::Size(line), _) => match line.read(b).map_err(bad)? {
                Read::More(line) => At::Size(line),
                Read::End { size, overhead } => return self.begin_chunk(size, overhead),
            },
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size(SizeLine::START),
            (At::DataCr | At::DataLf, _) => return Err(bad("chunk is longer than its size")),
            (At::Trailer, _) => return self.trailer_byte(b),
            (At::Data { .. } | At::Done, _) => at,
        })
    }

    fn begin_chunk(&mut self, size: u64, overhead: u16) -> Result<At, BadFraming> {
        self.overhead += u64::from(overhead);
        if self.overhead > self.payload.saturating_add(OVERHEAD_MAX) {
            return Err(bad("more chunk extensions than payload"));
        }
        Ok(match size {
            0 => At::Trailer,
            size => At::Data { left: size },
        })
    }

    fn trailer_byte(&mut self, b: u8) -> Result<At, BadFraming> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILERS_MAX {
            return Err(bad("trailers are too large"));
        }
        if self.line.last() == Some(&b'\r') && b != b'\n' {
            return Err(bad("lone CR in the trailers"));
        }
        self.line.push(b);
        if b != b'\n' {
            return Ok(At::Trailer);
        }
        let Some(line) = self.line.strip_suffix(b"\r\n") else {
            return Err(bad("trailer line ends without CR"));
        };
        if line.is_empty() {
            return Ok(At::Done);
        }
        self.trailer_lines += 1;
        if self.trailer_lines > TRAILER_LINES_MAX {
            return Err(bad("too many trailers"));
        }
        if !is_text(line) {
            return Err(bad("control byte in the trailers"));
        }
        let field = parse_line(&self.line, 0, line.len()).map_err(bad)?;
        let name = field.name.of(&self.line);
        if !self.drops_trailers && !field.hop && may_trail(field.known, name) {
            self.trailers.extend_from_slice(name);
            self.trailers.extend_from_slice(b": ");
            self.trailers.extend_from_slice(field.value.of(&self.line));
            self.trailers.extend_from_slice(b"\r\n");
        }
        self.line.clear();
        Ok(At::Trailer)
    }

    /// Walks through `input` and appends what goes on to `out`, which grows by at most `room` bytes (64 are needed for any
    /// progress); the trailers, at most 8 KiB, come on top. The whole input is consumed unless there is no room or the body is
    /// done.
    ///
    /// # Errors
    /// The body breaks its framing; what was found before that is written.
    pub fn copy(
        &mut self,
        input: &[u8],
        to: To,
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<Copied, BadFraming> {
        let start = out.len();
        let payload = self.payload;
        let mut consumed = 0;
        while consumed < input.len() && !self.is_done() {
            let left = room.saturating_sub(out.len() - start);
            if left < COPY_MIN {
                break;
            }
            let rest = &input[consumed..];
            let step = self.advance(&rest[..rest.len().min(left - COPY_MIN / 2)])?;
            let piece = &rest[step.payload];
            match to {
                To::Plain => out.extend_from_slice(piece),
                To::Chunked => write_chunk(out, piece),
            }
            consumed += step.consumed;
        }
        let done = self.is_done();
        if done && to == To::Chunked && !self.ended {
            self.ended = true;
            write_last_chunk(out, &self.trailers);
        }
        Ok(Copied {
            consumed,
            payload: self.payload - payload,
            done,
        })
    }
}

/// Appends one chunk; nothing if `payload` is empty, for an empty chunk would end the body.
pub fn write_chunk(out: &mut Vec<u8>, payload: &[u8]) {
    if payload.is_empty() {
        return;
    }
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut size = payload.len();
    while size > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[size & 15];
        size >>= 4;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk with these trailer lines (as [`Body::trailers`] gives them).
pub fn write_last_chunk(out: &mut Vec<u8>, trailers: &[u8]) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}
