//! What was done about an incident: each action with its reason, its end and whether it helped.

use crate::time::{Now, Time};

use super::machine::{Incident, Step, ms};
use super::record::ActionRecord;
use super::words::Outcome;

/// Actions kept of one incident: a service that is restarted for ever must not fill the memory.
pub(super) const ACTIONS_MAX: usize = 50;

impl Incident {
    pub(super) fn action_started(
        &mut self,
        action: &str,
        target: &str,
        why: String,
        advised: bool,
        now: Now,
    ) -> Option<Step> {
        // What was done before and is followed by this did not help.
        self.give_up(target, now);
        if self.actions.len() >= ACTIONS_MAX {
            self.actions.remove(0);
        }
        if self.acted.is_none() {
            self.acted = Some(now.at);
            self.times.decide = Some(ms(now.at.since(self.opened.at)));
        }
        let record = ActionRecord {
            action: action.to_owned(),
            target: target.to_owned(),
            why,
            outcome: if advised {
                Outcome::Advised
            } else {
                Outcome::Running
            },
            detail: String::new(),
            started: now.wall,
            ended: advised.then_some(now.wall),
        };
        self.actions.push((record, now.at));
        Some(Step::Acted)
    }

    pub(super) fn action_ended(
        &mut self,
        action: &str,
        target: &str,
        done: bool,
        detail: String,
        now: Now,
    ) -> Option<Step> {
        let (record, started) = self.unjudged(action, target)?;
        record.outcome = match done {
            true => Outcome::Watched,
            false => Outcome::Failed,
        };
        if !detail.is_empty() {
            record.detail = detail;
        }
        if record.ended.is_none() {
            record.ended = Some(now.wall);
            self.times.act = Some(ms(now.at.since(started)));
        }
        Some(Step::Acted)
    }

    pub(super) fn action_judged(
        &mut self,
        action: &str,
        target: &str,
        cured: bool,
        detail: String,
        now: Now,
    ) -> Option<Step> {
        let (record, _) = self.unjudged(action, target)?;
        record.outcome = if cured {
            Outcome::Cured
        } else {
            Outcome::Failed
        };
        if !detail.is_empty() {
            record.detail = detail;
        }
        record.ended.get_or_insert(now.wall);
        Some(Step::Acted)
    }

    /// The newest such action that is under way or being watched.
    fn unjudged(&mut self, action: &str, target: &str) -> Option<(&mut ActionRecord, Time)> {
        let open = |(a, _): &&mut (ActionRecord, Time)| {
            let running = matches!(a.outcome, Outcome::Running | Outcome::Watched);
            a.action == action && a.target == target && running
        };
        let found = self.actions.iter_mut().rev().find(open);
        found.map(|(record, started)| (record, *started))
    }

    fn give_up(&mut self, target: &str, now: Now) {
        for (record, _) in &mut self.actions {
            let running = matches!(record.outcome, Outcome::Running | Outcome::Watched);
            if record.target == target && running {
                record.outcome = Outcome::Failed;
                record.ended.get_or_insert(now.wall);
            }
        }
    }
}
