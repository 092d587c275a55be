//! The subjects of open incidents as the recovery sees them, and what it tells of what it does.

use std::sync::Arc;

use crate::diagnose::{Ranked, Scope};
use crate::id::EndpointId;
use crate::recover::Condition;
use crate::time::{Now, Time, WallTime};

use super::ledger::Ledger;
use super::machine::Input;
use super::subject::{Stand, Subject};

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct SubjectView<'a> {
    pub(crate) incident: u64,
    pub(crate) opened: Time,
    pub(crate) since: WallTime,
    pub(crate) causes: &'a [Ranked],
    pub(crate) scope: Scope,
    pub(crate) subject: &'a Arc<str>,
    pub(crate) pool: Option<&'a Arc<str>>,
    pub(crate) endpoint: Option<EndpointId>,
    pub(crate) condition: Condition,
}

impl Ledger {
    /// Something is done about an incident of this subject, or what was being done has ended: an [`Input`] of the recovery's.
    pub(crate) fn act(&mut self, id: u64, subject: &str, input: Input, now: Now) {
        // It may have become part of another one meanwhile.
        let current = self.subjects.get(subject).and_then(|s| s.incident);
        let id = current.unwrap_or(id);
        if let Some(open) = self.open.get_mut(&id) {
            match &input {
                Input::ActionStarted { advised: false, .. } => open.treated = true,
                Input::ActionJudged { .. } => {
                    open.treated = false;
                    open.judge_at = now.at;
                }
                _ => {}
            }
        }
        self.tell(id, input, now);
    }

    /// Something is being done to this subject: what is seen of it meanwhile is that action's doing. Or not any more.
    pub(crate) fn treat(&mut self, subject: &str, on: bool, now: Now) {
        let Some(known) = self.subjects.get_mut(subject) else {
            return;
        };
        if known.treated && !on {
            known.settled = now.at;
        }
        known.treated = on;
        self.touched.insert(known.spec.key.clone());
    }

    /// All subjects of open incidents that are not normal.
    pub(crate) fn troubled(&self, at: Time) -> Vec<SubjectView<'_>> {
        let mut views = Vec::new();
        for (id, open) in &self.open {
            let incident = &open.incident;
            for key in incident.keys() {
                let Some(subject) = self.subjects.get(key) else {
                    continue;
                };
                views.push(SubjectView {
                    incident: *id,
                    opened: incident.opened().at,
                    since: incident.first_sign(),
                    causes: incident.causes(),
                    scope: incident.reach.scope(incident.cause()),
                    subject: &subject.spec.key,
                    pool: subject.spec.pool.as_ref(),
                    endpoint: subject.spec.endpoint,
                    condition: condition(subject, at),
                });
            }
        }
        views
    }
}

fn condition(subject: &Subject, at: Time) -> Condition {
    match subject.stand(at) {
        Stand::Well | Stand::Away => Condition::Well,
        Stand::Suspect if subject.ailing.is_some() => Condition::Ailing,
        Stand::Suspect | Stand::Returning => Condition::Returning,
        Stand::Down => Condition::Down,
    }
}
