//! One incident: its subjects, causes, actions and times. It is told what happens and says what changed; who belongs to
//! it is the ledger's to know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::{Cause, Ranked};
use crate::time::{Now, Time, WallTime};

use super::asked::Asked;
use super::noticed::Noticed;
use super::record::{ActionRecord, EvidenceRecord, Record, SubjectRecord, TimesMs};
use super::words::{Actor, Labeller, Outcome, Phase, Reach};

/// Reasons told why a person is needed.
const REASONS_MAX: usize = 24;
/// Numbers of merged ones that are kept: a machine has no more endpoints that each begin as a fault of their own.
const MERGED_MAX: usize = 64;

/// What happens to an incident.
#[derive(Clone, Debug)]
pub enum Input {
    /// One more is part of it, or one of it moved on.
    Subject {
        /// `pool/endpoint`, or a service's name.
        key: Arc<str>,
        /// Its pool.
        pool: Option<Arc<str>>,
        /// Where it is now.
        phase: Phase,
    },
    /// This one turned out not to be part of it, or the configuration has it no more.
    Left(Arc<str>),
    /// The causes were ranked anew.
    Verdict {
        /// Most probable first.
        causes: Vec<Ranked>,
        /// What they rest on.
        evidence: Vec<EvidenceRecord>,
    },
    /// An action began.
    ActionStarted {
        /// What.
        action: &'static str,
        /// To whom.
        target: Arc<str>,
        /// Why this one.
        why: String,
        /// It is shown, and not done.
        advised: bool,
    },
    /// An action ended: done, or it failed.
    ActionEnded {
        /// What.
        action: &'static str,
        /// To whom.
        target: Arc<str>,
        /// Was it done?
        done: bool,
        /// What was done, or why not.
        detail: String,
    },
    /// Whether an action helped is known.
    ActionJudged {
        /// What.
        action: &'static str,
        /// To whom.
        target: Arc<str>,
        /// Did it?
        cured: bool,
        /// Why not.
        detail: String,
    },
    /// A person wants something done, or it has ended.
    Asked(Asked),
    /// Nothing is left that could be done, for these reasons.
    NeedsPerson(Vec<String>),
    /// Somebody who knows says what it was.
    Label(Cause, Labeller),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A subject came, left or moved.
    Moved,
    /// Another cause is the most probable now.
    Blamed,
    /// The same cause, other figures.
    Weighed,
    /// An action began or ended.
    Acted,
    /// Everything serves again.
    Restored,
    /// It is over.
    Closed,
    /// A person has said what it was.
    Labelled,
    /// A person is needed.
    Helpless,
}

/// An incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Incident {
    pub(crate) id: u64,
    pub(crate) reach: Reach,
    first_sign: Now,
    pub(super) opened: Now,
    pub(super) acted: Option<Time>,
    pub(super) restored: Option<Now>,
    closed: Option<WallTime>,
    subjects: BTreeMap<Arc<str>, (Option<Arc<str>>, Phase)>,
    causes: Vec<Ranked>,
    evidence: Vec<EvidenceRecord>,
    pub(super) actions: Vec<(ActionRecord, Time)>,
    pub(super) times: TimesMs,
    label: Option<Cause>,
    labelled_by: Labeller,
    pub(super) clients: BTreeMap<Arc<str>, Noticed>,
    person: Vec<String>,
    /// Somebody of it did not serve.
    harmed: bool,
    /// Numbers of those that became part of it, the greatest of them.
    merged: BTreeSet<u64>,
}

impl Incident {
    /// A fault known since `now`, whose first sign was at `first_sign`.
    pub fn open(id: u64, first_sign: Time, now: Now) -> Incident {
        let before = now.at.since(first_sign);
        Incident {
            id,
            reach: Reach::Instance,
            first_sign: Now {
                at: first_sign,
                wall: earlier(now.wall, before),
            },
            opened: now,
            acted: None,
            restored: None,
            closed: None,
            subjects: BTreeMap::new(),
            causes: Vec::new(),
            evidence: Vec::new(),
            actions: Vec::new(),
            times: TimesMs {
                detect: Some(ms(before)),
                ..TimesMs::default()
            },
            label: None,
            labelled_by: Labeller::default(),
            clients: BTreeMap::new(),
            person: Vec::new(),
            harmed: false,
            merged: BTreeSet::new(),
        }
    }

