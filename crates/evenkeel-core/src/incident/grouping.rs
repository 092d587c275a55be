//! Whose incident a subject in trouble is part of: one that is there, a new one, or several that turn out to be one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::time::{Now, Time};

use super::company;
use super::ledger::{CLOSED_MAX, IncidentChange, Ledger, News};
use super::machine::{Incident, Input};
use super::open::Open;
use super::words::{Phase, Reach};

/// Incidents open at once. With more than this many separate faults nobody reads them one by one.
const OPEN_MAX: usize = 1000;

impl Ledger {
    /// A subject is in trouble: a fault of its own, or part of a larger one?
    pub(super) fn consider(&mut self, key: &Arc<str>, now: Now) {
        let (reach, members) = company::of(&self.subjects, key, now.at);
        let mut known: BTreeSet<u64> = BTreeSet::new();
        let mut down = false;
        for member in members.iter().filter_map(|key| self.subjects.get(key)) {
            down |= member.phase == Phase::Down || member.ails();
            known.extend(member.incident);
        }
        known.extend(self.incident_naming(key));
        if known.is_empty() && !down {
            return;
        }
        let id = match known.first() {
            Some(id) => *id,
            None if self.open.len() >= OPEN_MAX => return,
            None => self.begin(&members, now),
        };
        for other in known.into_iter().filter(|other| *other != id) {
            self.merge(other, id, now);
        }
        for member in members {
            self.join(id, &member, now);
        }
        if let Some(open) = self.open.get_mut(&id) {
            open.incident.reach = open.incident.reach.max(reach);
            open.judge_at = Time::ZERO;
        }
    }

    /// An open incident that this subject was part of already.
    fn incident_naming(&self, key: &str) -> Option<u64> {
        let names = |open: &Open| open.incident.keys().any(|k| &**k == key);
        let found = self.open.iter().find(|(_, open)| names(open));
        found.map(|(id, _)| *id)
    }

    fn begin(&mut self, members: &[Arc<str>], now: Now) -> u64 {
        // Without the store the numbers used before are not known: seconds since 1970 were not among them.
        let least = if self.loaded { 0 } else { now.wall.0 / 1000 };
        self.last_id = self.last_id.max(least) + 1;
        let signs = members
            .iter()
            .filter_map(|key| self.subjects.get(key)?.first_sign);
        let first_sign = signs.min().unwrap_or(now.at);
        let incident = Incident::open(self.last_id, first_sign, now);
        self.open.insert(self.last_id, Open::new(incident));
        self.news.insert(self.last_id, vec![News::Opened]);
        self.last_id
    }

    fn join(&mut self, id: u64, key: &Arc<str>, now: Now) {
        let Some(subject) = self.subjects.get_mut(key) else {
            return;
        };
        if subject.incident == Some(id) {
            return;
        }
        subject.incident = Some(id);
        if subject.phase == Phase::Normal {
            subject.phase = Phase::Suspected;
        }
        self.active.insert(key.clone());
        let (pool, phase) = (subject.spec.pool.clone(), subject.phase);
        let key = key.clone();
        self.look_back(id, pool.as_ref());
        let news = self.news.entry(id).or_default();
        if !news.contains(&News::Opened) {
            news.push(News::Joined(key.clone()));
        }
        self.tell(id, Input::Subject { key, pool, phase }, now);
    }

    pub(super) fn leave(&mut self, id: u64, key: Arc<str>, now: Now) {
        self.tell(id, Input::Left(key), now);
        if let Some(open) = self.open.get_mut(&id) {
            let subjects = open
                .incident
                .keys()
                .filter_map(|key| self.subjects.get(key));
            let instances: BTreeSet<_> = subjects.map(|s| &s.spec.instance).collect();
            if instances.len() < 2 {
                open.incident.reach = Reach::Instance;
            }
        }
    }

    pub(super) fn merge(&mut self, from: u64, into: u64, now: Now) {
        let Some(old) = self.open.remove(&from) else {
            return;
        };
        let record = old.incident.record();
        for subject in self.subjects.values_mut() {
            if subject.incident == Some(from) {
                subject.incident = Some(into);
            }
        }
        if let Some(open) = self.open.get_mut(&into) {
            open.absorb(old, now.at);
        }
        self.merged.push_back((from, into));
        if self.merged.len() > CLOSED_MAX {
            self.merged.pop_front();
        }
        self.news.remove(&from);
        self.news.entry(into).or_default().push(News::Updated);
        self.changes.push(IncidentChange {
            record,
            news: vec![News::Merged(into)],
        });
    }
}
