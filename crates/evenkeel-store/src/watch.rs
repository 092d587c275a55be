//! Watching: each watcher has a bounded backlog of its own, and one that falls behind is let go instead of slowing the
//! writers down. It sees its channel end, lists again and watches anew.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::Entry;

/// Changes a watcher may be behind: far more than a reload writes at once.
pub const WATCH_BACKLOG: usize = 1024;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub key: String,
    /// What is there now; `None` = deleted.
    pub entry: Option<Entry>,
}

/// The changes under one prefix, in the order they were made.
#[derive(Debug)]
pub struct Watch(Receiver<Change>);

impl Watch {
    /// The next change, waiting for at most `wait`; `Ok(None)` if there was none in that time.
    ///
    /// # Errors
    /// [`Lost`]: this watcher fell more than [`WATCH_BACKLOG`] behind, or the store is gone. List and watch again.
    pub fn next(&self, wait: Duration) -> Result<Option<Change>, Lost> {
        match self.0.recv_timeout(wait) {
            Ok(change) => Ok(Some(change)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Lost),
        }
    }
}

/// Changes may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// Everybody who watches one store.
#[derive(Default)]
pub(crate) struct Watchers(Vec<(String, SyncSender<Change>)>);

impl Watchers {
    pub(crate) fn add(&mut self, prefix: &str) -> Watch {
        let (sender, receiver) = sync_channel(WATCH_BACKLOG);
        self.0.push((prefix.to_owned(), sender));
        Watch(receiver)
    }

    /// Tells everybody it concerns; whoever is too far behind, or gone, is let go.
    pub(crate) fn tell(&mut self, key: &str, entry: Option<&Entry>) {
        self.0.retain(|(prefix, sender)| {
            !key.starts_with(prefix.as_str())
                || sender
                    .try_send(Change {
                        key: key.to_owned(),
                        entry: entry.cloned(),
                    })
                    .is_ok()
        });
    }
}
