//! What the recovery orders, carried out: done, refused, late or lost on the way; and what it cures.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::Event;
use evenkeel_core::recover::{CarriedRecovery, Order};

use super::{What, World};
use crate::scene::{Ailment, Behaviour, Key, Note};

impl World {
    /// Stored before anything is done; a restart knows it from then on.
    pub(super) fn persist_recovery(&mut self, record: CarriedRecovery) {
        self.note(&Note::Recovery(&record));
        let began = self
            .recoveries
            .get(&record.pool)
            .map_or(0, |old| old.tried.len());
        self.summary.actions += record.tried.len().saturating_sub(began) as u64;
        let what = What::Noted(self.scene.process, record.pool.clone());
        self.recoveries.insert(record.pool.clone(), record);
        self.plan(Duration::from_millis(2), what);
    }

    /// Most orders are carried out soon, some late; some cannot be, and of some nobody hears again.
    pub(super) fn carry_order_out(&mut self, order: Order) {
        self.fence(order.epoch);
        self.summary.orders += 1;
        if order
            .service
            .as_ref()
            .is_some_and(|name| name.contains('/'))
        {
            return self.order_agent(order);
        }
        let (takes, result) = self.fate();
        self.plan(
            takes,
            What::Acted(self.scene.process, Box::new(order), result),
        );
    }

    /// A host carries out what it was told, whether the balancer that told it still lives or not.
    pub(super) fn acted(
        &mut self,
        process: u32,
        order: &Order,
        result: Option<Result<String, String>>,
    ) {
        if let (Some(service), Some(Ok(_)) | None) = (&order.service, &result) {
            self.cure(service, order.action.name());
        }
        if let (Some(result), true) = (result, process == self.scene.process) {
            let epoch = order.epoch;
            self.feed(Event::Acted { epoch, result });
        }
    }

    /// The right action takes what ails a service.
    pub(super) fn cure(&mut self, service: &Arc<str>, action: &str) {
        let ails = self.scene.ailing.get(service).map(|ailing| ailing.ailment);
        let cures = matches!(
            (action, ails),
            ("free_disk", Some(Ailment::DiskFull))
                | ("rollback_release", Some(Ailment::BadRelease))
                | ("run", Some(_))
        );
        if cures {
            self.scene.ailing.remove(service);
            self.summary.cured += 1;
        }
    }

    /// Who was not well a moment ago, as only the world knows.
    pub(super) fn remember_faults(&mut self) {
        for key in self.all_keys() {
            self.remember_fault(&key);
        }
    }

    /// Whoever looks at one that is not well may do something about it before the next beat.
    pub(super) fn remember_fault(&mut self, key: &Key) {
        let now = self.scene.now.at;
        let service = self.service_of(key);
        let ails = service.is_some_and(|s| self.scene.ailing.contains_key(&s));
        let host = self.scene.host_of(key);
        let lost = host.is_some_and(|(host, _)| self.hosts[&host].is_lost(now));
        if ails || lost || self.effective(key) != Behaviour::Works {
            self.scene.faulty.insert(key.clone(), now);
        }
    }
}