    /// As an earlier process left it.
    pub fn resume(record: &Record, now: Now) -> Incident {
        let on_the_clock = |wall: WallTime| Now {
            at: now.at - Duration::from_millis(now.wall.0.saturating_sub(wall.0)),
            wall,
        };
        let subjects = record.subjects.iter().map(|subject| {
            let pool = subject.pool.as_deref().map(Arc::from);
            (Arc::from(subject.key.as_str()), (pool, subject.phase))
        });
        let mut own = record.actions.iter().filter(|a| a.by == Actor::Evenkeel);
        let started = own.next().map(|a| on_the_clock(a.started).at);
        let actions = record.actions.iter().cloned().map(|mut action| {
            let started = on_the_clock(action.started).at;
            if action.outcome == Outcome::Running {
                action.outcome = Outcome::Interrupted;
                action.detail = "evenkeel was replaced in the middle of it".to_owned();
                action.ended = Some(now.wall);
            }
            (action, started)
        });
        Incident {
            id: record.id,
            reach: record.reach,
            first_sign: on_the_clock(record.first_sign),
            opened: on_the_clock(record.opened),
            acted: started,
            restored: record.restored.map(on_the_clock),
            closed: record.closed,
            subjects: subjects.collect(),
            causes: record.causes.clone(),
            evidence: record.evidence.clone(),
            actions: actions.collect(),
            times: record.times,
            label: record.label,
            labelled_by: record.labelled_by,
            clients: record
                .clients
                .iter()
                .map(|(pool, of)| (pool.as_str().into(), *of))
                .collect(),
            person: record.person.clone(),
            harmed: record.harmed,
            merged: record.merged.iter().copied().collect(),
        }
    }

    /// Takes one thing in.
    pub fn on(&mut self, input: Input, now: Now) -> Option<Step> {
        match input {
            Input::Subject { key, pool, phase } => {
                self.harmed |= phase == Phase::Down;
                let before = self.subjects.insert(key, (pool, phase));
                let moved = before.is_none_or(|(_, before)| before != phase);
                moved.then(|| self.settle(now))
            }
            Input::Left(key) => {
                self.subjects.remove(&key)?;
                Some(self.settle(now))
            }
            Input::Verdict { causes, evidence } => self.judged(causes, evidence),
            Input::ActionStarted {
                action,
                target,
                why,
                advised,
            } => self.action_started(action, &target, why, advised, now),
            Input::ActionEnded {
                action,
                target,
                done,
                detail,
            } => self.action_ended(action, &target, done, detail, now),
            Input::ActionJudged {
                action,
                target,
                cured,
                detail,
            } => self.action_judged(action, &target, cured, detail, now),
            Input::Asked(asked) => self.asked(asked, now),
            Input::NeedsPerson(reasons) => self.needs_person(reasons),
            Input::Label(cause, by) => {
                (self.label, self.labelled_by) = (Some(cause), by);
                Some(Step::Labelled)
            }
        }
    }

    /// Is it over?
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The most probable cause.
    pub fn cause(&self) -> Option<Cause> {
        self.causes.first().map(|ranked| ranked.cause)
    }

    /// Most probable first.
    pub fn causes(&self) -> &[Ranked] {
        &self.causes
    }

    /// When it was known to be a fault.
    pub fn opened(&self) -> Now {
        self.opened
    }

    /// Its first sign, on this process's clock.
    pub(super) fn began(&self) -> Time {
        self.first_sign.at
    }

    /// Its first sign.
    pub fn first_sign(&self) -> WallTime {
        self.first_sign.wall
    }

    /// Is one of them in this pool?
    pub(super) fn is_of(&self, pool: &str) -> bool {
        let mut pools = self.subjects.values().map(|(pool, _)| pool.as_deref());
        pools.any(|of| of == Some(pool))
    }

