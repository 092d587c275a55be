//! Who does what about which fault: one machine for all pools, so that a service behind two of them is one patient.
//!
//! It is given the sick subjects of all open incidents and says what is to be done. One action at a time in a pool and at a service; never
//! more in an hour than the pool's budget; what is not allowed, not possible or has failed is told, and when nothing is left a person is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::Epoch;
use crate::incident::Input;
use crate::settings::RecoveryMode;
use crate::time::{Now, Time};

use super::actions::{Action, Kept, Step};
use super::case::{Behind, Case};
use super::choose::{Choice, choose, command};
use super::course::{Course, Move};
use super::history::History;
use super::order::{CarriedRecovery, End, Tried};
use super::told::begun;
use super::wanted::{Do, RecoveryView};

/// Sick subjects are looked at this often while anything is wrong.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two looks at the least.
const SOONEST: Duration = Duration::from_millis(1);

/// One pool's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct PoolPlan {
    history: History,
    course: Option<Course>,
    /// Advised already: subject, incident, action.
    pub(super) advised: BTreeSet<(Arc<str>, u64, Kept)>,
}

/// All pools'.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Planner {
    pub(super) pools: BTreeMap<Arc<str>, PoolPlan>,
    carried: BTreeMap<Arc<str>, CarriedRecovery>,
    /// Subjects of incidents that a person was called for.
    pub(super) people: BTreeSet<(u64, Arc<str>)>,
    /// Subjects that are sick, and since when without a break.
    sick: BTreeMap<Arc<str>, Time>,
    looked: Option<Time>,
    wakeup: Option<Time>,
    /// Taken before the end of each event.
    #[serde(skip)]
    pub(super) todo: Vec<Do>,
}

impl Planner {
    /// What an earlier process did.
    pub(crate) fn carry(&mut self, records: Vec<CarriedRecovery>) {
        for record in records {
            self.carried.insert(record.pool.clone(), record);
        }
    }

    /// These are the pools there are; a record of one waits for its pool.
    pub(crate) fn configure(
        &mut self,
        names: &BTreeSet<Arc<str>>,
        patient: impl Fn(&str) -> Arc<str>,
    ) {
        self.pools
            .retain(|name, plan| names.contains(name) || plan.course.is_some());
        for name in names {
            let plan = self.pools.entry(name.clone()).or_default();
            if let Some(record) = self.carried.remove(name) {
                plan.history = History::carried(record, &patient);
            }
        }
    }

    /// When [`Planner::plan`] is next due.
    pub(crate) fn next_wakeup(&self) -> Time {
        self.wakeup.unwrap_or(Time::NEVER)
    }

    /// Is there anything to be looked at?
    pub(crate) fn is_due(&self, faults: bool, now: Time) -> bool {
        let rested = |looked: Time| now.since(looked) >= LOOK_EVERY;
        let wanted = faults || !self.people.is_empty();
        self.next_wakeup() <= now || (wanted && self.looked.is_none_or(rested))
    }

    /// What is written down of this pool is on disk.
    pub(crate) fn noted(&mut self, pool: &str, now: Now) {
        if let Some(course) = self.pools.get_mut(pool).and_then(|p| p.course.as_mut()) {
            course.noted(now);
            self.wakeup = Some(now.at);
        }
    }

    /// A shell says how a step ended.
    pub(crate) fn acted(&mut self, epoch: Epoch, result: Result<String, String>, now: Now) {
        for name in self.pools.keys().cloned().collect::<Vec<_>>() {
            let Some(plan) = self.pools.get_mut(&name) else {
                continue;
            };
            let Some(course) = plan.course.as_mut() else {
                continue;
            };
            if let Some(next) = course.acted(epoch, result.clone()) {
                self.make(&name, next, now);
                self.wakeup = Some(now.at);
                return;
            }
        }
    }

    /// The step of this subject was given this fence.
    pub(crate) fn taken(
        &mut self,
        subject: &str,
        epoch: Epoch,
        service: Option<&Behind>,
        now: Now,
    ) {
        let courses = self.pools.values_mut().filter_map(|p| p.course.as_mut());
        for course in courses.filter(|course| &*course.subject == subject) {
            let step = course.next_step();
            course.taken(step, epoch, service, now);
        }
        self.wakeup = Some(now.at);
    }

    /// A person did something about these incidents: whether our own action helps is not to be known any more.
    pub(crate) fn overtaken(&mut self, incidents: &[u64]) {
        let courses = self.pools.values_mut().filter_map(|p| p.course.as_mut());
        for course in courses.filter(|course| incidents.contains(&course.incident)) {
            course.overtaken = true;
        }
    }

