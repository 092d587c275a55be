//! Bytes that come in at one end and are dealt with at the other.
//!
//! Their storage comes from a stack that all requests of a worker share and goes back to it as soon as it is empty: a
//! request that waits holds none, and the next one finds what the last one used still in the nearest cache.

use std::cell::RefCell;

/// How much is read or staged at once. HAProxy's 16 KiB: two TLS records' worth is more than most answers, and larger
/// bodies are spliced.
pub(crate) const IO_SIZE: usize = 16 * 1024;

/// Less room than this is not worth a step of the framing machine.
pub(crate) const ROOM_MIN: usize = 512;

/// What storage from the stack holds at first: a whole read, and a head before it.
const SPARE_SIZE: usize = IO_SIZE + 2048;
/// Larger storage is not kept. A staged answer may have twice [`IO_SIZE`] and a head.
const SPARE_SIZE_MAX: usize = 4 * IO_SIZE;
/// Storage kept. A worker deals with one request at a time, so that most of the time three are in turn.
const SPARES_KEPT: usize = 32;

thread_local! {
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Gives `data` storage if it has none.
#[inline]
fn equip(data: &mut Vec<u8>) {
    if data.capacity() == 0 {
        let spare = SPARES.with_borrow_mut(Vec::pop);
        *data = spare.unwrap_or_else(|| Vec::with_capacity(SPARE_SIZE));
    }
}

/// Takes the storage of `data` back; what is in it is forgotten.
#[inline]
fn strip(data: &mut Vec<u8>) {
    if data.capacity() != 0 {
        keep(std::mem::take(data));
    }
}

fn keep(mut spare: Vec<u8>) {
    if (SPARE_SIZE..=SPARE_SIZE_MAX).contains(&spare.capacity()) {
        SPARES.with_borrow_mut(|spares| {
            if spares.len() < SPARES_KEPT {
                spare.clear();
                spares.push(spare);
            }
        });
    }
}

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

    /// The same, to be changed in place.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.start..]
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
        equip(&mut self.data);
        self.data.extend_from_slice(bytes);
    }

    /// Keeps the first `n` bytes only.
    pub(crate) fn truncate(&mut self, n: usize) {
        self.data.truncate(self.start + n);
    }

    /// Gives its storage back; what is in it is forgotten.
    pub(crate) fn rest(&mut self) {
        self.start = 0;
        strip(&mut self.data);
    }

    /// Who waits with nothing in hand holds no storage.
    pub(crate) fn rest_if_empty(&mut self) {
        if self.is_empty() {
            self.rest();
        }
    }

    /// As [`tail`](Self::tail), with storage for whole reads.
    pub(crate) fn wide_tail(&mut self) -> &mut Vec<u8> {
        equip(&mut self.data);
        self.tail(IO_SIZE)
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

    /// Gives back what it has room for beyond what is in it.
    pub(crate) fn shrink(&mut self) {
        if self.start > 0 {
            self.data.drain(..self.start);
            self.start = 0;
        }
        self.data.shrink_to_fit();
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

    /// The vector to append to.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        equip(&mut self.data);
        &mut self.data
    }

    /// Gives its storage back; what is in it is forgotten.
    pub(crate) fn rest(&mut self) {
        self.sent = 0;
        strip(&mut self.data);
    }
}
