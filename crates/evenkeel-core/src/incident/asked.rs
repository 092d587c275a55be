//! What a person does about a fault: it stands in the incident beside what evenkeel did, and takes the credit where it came last.
//!
//! Who acts while evenkeel still watches whether its own action helped makes that unknowable: the action is *overtaken*, neither
//! cured nor failed, and counts in no statistics. What a person does when everything serves again already has cured nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::health::Order;
use crate::id::EndpointId;
use crate::supervise::ServiceState;
use crate::time::Now;

use super::ledger::Ledger;
use super::machine::{Incident, Input, Step};
use super::record::ActionRecord;
use super::subject::Subject;
use super::words::{Actor, Outcome};

/// Something a person wants: of an endpoint, of a service, or of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What: `restart`, `drain`, `reload`.
    pub action: Arc<str>,
    /// Of whom.
    pub target: Arc<str>,
    /// What came of it; `None` = it begins.
    pub ended: Option<Result<String, String>>,
    /// Could it cure anything? What is taken out is not cured.
    pub cures: bool,
}

impl Incident {
    pub(super) fn asked(&mut self, asked: Asked, now: Now) -> Option<Step> {
        match asked.ended {
            None => self.asked_for(asked, now),
            Some(result) => self.asked_ended(&asked.action, &asked.target, result, now),
        }
    }

    fn asked_for(&mut self, asked: Asked, now: Now) -> Option<Step> {
        if self.restored.is_none() {
            let actions = self.actions.iter_mut().map(|(record, _)| record);
            for record in actions.filter(|record| !record.outcome.is_known()) {
                record.outcome = Outcome::Overtaken;
            }
        }
        self.make_room();
        let cures = asked.cures && self.restored.is_none();
        let record = ActionRecord {
            action: asked.action.to_string(),
            target: asked.target.to_string(),
            by: Actor::Operator,
            why: String::new(),
            outcome: match cures {
                true => Outcome::Running,
                false => Outcome::Done,
            },
            detail: String::new(),
            started: now.wall,
            ended: None,
        };
        self.actions.push((record, now.at));
        Some(Step::Acted)
    }

    fn asked_ended(
        &mut self,
        action: &str,
        target: &str,
        result: Result<String, String>,
        now: Now,
    ) -> Option<Step> {
        let mut all = self.actions.iter_mut().rev().map(|(record, _)| record);
        let record = all.find(|a| {
            let same = a.action == action && a.target == target;
            a.by == Actor::Operator && same && a.ended.is_none()
        })?;
        record.ended = Some(now.wall);
        record.outcome = match (&result, record.outcome) {
            (Err(_), _) => Outcome::Failed,
            (Ok(_), Outcome::Running) => Outcome::Watched,
            (Ok(_), known) => known,
        };
        let (Ok(detail) | Err(detail)) = result;
        record.detail = detail;
        Some(Step::Acted)
    }
}

impl Ledger {
    /// A person wants this of an endpoint. The incidents in which it came before everything served again.
    pub(crate) fn ordered(&mut self, endpoint: EndpointId, order: Order, now: Now) -> Vec<u64> {
        let (action, cures) = match order {
            Order::Draining => ("drain", false),
            Order::Maintenance => ("maint", false),
            Order::Ready => ("ready", true),
        };
        self.asked_at_once(endpoint, action, cures, now)
    }

    /// A person wants this weight, or the configured one.
    pub(crate) fn weighed(
        &mut self,
        endpoint: EndpointId,
        weight: Option<u32>,
        now: Now,
    ) -> Vec<u64> {
        let action = match weight {
            Some(weight) => format!("weight {weight}"),
            None => "weight default".to_owned(),
        };
        self.asked_at_once(endpoint, &action, true, now)
    }

    fn asked_at_once(
        &mut self,
        endpoint: EndpointId,
        action: &str,
        cures: bool,
        now: Now,
    ) -> Vec<u64> {
        let key = self.endpoints.get(&endpoint);
        let subject = key.and_then(|key| self.subjects.get(key));
        let Some((id, key)) = subject.and_then(|s| Some((s.incident?, s.spec.key.clone()))) else {
            return Vec::new();
        };
        self.done_at_once(id, action, &key, cures, now)
    }

    /// A person wants an action on a service, or it has ended.
    pub(crate) fn asked(
        &mut self,
        service: &str,
        action: &Arc<str>,
        ended: Option<&Result<String, String>>,
        now: Now,
    ) -> Vec<u64> {
        let keys = self.services.get(service).into_iter().flatten();
        let of = |key: &Arc<str>| Some((self.subjects.get(key)?.incident?, key.clone()));
        // One process behind two pools is asked once.
        let targets: BTreeMap<u64, Arc<str>> = keys.rev().filter_map(of).collect();
        let mut overtook = Vec::new();
        for (id, target) in targets {
            let asked = Asked {
                action: action.clone(),
                target,
                ended: ended.cloned(),
                cures: true,
            };
            overtook.extend(self.ask(id, asked, now));
        }
        overtook
    }

    /// Was the last thing that was done about it a person's?
    pub(super) fn is_asked(&self, id: u64) -> bool {
        let actions = self.open.get(&id).map(|open| &open.incident.actions);
        let last = actions.and_then(|actions| actions.last());
        last.is_some_and(|(record, _)| record.by == Actor::Operator)
    }

    /// A person applies a configuration that has something else for these.
    pub(super) fn reloaded(&mut self, whom: BTreeMap<u64, Arc<str>>, now: Now) -> Vec<u64> {
        let asked = |(id, key)| self.done_at_once(id, "reload", &key, true, now);
        whom.into_iter().flat_map(asked).collect()
    }

    fn done_at_once(
        &mut self,
        id: u64,
        action: &str,
        target: &Arc<str>,
        cures: bool,
        now: Now,
    ) -> Vec<u64> {
        let asked = |ended| Asked {
            action: action.into(),
            target: target.clone(),
            ended,
            cures,
        };
        let overtook = self.ask(id, asked(None), now);
        self.ask(id, asked(Some(Ok(String::new()))), now);
        // Begun and ended in one moment, which is one piece of news.
        if let Some(news) = self.news.get_mut(&id) {
            news.dedup();
        }
        overtook.into_iter().collect()
    }

    fn ask(&mut self, id: u64, asked: Asked, now: Now) -> Option<u64> {
        let begins = asked.ended.is_none();
        let open = self.open.get(&id)?;
        let before = open.incident.restored.is_none();
        self.tell(id, Input::Asked(asked), now);
        (begins && before).then_some(id)
    }
}

impl Subject {
    /// Was it given up by its supervision? Then a configuration that is applied starts it again, whatever is in it.
    pub(super) fn is_given_up(&self) -> bool {
        self.service == Some(ServiceState::Failed)
    }
}
