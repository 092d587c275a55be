//! The book of requests: those of a route with `journal = true` are written down before they go to an endpoint, and the ones
//! that were never answered are sent again once their pool serves.
//!
//! | file | idea |
//! | --- | --- |
//! | `slot` | what a worker and the thread share of one request |
//! | `record` | one record as bytes |
//! | `files` | files of records, bounded, readable as far as they are good |
//! | `thread` | writes, asks the machine (`evenkeel_core::recover::redo`) what is due, and has it sent |
//! | `send` | sends one again |
//!
//! A worker puts a copy of the request into a bounded queue and waits for nothing but its turn; the request itself waits for
//! the thread's word, at most [`WAIT`]. What is written is in the kernel's hands then: it survives the end of this process,
//! however sudden. A power cut may lose what was written in the last second.

mod files;
mod record;
mod send;
mod slot;
mod thread;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_core::recover::redo::RedoCounts;

pub(crate) use slot::Ticket;

use crate::snapshot::Shared;
use record::Kept;
use slot::Slot;

/// Requests on their way to the thread. Each is at most a `body_buffer` and a head.
const QUEUE: usize = 256;
/// A request waits for the book at most this long before it goes on without: a disk that works takes a hundredth of it.
pub(crate) const WAIT: Duration = Duration::from_millis(20);

/// A request to be written down.
pub(crate) struct Draft {
    pub(crate) route: String,
    pub(crate) pool: String,
    pub(crate) born_ms: u64,
    /// A number of the resource.
    pub(crate) resource: u64,
    pub(crate) replaces: bool,
    pub(crate) replaceable: bool,
    pub(crate) key: String,
    /// Head and body as they go to the endpoint.
    pub(crate) bytes: Vec<u8>,
    pub(crate) counts: Arc<RedoCounts>,
}

enum Message {
    Keep(Kept, Arc<Slot>, Arc<RedoCounts>),
    End,
}

/// The workers' end of the book.
pub(crate) struct Book {
    to: SyncSender<Message>,
}

/// The thread, to be waited for.
pub(crate) struct Running(JoinHandle<()>);

impl Book {
    /// Starts the thread. `shared` is asked for once it is there: by then it holds this book.
    pub(crate) fn start(
        folder: PathBuf,
        shared: impl FnOnce() -> Weak<Shared> + Send + 'static,
    ) -> io::Result<(Book, Running)> {
        let (to, from) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("redo".into())
            .spawn(move || thread::run(&folder, &from, &shared()))?;
        Ok((Book { to }, Running(thread)))
    }

    /// Hands a request over. False: there is no room in the queue, which is counted.
    pub(crate) fn keep(&self, draft: Draft, ticket: &Ticket) -> bool {
        let kept = Kept {
            // The thread numbers them.
            id: 0,
            route: draft.route,
            pool: draft.pool,
            born_ms: draft.born_ms,
            resource: draft.resource,
            replaces: draft.replaces,
            replaceable: draft.replaceable,
            attempts: 0,
            key: draft.key,
            bytes: draft.bytes,
        };
        let slot = ticket.slot.clone();
        let taken = self
            .to
            .try_send(Message::Keep(kept, slot, draft.counts.clone()));
        if taken.is_err() {
            draft.counts.not_kept(1);
        }
        taken.is_ok()
    }

    /// Nothing more comes; what is settled by now is written down.
    pub(crate) fn end(&self) {
        let _ = self.to.try_send(Message::End);
    }
}

impl Running {
    /// Waits until everything is written, but not for long: the disk may hang.
    pub(crate) fn join(self, longest: Duration) {
        let until = std::time::Instant::now() + longest;
        while !self.0.is_finished() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
