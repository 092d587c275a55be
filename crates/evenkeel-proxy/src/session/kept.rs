//! Sessions kept here, because their clients carry nothing of ours: they are known by a token of the application's, or by
//! their address.
//!
//! One table per pool, for all its workers and over reloads, in shards with a lock each, held for one look-up: two workers
//! seldom meet at one. It is bounded. Where a shard is full the session goes that was not heard of for longest, nearly:
//! they stand in a ring, and whoever was heard of since the last time round is passed over once (second chance). With each
//! new session a few are looked at, so that what is over goes by and by without anybody having to walk through all.
//!
//! Whoever stores them asks now and then for the shards in which something has changed. A session that is only prolonged is
//! not worth a write each time: it is one once an eighth of its time has passed, and at the end of the process.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use evenkeel_core::session::{PARTS, Row, Session, part_of};

/// Enough that two workers of sixty-four meet seldom, and that one of them is soon copied.
const SHARDS: usize = PARTS as usize;
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
    /// Is it among those that are counted at its endpoint? One of an earlier process is not, until a request of it comes.
    pub(crate) counted: bool,
}

/// The sessions of one pool by what they are known by.
pub(crate) struct Kept {
    shards: Box<[Mutex<Shard>]>,
    /// Of one shard.
    max: usize,
    /// The shard that is looked at next for what has changed. Written by whoever stores them, read by nobody else.
    next: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    sessions: HashMap<u64, Held>,
    /// Every one of them once.
    ring: VecDeque<u64>,
    /// What was handed out last is not what is here.
    changed: bool,
    /// Nothing has changed since but that some live longer.
    prolonged: bool,
}

struct Held {
    entry: Entry,
    /// Since it was looked at last.
    heard: bool,
    /// When it is over by what was handed out last.
    stored_s: u64,
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
            next: AtomicUsize::new(0),
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
        if shard.renew(token, entry, now_s) {
            return None;
        }
        let gone = shard.make_room(self.max, now_s);
        shard.add(token, entry, 0);
        shard.changed = true;
        gone
    }

    /// Takes in what an earlier process kept, as far as there is room and nothing newer is known. None of them lives longer
    /// than `ttl_s` from now on, whatever the clock was then.
    pub(crate) fn restore(&self, rows: &[Row], now_s: u64, ttl_s: u64) {
        for row in rows.iter().filter(|row| row.ends_s > now_s) {
            let mut shard = self.shard(row.token);
            if shard.sessions.contains_key(&row.token) || shard.sessions.len() >= self.max {
                continue;
            }
            let entry = Entry {
                session: row.session,
                since_s: row.since_s.min(now_s),
                ends_s: row.ends_s.min(now_s + ttl_s),
                counted: false,
            };
            shard.add(row.token, entry, row.ends_s);
        }
    }

    /// The sessions of the shards in which something has changed since they were asked for, each whole, without what is over:
    /// of so many shards at most, and no further shard once there are so many sessions. `last` = also what was only prolonged.
    pub(crate) fn changed(
        &self,
        (shards_max, rows_max): (usize, usize),
        now_s: u64,
        last: bool,
    ) -> Vec<(u16, Vec<Row>)> {
        let (mut parts, mut rows) = (Vec::new(), 0);
        for _ in 0..SHARDS {
            if parts.len() >= shards_max || rows >= rows_max {
                break;
            }
            let number = self.next.load(Relaxed);
            self.next.store((number + 1) % SHARDS, Relaxed);
            let mut shard = locked(&self.shards[number]);
            if shard.changed || (last && shard.prolonged) {
                let part = shard.hand_out(now_s);
                rows += part.len();
                parts.push((number as u16, part));
            }
        }
        parts
    }

    fn shard(&self, token: u64) -> MutexGuard<'_, Shard> {
        locked(&self.shards[usize::from(part_of(token))])
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Nothing is left half done by a panic in here.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn add(&mut self, token: u64, entry: Entry, stored_s: u64) {
        let heard = false;
        let held = Held {
            entry,
            heard,
            stored_s,
        };
        self.sessions.insert(token, held);
        self.ring.push_back(token);
    }

    /// Puts it in the place of what is known of this token. False: nothing is.
    fn renew(&mut self, token: u64, entry: Entry, now_s: u64) -> bool {
        let Some(held) = self.sessions.get_mut(&token) else {
            return false;
        };
        let before = std::mem::replace(&mut held.entry, entry);
        let moved = (before.session, before.since_s) != (entry.session, entry.since_s);
        let worth = (entry.ends_s.saturating_sub(now_s) / 8).max(1);
        self.changed |= moved || entry.ends_s >= held.stored_s + worth;
        self.prolonged |= entry.ends_s > held.stored_s;
        true
    }

    fn hand_out(&mut self, now_s: u64) -> Vec<Row> {
        (self.changed, self.prolonged) = (false, false);
        let live = self.sessions.iter_mut();
        let live = live.filter(|(_, held)| held.entry.ends_s > now_s);
        let rows = live.map(|(&token, held)| {
            held.stored_s = held.entry.ends_s;
            Row {
                token,
                session: held.entry.session,
                since_s: held.entry.since_s,
                ends_s: held.entry.ends_s,
            }
        });
        rows.collect()
    }

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
            self.changed = true;
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
mod tests;
