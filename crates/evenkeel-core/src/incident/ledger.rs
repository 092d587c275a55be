//! All subjects and all incidents: who belongs to which, what is over, and what is remembered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::{Cause, Reasoner};
use crate::id::EndpointId;
use crate::time::{Now, Time};

use super::company::Subjects;
use super::facts::Past;
use super::machine::{Input, Step};
use super::noticed::Late;
use super::open::Open;
use super::record::Record;
use super::subject::{Stand, Subject};
use super::words::{Labeller, Phase};

/// Incidents remembered after they are over; about a megabyte in memory.
pub(super) const CLOSED_MAX: usize = 1000;
/// Causes are ranked again at most this often while evidence pours in.
const JUDGE_EVERY: Duration = Duration::from_millis(100);
/// What was stored may still come; after this the ledger begins without it.
const WAIT_FOR_STORE: Duration = Duration::from_secs(10);

/// What is new about an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// It is there.
    Opened,
    /// This subject is part of it, too.
    Joined(Arc<str>),
    /// Another cause is the most probable now.
    Blamed,
    /// An action began or ended.
    Acted,
    /// Everything serves again.
    Restored,
    /// It is over.
    Closed,
    /// It turned out to be the same fault as this other one, of which it is now a part: its number is gone.
    Merged(u64),
    /// A person has said what it was.
    Labelled,
    /// A person is needed: nothing is left that could be done.
    NeedsPerson,
    /// So long ago that it is remembered no more.
    Forgotten,
    /// Figures only.
    Updated,
}

/// Something about an incident changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentChange {
    /// The incident as it is now.
    pub record: Record,
    /// What is new about it, in order.
    pub news: Vec<News>,
}

/// The ledger.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    pub(super) subjects: Subjects,
    pub(super) endpoints: BTreeMap<EndpointId, Arc<str>>,
    /// By service name.
    pub(super) services: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    pub(super) open: BTreeMap<u64, Open>,
    pub(super) closed: VecDeque<Record>,
    pub(super) merged: VecDeque<(u64, u64)>,
    pub(super) last_id: u64,
    /// What was stored has been taken in, or is not waited for any more.
    pub(super) loaded: bool,
    pub(super) born: Option<Time>,
    /// Made of the lists; keeps nothing between two questions.
    #[serde(skip)]
    reasoner: Reasoner,
    pub(super) past: Past,
    /// What clients noticed of late.
    pub(super) late: Late,
    pub(super) touched: BTreeSet<Arc<str>>,
    /// Not normal.
    pub(super) active: BTreeSet<Arc<str>>,
    pub(super) news: BTreeMap<u64, Vec<News>>,
    pub(super) changes: Vec<IncidentChange>,
    wakeup: Option<Time>,
    pub(super) ending: bool,
    pub(super) configured: bool,
}

impl Ledger {
    /// Takes in what an earlier process stored.
    pub fn carry(&mut self, mut records: Vec<Record>, now: Now) {
        self.loaded = true;
        records.sort_by_key(|record| record.id);
        for record in records {
            // Numbers that are gone were given all the same.
            let merged = record.merged.iter().copied();
            self.last_id = merged.clone().fold(self.last_id.max(record.id), u64::max);
            self.merged.extend(merged.map(|from| (from, record.id)));
            let more = self.merged.len().saturating_sub(CLOSED_MAX);
            self.merged.drain(..more);
            if record.closed.is_some() {
                let at = self.closed.partition_point(|other| other.id < record.id);
                self.closed.insert(at, record);
            } else {
                let open = Open::resume(&record, now);
                self.open.insert(record.id, open);
            }
        }
        if self.configured {
            self.adopt(now);
        }
    }

    /// Every incident, newest first.
    pub fn records(&self) -> Vec<Record> {
        let open = self.open.values().map(|open| open.incident.record());
        let mut all: Vec<_> = open.chain(self.closed.iter().cloned()).collect();
        all.sort_by_key(|record| std::cmp::Reverse(record.id));
        all
    }

    /// One; of one that became part of another, that other.
    pub fn record(&self, id: u64) -> Option<Record> {
        let merged = self.merged.iter().rev().find(|(from, _)| *from == id);
        let id = merged.map_or(id, |(_, into)| *into);
        match self.open.get(&id) {
            Some(open) => Some(open.incident.record()),
            None => self.closed.iter().find(|record| record.id == id).cloned(),
        }
    }

