//! Bytes that come in at one end and are dealt with at the other.
//!
//! Their storage comes from stacks that all requests of a worker share and goes back there as soon as it is empty: a
//! request that waits holds none, and the next one finds what the last one used still in the nearest cache. Each stack has
//! storage of one size, because a read takes as much as there is room for: in storage that had grown it would copy what is
//! cheaper spliced.

use std::cell::RefCell;

/// How much is read or staged at once. HAProxy's 16 KiB: two TLS records' worth is more than most answers, and larger
/// bodies are spliced.
pub(crate) const IO_SIZE: usize = 16 * 1024;

/// Less room than this is not worth a step of the framing machine.
pub(crate) const ROOM_MIN: usize = 512;

/// Storage to read the head of an answer into whose body is to be spliced: every byte of the body that comes with it is copied.
const HEAD_SIZE: usize = 4 * 1024;
/// Storage to read into: a whole read, and a head before it. Never more, or a read would take what is better spliced.
const READ_SIZE: usize = IO_SIZE + 2048;
/// Storage to stage an answer in: twice [`IO_SIZE`] and its head.
const STAGE_SIZE: usize = 2 * IO_SIZE + 4096;
/// Storage kept of each kind. A worker deals with one request at a time, so that most of the time three are in turn.
const SPARES_KEPT: usize = 32;

/// Storage of one kind that nobody uses.
struct Spares {
    size: usize,
    kept: RefCell<Vec<Vec<u8>>>,
}

thread_local! {
    static HEAD: Spares = const { Spares::of(HEAD_SIZE) };
    static READ: Spares = const { Spares::of(READ_SIZE) };
    static STAGE: Spares = const { Spares::of(STAGE_SIZE) };
}

impl Spares {
    const fn of(size: usize) -> Spares {
        Spares {
            size,
            kept: RefCell::new(Vec::new()),
        }
    }

    fn take(&self) -> Vec<u8> {
        let spare = self.kept.borrow_mut().pop();
        spare.unwrap_or_else(|| Vec::with_capacity(self.size))
    }

    fn put(&self, mut spare: Vec<u8>) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < SPARES_KEPT {
            spare.clear();
            kept.push(spare);
        }
    }
}

/// Takes the storage of `data` back; what is in it is forgotten. Any other size is freed.
#[inline]
fn strip(data: &mut Vec<u8>) {
    match data.capacity() {
        0 => {}
        HEAD_SIZE => HEAD.with(|spares| spares.put(std::mem::take(data))),
        READ_SIZE => READ.with(|spares| spares.put(std::mem::take(data))),
        STAGE_SIZE => STAGE.with(|spares| spares.put(std::mem::take(data))),
        _ => *data = Vec::new(),
    }
}

/// Gives `data` storage if it has none.
#[inline]
fn equip(data: &mut Vec<u8>, kind: &'static std::thread::LocalKey<Spares>) {
    if data.capacity() == 0 {
        *data = kind.with(Spares::take);
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
        equip(&mut self.data, &READ);
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
        if self.data.capacity() == HEAD_SIZE && self.is_empty() {
            self.rest();
        }
        equip(&mut self.data, &READ);
        self.tail(IO_SIZE)
    }

    /// As [`wide_tail`](Self::wide_tail), for a first read that is to take a head and little more.
    pub(crate) fn head_tail(&mut self) -> &mut Vec<u8> {
        match self.is_empty() {
            true => {
                equip(&mut self.data, &HEAD);
                &mut self.data
            }
            false => self.wide_tail(),
        }
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
        equip(&mut self.data, &STAGE);
        &mut self.data
    }

    /// Gives its storage back; what is in it is forgotten.
    pub(crate) fn rest(&mut self) {
        self.sent = 0;
        strip(&mut self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_that_an_answer_was_staged_in_is_not_read_into() {
        let mut out = Out::default();
        out.tail().extend_from_slice(b"an answer");
        assert!(out.data.capacity() >= 2 * IO_SIZE);
        out.rest();
        let mut read = Buf::default();
        assert_eq!(read.wide_tail().capacity(), READ_SIZE);
    }

    #[test]
    fn a_first_read_for_a_head_takes_little_and_the_next_one_a_whole_read() {
        let mut read = Buf::default();
        assert_eq!(read.head_tail().capacity(), HEAD_SIZE);
        assert!(read.wide_tail().capacity() >= IO_SIZE);
        read.rest();
        read.head_tail().extend_from_slice(b"HTTP/1.1 200");
        let tail = read.head_tail();
        assert!(tail.capacity() - tail.len() >= IO_SIZE);
        assert_eq!(read.bytes(), b"HTTP/1.1 200");
    }

    #[test]
    fn storage_comes_back_and_what_has_grown_does_not() {
        let mut read = Buf::default();
        let first = read.wide_tail().as_ptr();
        read.rest();
        assert_eq!(read.wide_tail().as_ptr(), first);
        read.wide_tail().reserve(4 * READ_SIZE);
        read.rest();
        assert_eq!(read.wide_tail().capacity(), READ_SIZE);
    }
}
