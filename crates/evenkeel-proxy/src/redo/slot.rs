//! What the worker that serves a request and the book's thread share of it. Neither waits for the other, and nothing said
//! here can be lost: the worker writes one word, and the thread reads it when it comes by.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{Acquire, Release};

use tokio::sync::Notify;

const OPEN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

/// Of one journalled request.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Was it answered? The worker writes once.
    answered: AtomicU8,
    /// Is it in the book? The thread writes once, then tells.
    written: AtomicU8,
    told: Notify,
}

impl Slot {
    /// Its client's request is over. Only the first word counts.
    pub(super) fn settle(&self, answered: bool) {
        let word = if answered { YES } else { NO };
        let _ = self.answered.compare_exchange(OPEN, word, Release, Acquire);
    }

    /// Was it answered? `None` while its client waits.
    pub(super) fn settled(&self) -> Option<bool> {
        match self.answered.load(Acquire) {
            OPEN => None,
            word => Some(word == YES),
        }
    }

    pub(super) fn wrote(&self, done: bool) {
        self.written.store(if done { YES } else { NO }, Release);
        self.told.notify_one();
    }

    /// Is it in the book? `None` while nobody knows.
    pub(super) fn written(&self) -> Option<bool> {
        match self.written.load(Acquire) {
            OPEN => None,
            word => Some(word == YES),
        }
    }

    /// Until it is known whether it is in the book.
    pub(super) async fn known(&self) {
        while self.written().is_none() {
            self.told.notified().await;
        }
    }
}

/// A journalled request as the worker holds it. Dropped without a word, it was not answered.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(super) slot: Arc<Slot>,
    pub(super) key: Box<str>,
    /// The client gave no key, so this one is sent with it.
    pub(super) given: bool,
}

impl Ticket {
    /// For a request with this key, which the client gave, or which is `given` to it here.
    pub(crate) fn new(key: &str, given: bool) -> Ticket {
        Ticket {
            slot: Arc::default(),
            key: key.into(),
            given,
        }
    }

    /// An endpoint answered, or not.
    pub(crate) fn settle(&self, answered: bool) {
        self.slot.settle(answered);
    }

    /// The key that is to be added to the request.
    pub(crate) fn own_key(&self) -> Option<&str> {
        self.given.then_some(&*self.key)
    }

    /// The key it will be sent again under: only if it really is in the book.
    pub(crate) fn promise(&self) -> Option<&str> {
        (self.slot.written() == Some(true)).then_some(&*self.key)
    }

    /// Until it is known whether it is in the book.
    pub(crate) async fn known(&self) {
        self.slot.known().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.slot.settle(false);
    }
}