    /// How many are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Somebody says what an incident was. False: there is no such incident.
    pub fn label(&mut self, id: u64, cause: Cause, by: Labeller, now: Now) -> bool {
        if self.open.contains_key(&id) {
            self.tell(id, Input::Label(cause, by), now);
            return true;
        }
        let Some(record) = self.closed.iter_mut().find(|record| record.id == id) else {
            return false;
        };
        (record.label, record.labelled_by) = (Some(cause), by);
        self.changes.push(IncidentChange {
            record: record.clone(),
            news: vec![News::Labelled],
        });
        true
    }

    /// A graceful end: what fails from now on was meant to.
    pub fn end(&mut self) {
        self.ending = true;
    }

    /// When [`Ledger::finish`] is due without anything having happened.
    pub fn next_wakeup(&self) -> Time {
        self.wakeup.unwrap_or(Time::NEVER)
    }

    /// The end of an event: who is in trouble, with whom, and why.
    pub fn finish(&mut self, now: Now) -> Vec<IncidentChange> {
        let due = self.wakeup.is_some_and(|at| at <= now.at);
        if self.touched.is_empty() && self.news.is_empty() && self.changes.is_empty() && !due {
            return Vec::new();
        }
        if self.ending {
            self.touched.clear();
            self.wakeup = None;
            return self.report();
        }
        if self.may_begin(now.at) {
            let mut touched = std::mem::take(&mut self.touched);
            if due {
                touched.extend(self.active.iter().cloned());
            }
            for key in touched {
                self.step(&key, now);
            }
            self.judge(now);
        }
        self.close();
        self.plan_wakeup(now.at);
        self.report()
    }

    /// Numbers go on where the stored ones ended, so the store is waited for; but not for ever.
    pub(super) fn may_begin(&mut self, at: Time) -> bool {
        if !self.configured {
            return false;
        }
        let waited = self
            .born
            .is_some_and(|born| at.since(born) >= WAIT_FOR_STORE);
        self.loaded || waited
    }

    /// Subjects of incidents that came out of the store. What the configuration has no more is no part of them.
    pub(super) fn adopt(&mut self, now: Now) {
        let (mut gone, mut twice) = (Vec::new(), Vec::new());
        for (id, open) in &self.open {
            for subject in &open.incident.record().subjects {
                if subject.phase == Phase::Normal {
                    continue;
                }
                let Some(known) = self.subjects.get_mut(subject.key.as_str()) else {
                    gone.push((*id, Arc::from(subject.key.as_str())));
                    continue;
                };
                // It was opened anew before the store came.
                twice.extend(
                    known
                        .incident
                        .filter(|other| other != id)
                        .map(|other| (other, *id)),
                );
                known.incident = Some(*id);
                // Its time of proof begins anew.
                known.phase = match subject.phase {
                    Phase::Verifying => Phase::Recovering,
                    phase => phase,
                };
                self.touched.insert(known.spec.key.clone());
                self.active.insert(known.spec.key.clone());
            }
        }
        for (id, key) in gone {
            self.tell(id, Input::Left(key), now);
        }
        for (from, into) in twice {
            self.merge(from, into, now);
        }
    }

    /// One subject: where is it now, and whose incident is it part of?
    fn step(&mut self, key: &Arc<str>, now: Now) {
        let Some(subject) = self.subjects.get_mut(key) else {
            return;
        };
        let (before, stand) = (subject.phase, subject.stand(now.at));
        let phase = match subject.incident {
            Some(_) => subject.next_phase(now.at),
            None => {
                subject.phase = match stand {
                    Stand::Down => Phase::Down,
                    Stand::Suspect => Phase::Suspected,
                    _ => Phase::Normal,
                };
                subject.phase
            }
        };
        if stand == Stand::Well {
            subject.served = true;
        }
        let (incident, pool) = (subject.incident, subject.spec.pool.clone());
        match phase {
            Phase::Normal => {
                subject.incident = None;
                subject.forget_signs();
                self.active.remove(key);
            }
            _ => drop(self.active.insert(key.clone())),
        }
        if let Some(id) = incident {
            let key = key.clone();
            match (before, phase) {
                // It was only suspected to be part of it.
                (Phase::Suspected, Phase::Normal) => self.leave(id, key, now),
                _ => self.tell(id, Input::Subject { key, pool, phase }, now),
            }
        }
        if phase != before {
            self.judge_soon(now.at);
        }
        let ails = phase == Phase::Suspected && self.subjects.get(key).is_some_and(Subject::ails);
        let unaccounted = incident.is_none() && (phase == Phase::Down || ails);
        if unaccounted || (phase != before && matches!(phase, Phase::Down | Phase::Suspected)) {
            self.consider(key, now);
        }
    }

