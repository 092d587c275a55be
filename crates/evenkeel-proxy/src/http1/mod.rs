//! HTTP/1.1 as a pure engine: bytes in, verdicts and bytes out. No socket, no clock, no task.
//!
//! What is ambiguous is refused, never repaired and never forwarded raw: a balancer that reads a message differently
//! from the server behind it is how requests are smuggled (RFC 9112 section 11.2). So every head that leaves here is
//! written anew from what was understood, and chunked bodies are framed anew.
//!
//! In the steady state nothing is allocated: a head is a list of offsets into the caller's buffer, and the structs are
//! reused from request to request. A head is parsed line by line as it arrives, so each byte is judged once, however
//! small the pieces are.
//!
//! | file | idea |
//! | --- | --- |
//! | `scan` | lines, byte classes, offsets |
//! | `fields` | the field lines of a head, known names by table |
//! | `target` | request target and authority: one normal form for routing and forwarding |
//! | `framing` | where a body ends, decided from the head |
//! | `method`, `upgrade` | methods, and changes of the protocol |
//! | `request`, `response` | the two heads |
//! | `body` | the framing machine that walks through a body |
//! | `chunk`, `trailers` | size lines with their extensions; what may stand behind the last chunk |
//! | `forward` | heads as they are sent on |
//! | `answer` | answers evenkeel makes itself |

mod answer;
mod body;
mod chunk;
mod fields;
mod forward;
mod framing;
mod method;
mod request;
mod response;
mod scan;
mod target;
mod trailers;
mod upgrade;

pub use answer::{Canned, OwnAnswer, http_date, reason_phrase, write_canned, write_own_answer};
pub use body::{BadFraming, Body, Copied, Step, To, write_chunk, write_last_chunk};
pub use fields::{Field, Known};
pub use forward::{Forward, ResponseForward, Sent, write_request_head, write_response_head};
pub use framing::Framing;
pub use method::Method;
pub use request::RequestHead;
pub use response::{Asked, Garbage, ResponseHead};
pub use scan::Span;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, with the empty line at its end.
    pub max_head: usize,
    /// Field lines.
    pub max_fields: usize,
}

/// How far a head has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed: call again with the same bytes and more behind them.
    Partial,
    /// The head is the first `len` bytes of the buffer; what follows is the body or the next message.
    Complete {
        /// Bytes, with empty lines before the request line.
        len: usize,
    },
}

/// A request that is not served. The connection is closed after the answer: where the next request would begin is
/// not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 414, 417, 431, 501 or 505.
    pub status: u16,
    /// What was wrong, for the client and the log; never quotes what the client sent.
    pub reason: &'static str,
}

/// The version of a message. Anything else is refused (505) or garbage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0: closes unless `Connection: keep-alive`, knows no chunked and no 1xx.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}
