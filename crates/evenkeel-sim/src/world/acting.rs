//! What the recovery orders, carried out: done, refused, late or lost on the way; and what it cures.

use std::time::Duration;

use evenkeel_core::engine::Event;
use evenkeel_core::recover::{CarriedRecovery, Order};

use super::{What, World};
use crate::scene::{Ailment, Note};

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
        let soon = self.ms(1, 500);
        let drawn = if self.scene.peace {
            0
        } else {
            self.rng.below(20)
        };
        let (takes, result) = match drawn {
            0..=13 => (soon, Some(Ok("done".to_owned()))),
            14..=16 => (self.ms(5_000, 40_000), Some(Ok("done, late".to_owned()))),
            17..=18 => (soon, Some(Err("it cannot be done".to_owned()))),
            _ => (soon, None),
        };
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
            let ails = self.scene.ailing.get(service).map(|ailing| ailing.ailment);
            let cures = matches!(
                (order.action.name(), ails),
                ("free_disk", Some(Ailment::DiskFull))
                    | ("rollback_release", Some(Ailment::BadRelease))
                    | ("run", Some(_))
            );
            if cures {
                self.scene.ailing.remove(service);
                self.summary.cured += 1;
            }
        }
        if let (Some(result), true) = (result, process == self.scene.process) {
            let epoch = order.epoch;
            self.feed(Event::Acted { epoch, result });
        }
    }

    /// Who was not well a moment ago, as only the world knows.
    pub(super) fn remember_faults(&mut self) {
        let now = self.scene.now.at;
        for key in self.all_keys() {
            let leaks = self
                .service_of(&key)
                .is_some_and(|s| self.scene.ailing.contains_key(&s));
            if leaks || self.effective(&key) != crate::scene::Behaviour::Works {
                self.scene.faulty.insert(key, now);
            }
        }
    }
}
