//! Sessions kept here, because their clients carry nothing of ours: they are known by a token of the application's, or by
//! their address.
//!
//! One table per pool, for all its workers and over reloads, in shards with a lock each, held for one look-up: two workers
//! seldom meet at one. It is bounded. Where a shard is full the session goes that was not heard of for longest, nearly:
//! they stand in a ring, and whoever was heard of since the last time round is passed over once (second chance). With each
//! new session a few are looked at, so that what is over goes by and by without anybody having to walk through all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use evenkeel_core::session::Session;

/// Enough that two workers of sixty-four meet seldom.
const SHARDS: usize = 64;
/// Sessions of a pool: a million, for which a hundred megabytes are needed then.
const SESSIONS_MAX: usize = 1 << 20;
/// Looked at with each new session: more than one, so that what is over is found faster than it is added.
const LOOKS: usize = 4;

/// A session as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) session: Session,
    /// Since when it is where it is, in seconds since 1970.
    pub(crate) since_s: u64,
    /// When it is over.
    pub(crate) ends_s: u64,
}

/// The sessions of one pool by what they are known by.
pub(crate) struct Kept {
    shards: Box<[Mutex<Shard>]>,
    /// Of one shard.
    max: usize,
}

#[derive(Default)]
struct Shard {
    sessions: HashMap<u64, Held>,
    /// Every one of them once.
    ring: VecDeque<u64>,
}

struct Held {
    entry: Entry,
    /// Since it was looked at last.
    heard: bool,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept::of(SESSIONS_MAX)
    }
}

impl Kept {
    fn of(max: usize) -> Kept {
        Kept {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            max: max.div_ceil(SHARDS),
        }
    }

    /// The session of this token, if it is not over.
    pub(crate) fn find(&self, token: u64, now_s: u64) -> Option<Entry> {
        let mut shard = self.shard(token);
        let held = shard.sessions.get_mut(&token)?;
        held.heard = true;
        Some(held.entry).filter(|entry| entry.ends_s > now_s)
    }

    /// Keeps a session under this token. What had to go for it before it was over is given back.
    pub(crate) fn keep(&self, token: u64, entry: Entry, now_s: u64) -> Option<Entry> {
        let mut shard = self.shard(token);
        if let Some(held) = shard.sessions.get_mut(&token) {
            held.entry = entry;
            return None;
        }
        let gone = shard.make_room(self.max, now_s);
        let heard = false;
        shard.sessions.insert(token, Held { entry, heard });
        shard.ring.push_back(token);
        gone
    }

    fn shard(&self, token: u64) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[(token >> 32) as usize % SHARDS];
        // Nothing is left half done by a panic in here.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn make_room(&mut self, max: usize, now_s: u64) -> Option<Entry> {
        for _ in 0..LOOKS {
            let token = self.ring.pop_front()?;
            let Some(held) = self.sessions.get_mut(&token) else {
                continue;
            };
            let over = held.entry.ends_s <= now_s;
            let spared = std::mem::take(&mut held.heard);
            let room = self.sessions.len() < max;
            if !over && (room || spared) {
                self.ring.push_back(token);
                continue;
            }
            let gone = self.sessions.remove(&token);
            if !over {
                return gone.map(|held| held.entry);
            }
        }
        if self.sessions.len() < max {
            return None;
        }
        // Everybody that was looked at was heard of: then one of them after all.
        let token = self.ring.pop_front()?;
        self.sessions.remove(&token).map(|held| held.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64, ends_s: u64) -> Entry {
        Entry {
            session: Session::begin(at, 0),
            since_s: 0,
            ends_s,
        }
    }

    /// Tokens of one shard.
    fn token(n: u64) -> u64 {
        n
    }

    #[test]
    fn a_session_is_found_until_it_is_over() {
        let kept = Kept::default();
        assert_eq!(kept.keep(token(1), entry(7, 100), 50), None);
        assert_eq!(kept.find(token(1), 99), Some(entry(7, 100)));
        assert_eq!(kept.find(token(1), 100), None);
        assert_eq!(kept.find(token(2), 50), None);
        kept.keep(token(1), entry(8, 200), 150);
        assert_eq!(kept.find(token(1), 150), Some(entry(8, 200)));
    }

    #[test]
    fn it_never_grows_beyond_its_bound_and_who_is_heard_of_stays() {
        let kept = Kept::of(SHARDS * 10);
        kept.keep(token(0), entry(0, 1000), 1);
        for n in 1..1000 {
            assert!(kept.find(token(0), 1).is_some(), "{n}");
            let gone = kept.keep(token(n), entry(n, 1000), 1);
            assert_eq!(gone.is_some(), n >= 10, "{n}");
        }
        let shard = kept.shard(0);
        assert_eq!((shard.sessions.len(), shard.ring.len()), (10, 10));
    }

    #[test]
    fn where_everybody_is_heard_of_there_is_a_bound_too() {
        let kept = Kept::of(SHARDS * 10);
        for n in 0..100 {
            kept.keep(token(n), entry(n, 1000), 1);
            for n in 0..=n {
                kept.find(token(n), 1);
            }
        }
        let shard = kept.shard(0);
        assert_eq!((shard.sessions.len(), shard.ring.len()), (10, 10));
    }

    #[test]
    fn what_is_over_goes_while_others_come() {
        let kept = Kept::default();
        for n in 0..1000 {
            kept.keep(token(n), entry(n, 10), 1);
        }
        for n in 1000..1400 {
            assert_eq!(kept.keep(token(n), entry(n, 1000), 20), None);
        }
        assert!(
            kept.shard(0).sessions.len() <= 400,
            "{}",
            kept.shard(0).sessions.len()
        );
    }
}
