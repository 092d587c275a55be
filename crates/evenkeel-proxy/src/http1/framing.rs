//! Where a body ends, decided from its head (RFC 9112 section 6).

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// No body at all: requests without length, answers to HEAD, 1xx, 204, 304.
    #[default]
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunks, then trailers.
    Chunked,
    /// Until the sender closes (answers only).
    UntilClose,
    /// No longer HTTP: bytes both ways after a 101.
    Tunnel,
}