    /// Hands one thing to an incident and notes what came of it.
    pub(super) fn tell(&mut self, id: u64, input: Input, now: Now) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let news = match open.incident.on(input, now) {
            None => return,
            Some(Step::Acted) => News::Acted,
            Some(Step::Restored) => News::Restored,
            Some(Step::Closed) => News::Closed,
            Some(Step::Labelled) => News::Labelled,
            Some(Step::Helpless) => News::NeedsPerson,
            Some(Step::Blamed) => News::Blamed,
            Some(Step::Moved | Step::Weighed) => News::Updated,
        };
        self.news.entry(id).or_default().push(news);
    }

    /// Something is new: every open verdict may be another.
    pub(super) fn judge_soon(&mut self, at: Time) {
        for open in self.open.values_mut() {
            open.judge_at = open.judge_at.min((open.judged + JUDGE_EVERY).max(at));
        }
    }

    /// Ranks the causes of this one, whatever else is new.
    pub(super) fn judge_now(&mut self, id: u64, now: Now) {
        if let Some(open) = self.open.get_mut(&id)
            && let Some(step) = open.judge(&self.subjects, &mut self.reasoner, now)
        {
            let news = match step {
                Step::Blamed => News::Blamed,
                _ => News::Updated,
            };
            self.news.entry(id).or_default().push(news);
        }
    }

    fn judge(&mut self, now: Now) {
        for (id, open) in &mut self.open {
            if open.judge_at > now.at || open.incident.is_closed() {
                continue;
            }
            if open.treated || !open.is_lasting(&self.subjects) {
                // What is over is not judged by evidence that only grows old, and what is seen while something is done, or
                // right after it, is as much that action's doing as the fault's.
                open.judge_at = Time::NEVER;
                continue;
            }
            let news = match open.judge(&self.subjects, &mut self.reasoner, now) {
                Some(Step::Blamed) => News::Blamed,
                Some(_) => News::Updated,
                None => continue,
            };
            self.news.entry(*id).or_default().push(news);
        }
    }

    fn close(&mut self) {
        let over = self.open.iter().filter(|(_, o)| o.incident.is_closed());
        let over: Vec<u64> = over.map(|(id, _)| *id).collect();
        for id in over {
            let Some(open) = self.open.remove(&id) else {
                continue;
            };
            let record = open.incident.record();
            let at = self.closed.partition_point(|other| other.id < id);
            self.closed.insert(at, record.clone());
            let news = self.news.remove(&id).unwrap_or_default();
            self.changes.push(IncidentChange { record, news });
            for key in open.incident.keys() {
                if let Some(subject) = self.subjects.get_mut(key) {
                    subject.incident = subject.incident.filter(|of| *of != id);
                }
            }
        }
        while self.closed.len() > CLOSED_MAX
            && let Some(record) = self.closed.pop_front()
        {
            let news = vec![News::Forgotten];
            self.changes.push(IncidentChange { record, news });
        }
    }

    fn plan_wakeup(&mut self, at: Time) {
        let subjects = self.active.iter().filter_map(|key| self.subjects.get(key));
        let subjects = subjects.map(|subject| subject.next_wakeup(at));
        let verdicts = self.open.values().map(|open| open.judge_at);
        let next = subjects.chain(verdicts).min().unwrap_or(Time::NEVER);
        let begin = match (self.loaded || self.touched.is_empty(), self.born) {
            (false, Some(born)) => born + WAIT_FOR_STORE,
            _ => Time::NEVER,
        };
        self.wakeup = Some(next.min(begin)).filter(|at| *at != Time::NEVER);
    }

    fn report(&mut self) -> Vec<IncidentChange> {
        let mut changes = std::mem::take(&mut self.changes);
        for (id, news) in std::mem::take(&mut self.news) {
            if let Some(open) = self.open.get(&id) {
                let record = open.incident.record();
                changes.push(IncidentChange { record, news });
            }
        }
        changes
    }
}
