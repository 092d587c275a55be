//! What was tried in a pool, when, and whether it helped: rest times, the hourly budget and the counts of cures follow from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::Cause;
use crate::time::{Now, Time, WallTime};

use super::actions::{Action, Harm, Kept};
use super::order::{CarriedRecovery, Cures, End, Tried};

/// Remembered for so long: the longest rest time, and the hour of the budget.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Far more than any budget allows in that time.
const TRIED_MAX: usize = 2048;

/// One pool's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// Oldest first; the patient beside each is what rests.
    tried: Vec<(Arc<str>, Tried)>,
    cures: BTreeMap<(Cause, Kept), Cures>,
}

impl History {
    /// What an earlier process left. What it was in the middle of is over, and nobody knows how far it came: it counts, rests
    /// and is not done again for the same incident.
    pub(crate) fn carried(record: CarriedRecovery, patient: impl Fn(&str) -> Arc<str>) -> History {
        let tried = record.tried.into_iter().map(|mut tried| {
            if tried.end == End::Open {
                tried.end = End::Interrupted;
            }
            (patient(&tried.subject), tried)
        });
        History {
            tried: tried.take(TRIED_MAX).collect(),
            cures: record
                .cures
                .into_iter()
                .map(|(cause, action, cures)| ((cause, action), cures))
                .collect(),
        }
    }

    pub(crate) fn record(&self, pool: Arc<str>) -> CarriedRecovery {
        let cures = self.cures.iter();
        CarriedRecovery {
            pool,
            tried: self.tried.iter().map(|(_, tried)| tried.clone()).collect(),
            cures: cures
                .map(|((cause, action), c)| (*cause, *action, *c))
                .collect(),
        }
    }

    /// An action begins.
    pub(crate) fn begin(&mut self, patient: Arc<str>, tried: Tried, now: Now) {
        self.forget(now);
        if self.tried.len() >= TRIED_MAX {
            self.tried.remove(0);
        }
        self.tried.push((patient, tried));
    }

    /// The newest of this action for this subject ended. It counts where whether it helped can be known.
    pub(crate) fn ended(&mut self, subject: &str, action: &str, end: End, counts: bool, now: Now) {
        let open = |(_, t): &&mut (Arc<str>, Tried)| {
            t.end == End::Open && &*t.subject == subject && t.action.name() == action
        };
        let Some((_, tried)) = self.tried.iter_mut().rev().find(open) else {
            return;
        };
        tried.end = end;
        tried.ended = Some(now.wall);
        if counts {
            let counts = self.cures.entry((tried.cause, tried.action)).or_default();
            counts.tried = counts.tried.saturating_add(1);
            counts.cured = counts.cured.saturating_add(u32::from(end == End::Cured));
        }
    }

    /// Everything that was tried for this subject of late.
    pub(crate) fn of<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Tried> {
        let all = self.tried.iter().map(|(_, tried)| tried);
        all.filter(move |tried| &*tried.subject == subject)
    }

    /// Was it tried for this incident, and did not help, or nobody knows?
    pub(crate) fn failed_for(&self, subject: &str, incident: u64, action: &str) -> bool {
        self.of(subject).any(|tried| {
            let vain = matches!(tried.end, End::Failed | End::Interrupted);
            tried.incident == incident && tried.action.name() == action && vain
        })
    }

    /// Was anything of it cut short by the end of the process before this one?
    pub(crate) fn interrupted_for(&self, subject: &str, incident: u64, action: &str) -> bool {
        self.of(subject).any(|tried| {
            let cut = tried.end == End::Interrupted;
            cut && tried.incident == incident && tried.action.name() == action
        })
    }

    /// Was anything begun at this subject, or another of the same patient, after this moment?
    pub(crate) fn begun_after(&self, subject: &str, patient: &str, at: WallTime) -> bool {
        let same = |(of, tried): &(Arc<str>, Tried)| **of == *patient || *tried.subject == *subject;
        let mut tried = self.tried.iter();
        tried.any(|entry| same(entry) && entry.1.at > at)
    }

    /// From when on this action may be taken again on this subject, or another of the same patient. A balancer that was started
    /// while the subject was out of the configuration does not know its patient.
    pub(crate) fn rested(&self, subject: &str, patient: &str, action: &Action, now: Now) -> Time {
        let same = |(of, tried): &&(Arc<str>, Tried)| {
            let done = **of == *patient || *tried.subject == *subject;
            done && tried.action.name() == action.part.name
        };
        let last = self.tried.iter().rev().find(same);
        let Some((_, last)) = last else {
            return Time::ZERO;
        };
        let left = until(last.at, action.rest, now);
        if left.is_zero() {
            Time::ZERO
        } else {
            now.at + left
        }
    }

    /// From when on the hourly budget allows another; zero = now, and how many it allows.
    pub(crate) fn budget(&self, max: u32, now: Now) -> (Time, u32) {
        let counts = |(_, tried): &&(Arc<str>, Tried)| {
            tried.action.0.harm > Harm::Nothing && !until(tried.at, REMEMBERED, now).is_zero()
        };
        let counted: Vec<_> = self.tried.iter().filter(counts).collect();
        let used = u32::try_from(counted.len()).unwrap_or(u32::MAX);
        if used < max {
            return (Time::ZERO, max - used);
        }
        // When so many are older than an hour that one fits again.
        let (_, first) = match counted.get((used - max) as usize) {
            Some(first) => first,
            None => return (Time::NEVER, 0),
        };
        (now.at + until(first.at, REMEMBERED, now), 0)
    }

    pub(crate) fn cures(&self, cause: Cause, action: &'static Action) -> Cures {
        self.cures
            .get(&(cause, Kept(action)))
            .copied()
            .unwrap_or_default()
    }

    /// All counts, by cause and action.
    pub(crate) fn all_cures(&self) -> impl Iterator<Item = (Cause, Kept, Cures)> {
        let all = self.cures.iter();
        all.map(|((cause, action), cures)| (*cause, *action, *cures))
    }

    fn forget(&mut self, now: Now) {
        let kept = |t: &Tried| t.end == End::Open || !until(t.at, REMEMBERED, now).is_zero();
        self.tried.retain(|(_, tried)| kept(tried));
    }
}

/// How much is left of a time that began then. A clock that was set back makes nothing longer than it is.
fn until(began: WallTime, lasts: Duration, now: Now) -> Duration {
    let gone = Duration::from_millis(now.wall.0.saturating_sub(began.0));
    lasts.saturating_sub(gone)
}

#[cfg(test)]
mod tests {
    use super::super::actions::find;
    use super::*;
    use crate::time::WallTime;

    #[test]
    fn what_was_done_rests_although_its_patient_was_not_known_when_it_was_carried_over() {
        let restart = find("restart").unwrap();
        let now = Now {
            at: Time::from_millis(5_000),
            wall: WallTime(1_000_000),
        };
        let tried = Tried {
            subject: "app/a1".into(),
            incident: 1,
            action: Kept(restart),
            cause: Cause::ProcessHung,
            at: WallTime(now.wall.0 - 40_000),
            ended: Some(WallTime(now.wall.0 - 30_000)),
            end: End::Cured,
        };
        let record = CarriedRecovery {
            pool: "app".into(),
            tried: vec![tried],
            cures: Vec::new(),
        };
        let history = History::carried(record, |subject| subject.into());
        let until = history.rested("app/a1", "a-service", restart, now);
        assert_eq!(until, Time::from_millis(25_000));
        assert_eq!(history.rested("app/a2", "other", restart, now), Time::ZERO);
    }
}