    /// The course of this subject.
    pub(crate) fn course(&self, subject: &str) -> Option<&Course> {
        let mut courses = self.pools.values().filter_map(|p| p.course.as_ref());
        courses.find(|course| &*course.subject == subject)
    }

    /// Decides. What is to be done is then to be had from [`Planner::take`].
    pub(crate) fn plan(&mut self, cases: &[Case<'_>], now: Now) {
        self.looked = Some(now.at);
        for name in self.pools.keys().cloned().collect::<Vec<_>>() {
            self.go_on(&name, cases, now);
        }
        self.note_sick(cases, now);
        let mut wakeup = Time::NEVER;
        for case in cases {
            wakeup = wakeup.min(self.consider(case, now));
        }
        let open: BTreeSet<_> = cases
            .iter()
            .map(|c| (c.incident, c.subject.clone()))
            .collect();
        self.people.retain(|key| open.contains(key));
        let courses = self.pools.values().filter_map(|p| p.course.as_ref());
        for course in courses {
            wakeup = wakeup.min((now.at + LOOK_EVERY).min(course.next_wakeup()));
        }
        // Never at once again: whatever was due has been done.
        let soonest = now.at + SOONEST;
        self.wakeup = Some(wakeup.max(soonest)).filter(|_| wakeup != Time::NEVER);
    }

    /// What is to be done, in order.
    pub(crate) fn take(&mut self) -> Vec<Do> {
        std::mem::take(&mut self.todo)
    }

    /// What is shown of a pool.
    pub(crate) fn view(&self, pool: &str, max: u32, now: Now) -> RecoveryView {
        let Some(plan) = self.pools.get(pool) else {
            return RecoveryView {
                left: max,
                ..RecoveryView::default()
            };
        };
        let current = plan.course.as_ref().map(|course| {
            let name = course.action.0.part.name.to_owned();
            (
                name,
                course.subject.to_string(),
                course.stage_words().to_owned(),
            )
        });
        let cures = plan.history.all_cures().map(|(cause, action, counts)| {
            (
                cause.name().to_owned(),
                action.name().to_owned(),
                counts.tried,
                counts.cured,
            )
        });
        RecoveryView {
            left: plan.history.budget(max, now).1,
            current,
            cures: cures.collect(),
        }
    }

    /// The action under way in a pool.
    fn go_on(&mut self, pool: &Arc<str>, cases: &[Case<'_>], now: Now) {
        let Some(course) = self.pools.get_mut(pool).and_then(|p| p.course.as_mut()) else {
            return;
        };
        let case = cases.iter().find(|case| case.subject == course.subject);
        let next = course.go_on(case, now);
        self.make(pool, next, now);
    }

    /// Carries a move of the pool's course out.
    fn make(&mut self, pool: &Arc<str>, next: Move, now: Now) {
        let Some(plan) = self.pools.get_mut(pool) else {
            return;
        };
        let Some(course) = plan.course.as_mut() else {
            return;
        };
        let subject = course.subject.clone();
        match next {
            Move::Wait => {}
            Move::Drain => {
                course.withheld = true;
                let why = format!("is drained before {}", course.action.0.part.name);
                let endpoint = course.endpoint;
                self.todo
                    .extend(endpoint.map(|e| Do::Withhold(e, Some(why))));
                self.todo.push(Do::Treat(subject, true));
            }
            Move::Take(step) => self.step(pool, step),
            Move::Undo(why) => {
                let step = course.undo(why);
                self.todo.push(Do::Treat(subject, true));
                self.step(pool, step);
            }
            Move::Show => {
                course.show(now);
                let withheld = std::mem::take(&mut course.withheld);
                let endpoint = course.endpoint.filter(|_| withheld);
                self.todo.push(Do::Tell(
                    course.incident,
                    subject.clone(),
                    Input::ActionEnded {
                        action: course.action.name(),
                        target: subject.clone(),
                        done: true,
                        detail: course.said.join("; "),
                    },
                ));
                self.todo.extend(endpoint.map(|e| Do::Withhold(e, None)));
                self.todo.push(Do::Treat(subject, false));
            }
            Move::Over { cured, detail } => self.over(pool, cured, detail, now),
        }
    }

    fn step(&mut self, pool: &Arc<str>, step: Step) {
        let Some(course) = self.pools.get_mut(pool).and_then(|p| p.course.as_mut()) else {
            return;
        };
        let (subject, why) = (course.subject.clone(), course.why.clone());
        if step == Step::Relief {
            course.relieved = true;
            let why = format!("relieved: {why}");
            self.todo
                .extend(course.endpoint.map(|e| Do::Relieve(e, Some(why))));
        }
        let moves = |step| {
            matches!(
                step,
                Step::Relief | Step::Watch(_) | Step::Balancer | Step::Control
            )
        };
        if !moves(step) {
            self.todo.push(Do::Treat(subject.clone(), true));
        }
        self.todo.push(Do::Step { subject, step, why });
    }

    fn over(&mut self, pool: &Arc<str>, cured: bool, detail: String, now: Now) {
        let Some(plan) = self.pools.get_mut(pool) else {
            return;
        };
        let Some(course) = plan.course.take() else {
            return;
        };
        let end = match (cured, course.overtaken) {
            (true, false) => End::Cured,
            (true, true) => End::Overtaken,
            (false, _) => End::Failed,
        };
        let name = course.action;
        let counts = !course.overtaken;
        plan.history
            .ended(&course.subject, name.name(), end, counts, now);
        self.todo.push(Do::Note(plan.history.record(pool.clone())));
        if course.withheld {
            self.todo
                .extend(course.endpoint.map(|e| Do::Withhold(e, None)));
        }
        if course.relieved {
            self.todo
                .extend(course.endpoint.map(|e| Do::Relieve(e, None)));
        }
        self.todo.push(Do::Treat(course.subject.clone(), false));
        self.todo.push(Do::Tell(
            course.incident,
            course.subject.clone(),
            Input::ActionJudged {
                action: name.name(),
                target: course.subject,
                cured,
                detail,
            },
        ));
    }

    /// An incident may be open for long before one that was on its way back, or waits for a person, falls sick again.
    fn note_sick(&mut self, cases: &[Case<'_>], now: Now) {
        let sick = cases.iter().filter(|case| case.is_sick());
        let mut before = std::mem::take(&mut self.sick);
        for case in sick {
            let since = before.remove(&case.subject).unwrap_or(now.at);
            self.sick.insert(case.subject.clone(), since);
        }
    }

    /// A sick subject: is anything to be done about it now? When to look again at the latest.
    fn consider(&mut self, case: &Case<'_>, now: Now) -> Time {
        let Some(since) = self.sick.get(&case.subject).copied() else {
            return Time::NEVER;
        };
        let off = case.settings.mode == RecoveryMode::Off || case.causes.is_empty();
        if off || self.is_busy(case) {
            return Time::NEVER;
        }
        let Some(plan) = self.pools.get(&case.pool) else {
            return Time::NEVER;
        };
        match choose(case, since, &plan.history, now) {
            Choice::Wait(at, None) => at,
            Choice::Wait(at, Some(why)) => self.call_person(case, vec![why], now).min(at),
            Choice::Nothing(reasons) => self.call_person(case, reasons, now),
            Choice::Take { action, cause, why } => {
                let (at, _) = plan.history.budget(case.settings.max_actions_per_hour, now);
                if at > now.at {
                    let (most, name) = (case.settings.max_actions_per_hour, action.part.name);
                    let why = format!(
                        "{name}: {most} actions were taken within the hour, which is max_actions_per_hour"
                    );
                    return self.call_person(case, vec![why], now).min(at);
                }
                match case.settings.mode {
                    RecoveryMode::Act => self.begin(case, action, cause, why, now),
                    _ => self.advise(case, action, why),
                }
                Time::NEVER
            }
        }
    }

    /// Something is being done already: in its pool, or to its service.
    fn is_busy(&self, case: &Case<'_>) -> bool {
        self.pools.iter().any(|(name, plan)| {
            plan.course.as_ref().is_some_and(|course| {
                let same = course.service.is_some()
                    && course.service == case.service.as_ref().map(|s| s.name.clone());
                *name == case.pool || same || course.subject == case.subject
            })
        })
    }

    fn begin(
        &mut self,
        case: &Case<'_>,
        action: &'static Action,
        cause: crate::diagnose::Cause,
        why: String,
        now: Now,
    ) {
        let Some(plan) = self.pools.get_mut(&case.pool) else {
            return;
        };
        let argument = match action.part.name {
            "run" => case.service.as_ref().and_then(|s| command(&s.spec, case)),
            _ => None,
        };
        let tried = Tried {
            subject: case.subject.clone(),
            incident: case.incident,
            action: Kept(action),
            cause,
            at: now.wall,
            ended: None,
            end: End::Open,
        };
        plan.history.begin(case.patient().clone(), tried, now);
        self.todo
            .push(Do::Note(plan.history.record(case.pool.clone())));
        self.todo.push(begun(case, action, why.clone(), false));
        plan.course = Some(Course::new(case, action, cause, why, argument, now));
        self.people.remove(&(case.incident, case.subject.clone()));
    }
}
