//! Buffers for ciphertext, one of each kind for a worker's thread: filled and emptied within one call, so that no
//! connection holds them.

use std::cell::Cell;

/// A record's plaintext at most (RFC 8446 section 5.1).
pub(super) const RECORD: usize = 16 * 1024;
/// What a record's ciphertext is longer at most (RFC 8446 section 5.2), with its header.
const SEAL: usize = 256 + 5;
/// Read at once: two records.
pub(super) const INBOX: usize = 2 * (RECORD + SEAL);
/// Plaintext sealed at once: as much as an answer's buffer holds.
pub(super) const SEALED_AT_ONCE: usize = 2 * RECORD;
/// Kept of a buffer for the next.
const KEPT: usize = SEALED_AT_ONCE + 4 * SEAL;

thread_local! {
    static INCOMING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUTGOING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer with room for [`INBOX`] bytes. Not given back, it is made anew.
pub(super) fn inbox() -> Vec<u8> {
    let mut buffer = INCOMING.take();
    buffer.reserve_exact(INBOX);
    buffer
}

pub(super) fn put_inbox(buffer: Vec<u8>) {
    INCOMING.set(emptied(buffer));
}

/// An empty buffer.
pub(super) fn outbox() -> Vec<u8> {
    OUTGOING.take()
}

pub(super) fn put_outbox(buffer: Vec<u8>) {
    OUTGOING.set(emptied(buffer));
}

fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer.shrink_to(KEPT);
    buffer
}
