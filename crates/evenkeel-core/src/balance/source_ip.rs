//! The same endpoint for the same client address, by [`rendezvous`](super::rendezvous) hashing: unlike HAProxy's `source` with
//! its default map, only the clients of an endpoint that goes are moved.

use super::rendezvous::Rendezvous;
use super::{Entry, Key};
use crate::registry::Part;

pub(super) const ENTRY: Entry = Entry {
    key: Key::SourceIp,
    ..Entry::plain(
        Part {
            name: "source_ip",
            summary: "by the client's address, as rendezvous does it",
            settings: &[],
        },
        |_| Box::new(Rendezvous),
    )
};
