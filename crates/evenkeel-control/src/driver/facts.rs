//! The newest facts: taken in, handed to the engine, shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::engine::{Event, ServiceView};
use evenkeel_core::facts::{self, Facts};
use evenkeel_core::remote::AGENTS_MAX;
use evenkeel_probe::clock::now;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{MachineFacts, ServiceFacts};

use super::Driver;

/// What was read last, and when: here, and on each agent's host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest {
    own: Option<Read>,
    elsewhere: BTreeMap<Arc<str>, Read>,
}

type Read = (Stamp, Arc<Facts>);

/// Agents whose facts are kept, connected or not.
const AGENTS_KEPT_MAX: usize = 2 * AGENTS_MAX;

impl Driver {
    pub(super) fn took_facts(&mut self, facts: Arc<Facts>) {
        self.facts.own = Some((Stamp(now().wall), facts.clone()));
        self.event(Event::Facts(facts));
    }
}

impl Newest {
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.own.as_ref().map(|(_, facts)| &**facts)
    }

    /// Of every service, wherever it is.
    pub(crate) fn services(&self) -> impl Iterator<Item = &facts::ServiceFacts> {
        let all = self.own.iter().chain(self.elsewhere.values());
        all.flat_map(|(_, facts)| &facts.services)
    }

    /// An agent read them; the moment is when they arrived, for its clock may be another.
    pub(super) fn took_elsewhere(&mut self, agent: &Arc<str>, facts: Arc<Facts>) {
        if self.elsewhere.len() < AGENTS_KEPT_MAX || self.elsewhere.contains_key(agent) {
            let read = (Stamp(now().wall), facts);
            self.elsewhere.insert(agent.clone(), read);
        }
    }

    pub(super) fn machine(&self) -> Option<MachineFacts> {
        let (at, facts) = self.own.as_ref()?;
        Some(MachineFacts::new(*at, &facts.machine))
    }

    /// Of the process that runs now: what was read of one before says nothing of it.
    pub(super) fn service(&self, view: &ServiceView<'_>) -> Option<ServiceFacts> {
        let (at, facts) = match &view.agent {
            None => self.own.as_ref()?,
            Some(agent) => self.elsewhere.get(agent.name)?,
        };
        let mut all = facts.services.iter();
        let found = all.find(|f| f.name == view.spec.name && Some(f.pid) == view.pid)?;
        Some(ServiceFacts::new(*at, found))
    }
}
