//! What clients noticed of a fault: requests of its pools from the first sign until it was over.
//!
//! The worst is often over when a fault is known to be one, so what was counted of late is kept for each pool, and an incident
//! begins with as much of it as came after its first sign.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

use super::ledger::Ledger;

/// Kept in pieces of so long: a first sign is not known more exactly than by a check's interval.
const PIECE: Duration = Duration::from_secs(1);
/// And so many: checks of two seconds that have to fail three times, with their time-outs.
const PIECES_MAX: usize = 20;

/// Requests of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noticed {
    /// That ended, with an answer or without.
    pub requests: u64,
    /// Of those, answered with 5xx after all tries.
    pub failed: u64,
    /// Further tries, after one had failed.
    pub retried: u64,
    /// Of the requests, those that took longer than a second.
    pub slow: u64,
}

impl Noticed {
    /// Nothing at all.
    pub fn is_nothing(&self) -> bool {
        *self == Noticed::default()
    }

    /// Both.
    pub fn plus(self, other: Noticed) -> Noticed {
        self.with(other, u64::saturating_add)
    }

    /// Since `before`; nothing where it is less now, because a route is gone.
    pub fn since(self, before: Noticed) -> Noticed {
        self.with(before, u64::saturating_sub)
    }

    /// Of each the greater.
    pub(super) fn max(self, other: Noticed) -> Noticed {
        self.with(other, u64::max)
    }

    fn with(self, other: Noticed, both: fn(u64, u64) -> u64) -> Noticed {
        Noticed {
            requests: both(self.requests, other.requests),
            failed: both(self.failed, other.failed),
            retried: both(self.retried, other.retried),
            slow: both(self.slow, other.slow),
        }
    }
}

/// What was counted of late, by pool: when each piece began, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Late(BTreeMap<Arc<str>, VecDeque<(Time, Noticed)>>);

impl Late {
    /// False: there is no such pool.
    fn count(&mut self, pool: &str, noticed: Noticed, now: Time) -> bool {
        let Some(pieces) = self.0.get_mut(pool) else {
            return false;
        };
        match pieces.back_mut() {
            Some((began, piece)) if now.since(*began) < PIECE => *piece = piece.plus(noticed),
            _ => pieces.push_back((now, noticed)),
        }
        let old = |began: Time| now.since(began) > PIECE * PIECES_MAX as u32;
        while pieces.len() > PIECES_MAX || pieces.front().is_some_and(|(began, _)| old(*began)) {
            pieces.pop_front();
        }
        true
    }

    /// All from then on, by pieces.
    fn since(&self, pool: &str, began: Time) -> Noticed {
        let pieces = self.0.get(pool).into_iter().flatten();
        let late = pieces.filter(|(at, _)| *at + PIECE > began);
        late.fold(Noticed::default(), |all, (_, piece)| all.plus(*piece))
    }

    /// These are the pools there are.
    pub(super) fn configure(&mut self, names: BTreeSet<Arc<str>>) {
        self.0.retain(|pool, _| names.contains(pool));
        for pool in names {
            self.0.entry(pool).or_default();
        }
    }
}

impl Ledger {
    /// Clients of this pool noticed so much since this was told last.
    pub(crate) fn noticed(&mut self, pool: &Arc<str>, noticed: Noticed, now: Time) {
        if !self.late.count(pool, noticed, now) {
            return; // of no endpoint, so of no incident either
        }
        for open in self.open.values_mut() {
            let incident = &mut open.incident;
            if let Some(known) = incident.clients.get_mut(pool) {
                *known = known.plus(noticed);
            } else if incident.is_of(pool) {
                let all = self.late.since(pool, incident.began());
                incident.clients.insert(pool.clone(), all);
            }
        }
    }

    /// This incident has another subject: what was noticed of its pool since the first sign belongs to it.
    pub(super) fn look_back(&mut self, id: u64, pool: Option<&Arc<str>>) {
        if let (Some(open), Some(pool)) = (self.open.get_mut(&id), pool) {
            let incident = &mut open.incident;
            let began = incident.began();
            let all = || self.late.since(pool, began);
            incident.clients.entry(pool.clone()).or_insert_with(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_late_is_bounded_and_counts_from_a_moment_on() {
        let mut late = Late::default();
        late.configure(BTreeSet::from(["app".into()]));
        let one = Noticed {
            requests: 1,
            ..Noticed::default()
        };
        for tenth in 0..3_000_u64 {
            assert!(late.count("app", one, Time::from_millis(tenth * 100)));
        }
        assert!(late.0["app"].len() <= PIECES_MAX);
        let since = |s: u64| late.since("app", Time::from_millis(s * 1000)).requests;
        assert_eq!(since(295), 50);
        assert!((190..=210).contains(&since(0)), "{}", since(0));
        assert!(!late.count("db", one, Time::ZERO));
        assert_eq!(late.since("db", Time::ZERO), Noticed::default());
    }
}
