//! What was done about an incident: each action with its reason, its end and whether it helped.

use crate::time::{Now, Time};

use super::machine::{Incident, Step, ms};
use super::record::ActionRecord;
use super::words::{Actor, Outcome};

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
        self.make_room();
        if self.acted.is_none() {
            self.acted = Some(now.at);
            self.times.decide = Some(ms(now.at.since(self.opened.at)));
        }
        let record = ActionRecord {
            action: action.to_owned(),
            target: target.to_owned(),
            by: Actor::Evenkeel,
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
        if record.outcome == Outcome::Overtaken && record.ended.is_some() {
            return None; // what comes of it now is the later one's
        }
        record.outcome = match done {
            _ if record.outcome == Outcome::Overtaken => Outcome::Overtaken,
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
        record.outcome = match cured {
            _ if record.outcome == Outcome::Overtaken => Outcome::Overtaken,
            true => Outcome::Cured,
            false => Outcome::Failed,
        };
        if !detail.is_empty() {
            record.detail = detail;
        }
        record.ended.get_or_insert(now.wall);
        Some(Step::Acted)
    }

    /// Everything serves again and the incident is over: what was done last has cured it.
    pub(super) fn credit(&mut self) {
        for (record, _) in &mut self.actions {
            let lasts = record.by == Actor::Operator && record.outcome == Outcome::Running;
            if lasts || record.outcome == Outcome::Watched {
                record.outcome = Outcome::Cured;
            }
        }
    }

    pub(super) fn make_room(&mut self) {
        if self.actions.len() >= ACTIONS_MAX {
            self.actions.remove(0);
        }
    }

    /// The newest such action of our own that is under way or being watched, or was until something else was done.
    fn unjudged(&mut self, action: &str, target: &str) -> Option<(&mut ActionRecord, Time)> {
        let open = |(a, _): &&mut (ActionRecord, Time)| {
            let own = a.by == Actor::Evenkeel && a.action == action && a.target == target;
            own && !a.outcome.is_known()
        };
        let found = self.actions.iter_mut().rev().find(open);
        found.map(|(record, started)| (record, *started))
    }

    fn give_up(&mut self, target: &str, now: Now) {
        for (record, _) in &mut self.actions {
            let running = matches!(record.outcome, Outcome::Running | Outcome::Watched);
            if record.target == target && running {
                record.outcome = match record.by {
                    Actor::Evenkeel => Outcome::Failed,
                    Actor::Operator => Outcome::Overtaken,
                };
                record.ended.get_or_insert(now.wall);
            }
        }
    }
}
