//! A path that failed and was left for another: a fault, though the endpoint may never have been down.
//!
//! Another address is in use before a check has failed often enough, so there is no moment at which the endpoint is down.
//! What was seen of it is weighed as if there had been one, and the change stands in the incident as its action. Back on
//! its first address there is nothing to tell: the fault of the first is over, or it would not be back.

use crate::failover::path::Change;
use crate::id::EndpointId;
use crate::time::Now;

use super::ledger::Ledger;
use super::machine::Input;
use super::words::Phase;

impl Ledger {
    /// An endpoint is reached by another address, because no packet got to the one before.
    pub fn switched(&mut self, endpoint: EndpointId, change: &Change, now: Now) {
        let Some(key) = self.endpoints.get(&endpoint).cloned() else {
            return;
        };
        if self.ending || !self.may_begin(now.at) {
            return;
        }
        let Some(subject) = self.subjects.get_mut(&key) else {
            return;
        };
        subject.first_sign.get_or_insert(now.at);
        subject.phase = Phase::Down;
        let pool = subject.spec.pool.clone();
        self.active.insert(key.clone());
        self.consider(&key, now);
        let incident = self.subjects.get(&key).and_then(|s| s.incident);
        let Some(id) = incident else {
            return;
        };
        let phase = Phase::Down;
        let member = key.clone();
        self.tell(
            id,
            Input::Subject {
                key: member,
                pool,
                phase,
            },
            now,
        );
        self.judge_now(id, now);
        let action = "switch_network";
        let target = key.clone();
        let started = Input::ActionStarted {
            action,
            target,
            why: "it answers on another of its addresses".to_owned(),
            advised: false,
        };
        self.tell(id, started, now);
        let (target, done) = (key.clone(), true);
        let ended = Input::ActionEnded {
            action,
            target,
            done,
            detail: format!("from {} to {}: {}", change.from, change.to, change.why),
        };
        self.tell(id, ended, now);
        // Begun and ended in one moment, which is one piece of news.
        if let Some(news) = self.news.get_mut(&id) {
            news.dedup();
        }
        self.touched.insert(key);
    }
}
