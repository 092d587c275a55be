//! Sessions that a shell keeps for its clients, as they are handed to whoever stores them: in parts, so that a change of a few
//! does not write all of them again.

use std::sync::Arc;

use super::Session;

/// Parts of a pool's sessions. By the upper half of the token: a session is always in the same one.
pub const PARTS: u16 = 256;

/// A session that is kept for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The hash of what the client is known by.
    pub token: u64,
    /// Where it belongs.
    pub session: Session,
    /// Since when it is where it is, in seconds since 1970.
    pub since_s: u64,
    /// When it is over.
    pub ends_s: u64,
}

/// All sessions of a pool that are in one of its [`PARTS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The pool's name.
    pub pool: Arc<str>,
    /// Below [`PARTS`].
    pub number: u16,
    /// In no order.
    pub rows: Vec<Row>,
}

/// The part that a token belongs to.
pub fn part_of(token: u64) -> u16 {
    ((token >> 32) % u64::from(PARTS)) as u16
}
