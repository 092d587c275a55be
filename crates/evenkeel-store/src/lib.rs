//! What must outlive a process, kept as bytes under keys: get, put-if, delete-if, list, watch, lease.
//!
//! The store knows nothing of pools, revisions or leaders; its users bring keys and bytes. Every entry has a version that
//! only grows over the whole store, so "write this if nobody wrote since I read" works the same over every kind. Calls
//! block: who must not wait gives the store a thread of its own. Time is passed in, never asked for, so that the expiry
//! of a lease can be tested without waiting for it.

mod aside;
#[cfg(test)]
mod conformance;
mod embedded;
mod error;
mod guard;
mod lease;
mod memory;
mod watch;

use std::path::Path;

pub use aside::{KEPT_MAX, set_aside, set_aside_before};
pub use embedded::{Embedded, FILE_NAME};
pub use error::Error;
pub use lease::Lease;
pub use memory::Memory;
pub use watch::{Change, Lost, WATCH_BACKLOG, Watch};

/// Longest key, in bytes: a few path-like names; anything longer is data in the wrong place.
pub const KEY_BYTES_MAX: usize = 512;
/// Largest value, in bytes: a configuration of the largest size, written as JSON, and still small enough for memory.
pub const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is stored under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes, as they were put.
    pub value: Vec<u8>,
    /// Which write put them: the store's own count, so later writes of any key are larger.
    pub version: u64,
}

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing: write anyway.
    Any,
    /// There is no such key.
    Absent,
    /// The key is there with this version.
    Version(u64),
}

impl Expect {
    /// Does it hold where `found` is the version of what is there?
    fn check(self, key: &str, found: Option<u64>) -> Result<(), Error> {
        let holds = match self {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Version(version) => found == Some(version),
        };
        if holds {
            return Ok(());
        }
        Err(Error::Conflict {
            key: key.to_owned(),
            found,
        })
    }
}

/// How much a write may lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On disk when the call returns: what a person did.
    Now,
    /// Reaches the disk with the next durable write or [`Store::sync`]: what will be observed again anyway.
    Relaxed,
}

/// A store of any kind.
pub trait Store: Send + Sync {
    /// The entry of `key`.
    fn get(&self, key: &str) -> Result<Option<Entry>, Error>;

    /// Puts `value` under `key` if `expect` holds; its version.
    fn put_if(
        &self,
        key: &str,
        value: &[u8],
        expect: Expect,
        durability: Durability,
    ) -> Result<u64, Error>;

    /// Deletes `key` if `expect` holds; was it there?
    fn delete_if(&self, key: &str, expect: Expect, durability: Durability) -> Result<bool, Error>;

    /// Every entry whose key begins with `prefix`, in the order of the keys' bytes.
    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Error>;

    /// Every change from now on to keys that begin with `prefix`.
    fn watch(&self, prefix: &str) -> Watch;

    /// Brings all relaxed writes to the disk.
    fn sync(&self) -> Result<(), Error>;

    /// Takes or renews the lease `key` for `holder` until `ttl_ms` after `now_ms`, unless another holds it. The clock is
    /// the caller's; all holders of one lease must mean the same one.
    fn lease(&self, key: &str, holder: &str, ttl_ms: u64, now_ms: u64) -> Result<Lease, Error> {
        lease::take(self, key, holder, ttl_ms, now_ms)
    }

    /// Gives the lease `key` back, if `holder` holds it.
    fn release(&self, key: &str, holder: &str) -> Result<bool, Error> {
        lease::release(self, key, holder)
    }
}

/// A store just opened.
pub struct Opened {
    /// The store.
    pub store: Box<dyn Store>,
    /// What a person should know about the opening: that a damaged file was set aside, and where it is.
    pub notice: Option<String>,
}

/// One kind of store.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Does what was put survive the process?
    pub persistent: bool,
    /// Opens or makes one in this folder.
    pub open: fn(&Path) -> Result<Opened, Error>,
}

/// Every kind there is. A new one is one file and one line here; the conformance suite runs over all of them.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "memory",
        about: "Kept in this process only, for tests and for when the disk is gone.",
        persistent: false,
        open: memory::open,
    },
    Kind {
        name: "embedded",
        about: "One file in the state directory, transactional, for one process at a time.",
        persistent: true,
        open: embedded::open,
    },
];

/// Are key and value within the bounds every kind keeps?
fn check_bounds(key: &str, value: &[u8]) -> Result<(), Error> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Error::KeyLength { length: key.len() });
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(Error::ValueLength {
            key: key.to_owned(),
            length: value.len(),
        });
    }
    Ok(())
}
