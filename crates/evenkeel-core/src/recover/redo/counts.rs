//! What became of journalled requests, in numbers: written by the data plane, read by control.
//!
//! All accesses are relaxed, as with every counter (`crate::counters`).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What became of a pool's journalled requests. The thread of the book of requests writes, but for [`RedoCounts::not_kept`].
#[derive(Debug, Default)]
pub struct RedoCounts {
    kept: AtomicU64,
    not_kept: AtomicU64,
    pending: AtomicU64,
    redone: AtomicU64,
    superseded: AtomicU64,
    given_up: AtomicU64,
}

/// [`RedoCounts`], read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redone {
    /// Requests written down.
    pub kept: u64,
    /// Requests that should have been, but for want of room, of time or of a disk, or because they are too large.
    pub not_kept: u64,
    /// Requests that wait to be sent again.
    pub pending: u64,
    /// Requests that were sent again and answered.
    pub redone: u64,
    /// Requests that a later one made meaningless.
    pub superseded: u64,
    /// Requests that are sent again no more, and were never answered.
    pub given_up: u64,
}

impl RedoCounts {
    /// So many more are written down.
    pub fn kept(&self, n: u64) {
        self.kept.fetch_add(n, Relaxed);
    }
    /// So many more are not; any thread.
    pub fn not_kept(&self, n: u64) {
        self.not_kept.fetch_add(n, Relaxed);
    }
    /// So many wait now.
    pub fn pending(&self, n: u64) {
        self.pending.store(n, Relaxed);
    }
    /// So many more were sent again and answered.
    pub fn redone(&self, n: u64) {
        self.redone.fetch_add(n, Relaxed);
    }
    /// So many more are meaningless now.
    pub fn superseded(&self, n: u64) {
        self.superseded.fetch_add(n, Relaxed);
    }
    /// So many more are given up.
    pub fn given_up(&self, n: u64) {
        self.given_up.fetch_add(n, Relaxed);
    }
    /// All of them now.
    pub fn read(&self) -> Redone {
        Redone {
            kept: self.kept.load(Relaxed),
            not_kept: self.not_kept.load(Relaxed),
            pending: self.pending.load(Relaxed),
            redone: self.redone.load(Relaxed),
            superseded: self.superseded.load(Relaxed),
            given_up: self.given_up.load(Relaxed),
        }
    }
}
