//! The newest facts: taken in, handed to the engine, shown.

use std::sync::Arc;

use evenkeel_core::engine::{Event, ServiceView};
use evenkeel_core::facts::Facts;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{MachineFacts, ServiceFacts};

use super::Driver;
use crate::clock::now;

/// What was read last, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest(Option<(Stamp, Arc<Facts>)>);

impl Driver {
    pub(super) fn took_facts(&mut self, facts: Arc<Facts>) {
        self.facts = Newest(Some((Stamp(now().wall), facts.clone())));
        self.event(Event::Facts(facts));
    }
}

impl Newest {
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.0.as_ref().map(|(_, facts)| &**facts)
    }

    pub(super) fn machine(&self) -> Option<MachineFacts> {
        let (at, facts) = self.0.as_ref()?;
        Some(MachineFacts::new(*at, &facts.machine))
    }

    /// Of the process that runs now: what was read of one before says nothing of it.
    pub(super) fn service(&self, view: &ServiceView<'_>) -> Option<ServiceFacts> {
        let (at, facts) = self.0.as_ref()?;
        let mut all = facts.services.iter();
        let found = all.find(|f| f.name == view.spec.name && Some(f.pid) == view.pid)?;
        Some(ServiceFacts::new(*at, found))
    }
}