    /// Its subjects' keys.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.subjects.keys()
    }

    /// The one that turned out to be the same fault becomes part of this one.
    pub fn absorb(&mut self, other: Incident) {
        if other.first_sign.at < self.first_sign.at {
            self.first_sign = other.first_sign;
            self.times.detect = Some(ms(self.opened.at.since(self.first_sign.at)));
        }
        self.subjects.extend(other.subjects);
        self.harmed |= other.harmed;
        self.person.extend(other.person);
        self.actions.extend(other.actions);
        self.actions.sort_by_key(|(_, started)| *started);
        self.restored = None;
        if self.label.is_none() {
            (self.label, self.labelled_by) = (other.label, other.labelled_by);
        }
        for (pool, of) in other.clients {
            // Both counted the requests of the time they were both open.
            let known = self.clients.entry(pool).or_default();
            *known = known.max(of);
        }
        self.merged.extend(other.merged);
        self.merged.insert(other.id);
        while self.merged.len() > MERGED_MAX {
            self.merged.pop_first();
        }
    }

    /// As plain data.
    pub fn record(&self) -> Record {
        let subjects = self.subjects.iter();
        Record {
            id: self.id,
            subjects: subjects
                .map(|(key, (pool, phase))| SubjectRecord {
                    key: key.to_string(),
                    pool: pool.as_deref().map(str::to_owned),
                    phase: *phase,
                })
                .collect(),
            reach: self.reach,
            scope: self.reach.scope(self.cause()),
            first_sign: self.first_sign.wall,
            opened: self.opened.wall,
            restored: self.restored.map(|now| now.wall),
            closed: self.closed,
            causes: self.causes.clone(),
            evidence: self.evidence.clone(),
            actions: self.actions.iter().map(|(a, _)| a.clone()).collect(),
            times: self.times,
            label: self.label,
            labelled_by: self.labelled_by,
            clients: self
                .clients
                .iter()
                .map(|(pool, of)| (pool.to_string(), *of))
                .collect(),
            person: self.person.clone(),
            harmed: self.harmed,
            merged: self.merged.iter().copied().collect(),
        }
    }

    /// A person is told once, and again where there is another reason.
    fn needs_person(&mut self, reasons: Vec<String>) -> Option<Step> {
        let known = self.person.len();
        for reason in reasons {
            if !self.person.contains(&reason) && self.person.len() < REASONS_MAX {
                self.person.push(reason);
            }
        }
        let news = known == 0 || self.person.len() > known;
        news.then_some(Step::Helpless)
    }

    fn settle(&mut self, now: Now) -> Step {
        let worst = self.subjects.values().map(|(_, phase)| *phase).max();
        match worst.unwrap_or_default() {
            Phase::Normal => {
                self.restored.get_or_insert(now);
                self.restore_time();
                self.closed = Some(now.wall);
                self.credit();
                Step::Closed
            }
            Phase::Verifying if self.restored.is_none() => {
                self.restored = Some(now);
                self.restore_time();
                Step::Restored
            }
            Phase::Verifying => Step::Moved,
            _ => {
                self.restored = None;
                self.times.restore = None;
                Step::Moved
            }
        }
    }

    fn restore_time(&mut self) {
        let at = self.restored.map(|restored| restored.at);
        self.times.restore = at.map(|at| ms(at.since(self.first_sign.at)));
    }

    fn judged(&mut self, causes: Vec<Ranked>, evidence: Vec<EvidenceRecord>) -> Option<Step> {
        let before = self.cause();
        let changed = self.causes != causes || self.evidence.len() != evidence.len();
        self.causes = causes;
        self.evidence = evidence;
        match changed {
            true if before != self.cause() => Some(Step::Blamed),
            true => Some(Step::Weighed),
            false => None,
        }
    }
}

pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn earlier(wall: WallTime, by: Duration) -> WallTime {
    WallTime(wall.0.saturating_sub(ms(by)))
}

#[cfg(test)]
mod tests {
    use super::super::doings::ACTIONS_MAX;
    use super::*;

    fn at(ms: u64) -> Now {
        Now {
            at: Time::from_millis(1_000_000 + ms),
            wall: WallTime(50_000_000 + ms),
        }
    }

    fn subject(key: &str, phase: Phase) -> Input {
        Input::Subject {
            key: key.into(),
            pool: Some("app".into()),
            phase,
        }
    }

    fn restart(target: &str) -> Input {
        Input::ActionStarted {
            action: "restart",
            target: target.into(),
            why: String::new(),
            advised: false,
        }
    }

    fn restarted(target: &str, done: bool) -> Input {
        let (action, target) = ("restart", target.into());
        Input::ActionEnded {
            action,
            target,
            done,
            detail: String::new(),
        }
    }

