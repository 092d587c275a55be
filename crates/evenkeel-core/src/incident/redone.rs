//! Requests that clients lost in a fault and that were sent again afterwards: part of what was done about it.
//!
//! It often comes when everything serves again and the incident is over, so it is written into one that is closed as well,
//! if that was of the same pool and not long ago.

use std::sync::Arc;
use std::time::Duration;

use crate::time::Now;

use super::ledger::{IncidentChange, Ledger, News};
use super::machine::Input;
use super::record::{ActionRecord, Record};
use super::words::{Actor, Outcome};

const ACTION: &str = "redo";
const WHY: &str = "clients were promised it";
/// A pool that came back is given what it missed within minutes; what comes later belongs to nothing anybody remembers.
const NOT_LONG_AGO: Duration = Duration::from_secs(3600);

impl Ledger {
    /// So many requests of this pool were sent again and answered, and so many given up.
    pub fn redone(&mut self, pool: &Arc<str>, redone: u64, given_up: u64, now: Now) {
        let requests = if redone == 1 { "request" } else { "requests" };
        let mut detail = format!("{redone} {requests} sent again and answered");
        if given_up > 0 {
            detail += &format!(", {given_up} given up");
        }
        let of_pool = |record: &Record| {
            let mut subjects = record.subjects.iter();
            subjects.any(|subject| subject.pool.as_deref() == Some(&**pool))
        };
        let mut open = self.open.values().map(|open| open.incident.record());
        if let Some(record) = open.find(of_pool) {
            return self.redone_in(record.id, pool, given_up == 0, detail, now);
        }
        let since = super::machine::earlier(now.wall, NOT_LONG_AGO);
        let late = |record: &Record| record.closed.is_some_and(|closed| closed >= since);
        let mut closed = self.closed.iter_mut().rev();
        if let Some(record) = closed.find(|record| of_pool(record) && late(record)) {
            record.actions.push(ActionRecord {
                action: ACTION.to_owned(),
                target: pool.to_string(),
                by: Actor::Evenkeel,
                why: WHY.to_owned(),
                detail,
                outcome: match given_up {
                    0 => Outcome::Cured,
                    _ => Outcome::Failed,
                },
                started: now.wall,
                ended: Some(now.wall),
            });
            self.changes.push(IncidentChange {
                record: record.clone(),
                news: vec![News::Acted],
            });
        }
    }

    fn redone_in(&mut self, id: u64, pool: &Arc<str>, done: bool, detail: String, now: Now) {
        let action = ACTION;
        let target = pool.clone();
        let begun = Input::ActionStarted {
            action,
            target: target.clone(),
            why: WHY.to_owned(),
            advised: false,
        };
        self.tell(id, begun, now);
        let ended = Input::ActionEnded {
            action,
            target,
            done,
            detail,
        };
        self.tell(id, ended, now);
        if let Some(news) = self.news.get_mut(&id) {
            news.dedup();
        }
    }
}
