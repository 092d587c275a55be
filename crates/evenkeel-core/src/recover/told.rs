//! What the planner does not do itself: what it would do is told where it may only advise, and where nothing is left a person is called.

use std::time::Duration;

use crate::incident::Input;
use crate::time::{Now, Time};

use super::actions::{Action, Kept};
use super::case::Case;
use super::planner::Planner;
use super::wanted::Do;

/// With nothing to be done about it, a fault has so long to pass by itself before a person is called.
const PERSON_AFTER: Duration = Duration::from_secs(10);
/// Subjects that a word about a person is kept of.
const PEOPLE_MAX: usize = 10_000;

/// The incident is told that this begins, or would.
pub(super) fn begun(case: &Case<'_>, action: &'static Action, why: String, advised: bool) -> Do {
    let begun = Input::ActionStarted {
        action: action.part.name,
        target: case.subject.clone(),
        why,
        advised,
    };
    Do::Tell(case.incident, case.subject.clone(), begun)
}

impl Planner {
    pub(super) fn advise(&mut self, case: &Case<'_>, action: &'static Action, why: String) {
        let Some(plan) = self.pools.get_mut(&case.pool) else {
            return;
        };
        let key = (case.subject.clone(), case.incident, Kept(action));
        if plan.advised.len() >= PEOPLE_MAX {
            plan.advised.clear();
        }
        if plan.advised.insert(key) {
            self.todo.push(begun(case, action, why, true));
        }
    }

    /// Nothing can be done: a person is called, once, after a while.
    pub(super) fn call_person(&mut self, case: &Case<'_>, reasons: Vec<String>, now: Now) -> Time {
        let at = case.opened + PERSON_AFTER;
        if now.at < at {
            return at;
        }
        let key = (case.incident, case.subject.clone());
        if self.people.contains(&key) || self.people.len() >= PEOPLE_MAX {
            return Time::NEVER;
        }
        self.people.insert(key);
        self.todo.push(Do::Tell(
            case.incident,
            case.subject.clone(),
            Input::NeedsPerson(reasons),
        ));
        Time::NEVER
    }
}
