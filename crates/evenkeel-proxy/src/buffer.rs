//! Bytes that come in at one end and are dealt with at the other.

/// How much is read or staged at once. HAProxy's 16 KiB: two TLS records' worth is more than most answers, and larger
/// bodies are spliced.
pub(crate) const IO_SIZE: usize = 16 * 1024;

/// Less room than this is not worth a step of the framing machine.
pub(crate) const ROOM_MIN: usize = 512;

/// A vector whose front is given up by moving an offset.
#[derive(Debug, Default)]
pub(crate) struct Buf {
    data: Vec<u8>,
    start: usize,
}

impl Buf {
    /// What is in it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.data[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `n` bytes are dealt with.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start += n;
        debug_assert!(self.start <= self.data.len());
        if self.start >= self.data.len() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.data.clear();
        self.start = 0;
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
    }

    /// Keeps the first `n` bytes only.
    pub(crate) fn truncate(&mut self, n: usize) {
        self.data.truncate(self.start + n);
    }

    /// The vector to append to, with room for `room` bytes at least.
    pub(crate) fn tail(&mut self, room: usize) -> &mut Vec<u8> {
        if self.data.capacity() - self.data.len() < room {
            self.data.drain(..self.start);
            self.start = 0;
            self.data.reserve(room);
        }
        &mut self.data
    }

    /// Gives memory beyond `keep` bytes back; it must be empty.
    pub(crate) fn trim(&mut self, keep: usize) {
        self.clear();
        self.data.shrink_to(keep);
    }
}

/// Bytes on their way out of a vector.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) data: Vec<u8>,
    /// The first that was not written yet.
    pub(crate) sent: usize,
}

impl Out {
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.data[self.sent..]
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.sent >= self.data.len()
    }

    pub(crate) fn clear(&mut self) {
        self.data.clear();
        self.sent = 0;
    }

    /// Gives memory beyond `keep` bytes back; what is in it is forgotten.
    pub(crate) fn trim(&mut self, keep: usize) {
        self.clear();
        self.data.shrink_to(keep);
    }
}
