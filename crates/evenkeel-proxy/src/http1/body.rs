//! The framing machine: walks through a body under any split and says which bytes are payload.

use std::ops::Range;

use super::Framing;

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

/// Walks through one body.
#[derive(Debug)]
pub struct Body {
    framing: Framing,
}

impl Body {
    /// At the start of a body. Of `None` and `Length(0)` it is done at once.
    pub fn new(framing: Framing) -> Body {
        Body { framing }
    }
    /// Has it ended?
    pub fn is_done(&self) -> bool {
        matches!(self.framing, Framing::None)
    }
    /// Bytes that pass unchanged from here on, so they may be spliced: what is left of a length, `u64::MAX` until close
    /// and in a tunnel, 0 if chunked or done. Tell with [`passed`](Self::passed) how many were.
    pub fn remaining(&self) -> u64 {
        0
    }
    /// `n` bytes, at most [`remaining`](Self::remaining), passed unseen.
    pub fn passed(&mut self, _n: u64) {}
    /// Payload bytes so far.
    pub fn payload(&self) -> u64 {
        0
    }
    /// The sender closed its side. True if that ends the body well (until close, tunnel, or already done); false if it was
    /// cut short.
    pub fn closed(&mut self) -> bool {
        false
    }
    /// Looks at the next bytes; finds at most one piece of payload.
    pub fn advance(&mut self, _input: &[u8]) -> Result<Step, BadFraming> {
        Ok(Step {
            consumed: 0,
            payload: 0..0,
            done: false,
        })
    }
    /// Trailer field lines so far, each with its CRLF: syntax checked, forbidden ones dropped.
    pub fn trailers(&self) -> &[u8] {
        &[]
    }
    /// Walks through `input` and appends what goes on to `out`, which grows to at most `room` bytes more (at least 256 must
    /// be allowed for progress; the trailers, at most 8 KiB, come on top). The whole input is consumed unless there is no
    /// room or the body is done.
    pub fn copy(
        &mut self,
        _input: &[u8],
        _to: To,
        _out: &mut Vec<u8>,
        _room: usize,
    ) -> Result<Copied, BadFraming> {
        Ok(Copied {
            consumed: 0,
            payload: 0,
            done: false,
        })
    }
}

/// Appends one chunk; nothing if `payload` is empty, for an empty chunk would end the body.
pub fn write_chunk(_out: &mut Vec<u8>, _payload: &[u8]) {}

/// Appends the last chunk with these trailer lines (as [`Body::trailers`] gives them).
pub fn write_last_chunk(_out: &mut Vec<u8>, _trailers: &[u8]) {}