    #[test]
    fn its_times_are_measured_from_the_first_sign_to_the_return() {
        let mut incident = Incident::open(1, at(0).at, at(210));
        incident.on(subject("app/a1", Phase::Down), at(210));
        incident.on(restart("app/a1"), at(213));
        incident.on(restarted("app/a1", true), at(1113));
        let restored = incident.on(subject("app/a1", Phase::Verifying), at(2400));
        assert_eq!(restored, Some(Step::Restored));
        let closed = incident.on(subject("app/a1", Phase::Normal), at(5400));
        assert_eq!(closed, Some(Step::Closed));
        let record = incident.record();
        let times = TimesMs {
            detect: Some(210),
            decide: Some(3),
            act: Some(900),
            restore: Some(2400),
        };
        assert_eq!(record.times, times);
        assert_eq!(record.actions[0].outcome, Outcome::Cured);
        assert_eq!(record.state(), "closed");
        assert_eq!(record.pool(), Some("app"));
    }

    #[test]
    fn an_action_followed_by_another_did_not_cure() {
        let mut incident = Incident::open(1, at(0).at, at(0));
        incident.on(subject("app/a1", Phase::Down), at(0));
        incident.on(restart("app/a1"), at(100));
        incident.on(restarted("app/a1", true), at(200));
        incident.on(restarted("app/a1", false), at(300));
        incident.on(restart("app/a1"), at(500));
        incident.on(restarted("app/a1", true), at(600));
        let outcomes =
            |i: &Incident| -> Vec<_> { i.record().actions.iter().map(|a| a.outcome).collect() };
        assert_eq!(outcomes(&incident), [Outcome::Failed, Outcome::Watched]);
        incident.on(subject("app/a1", Phase::Verifying), at(700));
        incident.on(subject("app/a1", Phase::Normal), at(3700));
        assert_eq!(outcomes(&incident), [Outcome::Failed, Outcome::Cured]);
    }

    #[test]
    fn it_is_restored_only_when_all_serve_and_a_relapse_takes_that_back() {
        let mut incident = Incident::open(1, at(0).at, at(0));
        incident.on(subject("app/a1", Phase::Down), at(0));
        incident.on(subject("app/a2", Phase::Down), at(5));
        assert_eq!(
            incident.on(subject("app/a1", Phase::Verifying), at(10)),
            Some(Step::Moved)
        );
        assert_eq!(incident.record().times.restore, None);
        let step = incident.on(subject("app/a2", Phase::Verifying), at(20));
        assert_eq!(step, Some(Step::Restored));
        incident.on(subject("app/a2", Phase::Down), at(30));
        assert_eq!(incident.record().times.restore, None);
        incident.on(Input::Left("app/a2".into()), at(40));
        assert_eq!(incident.record().times.restore, Some(40));
        assert!(!incident.is_closed());
    }

    #[test]
    fn a_person_is_told_once_for_each_reason_however_many_of_it_wait() {
        let mut incident = Incident::open(1, at(0).at, at(0));
        let mut told = |why: &str| {
            incident
                .on(Input::NeedsPerson(vec![why.into()]), at(0))
                .is_some()
        };
        assert!(told("run: not in `allow`"));
        assert!(!told("run: not in `allow`"));
        assert!(told("restart: its hour's budget is used up"));
        assert!(!told("run: not in `allow`"));
        assert_eq!(incident.record().person.len(), 2);
    }

    #[test]
    fn it_survives_a_restart_with_its_times() {
        let mut incident = Incident::open(7, at(0).at, at(100));
        incident.on(subject("app/a1", Phase::Down), at(100));
        let record = incident.record();
        let later = Now {
            at: Time::from_millis(5),
            wall: WallTime(50_000_000 + 1_000),
        };
        let mut resumed = Incident::resume(&record, later);
        assert_eq!(resumed.record(), record);
        resumed.on(subject("app/a1", Phase::Verifying), later);
        // A clock that began after the fault did cannot say more than its own age.
        assert_eq!(resumed.record().times.restore, Some(5));
    }

    #[test]
    fn actions_are_bounded() {
        let mut incident = Incident::open(1, at(0).at, at(0));
        for n in 0..500 {
            incident.on(restart("app/a1"), at(n));
        }
        assert_eq!(incident.record().actions.len(), ACTIONS_MAX);
    }
}
