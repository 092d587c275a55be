//! Endpoints that are reached by one of two addresses, and the networks these are on.

use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::engine::Switch;
use evenkeel_core::id::{EndpointId, Epoch};

use super::{What, World};
use crate::scene::Note;

impl World {
    /// No packet gets there for so long.
    pub(super) fn cut_way(&mut self, way: Address, long: Duration) {
        if self.scene.cut.insert(way.clone()) {
            self.plan(long, What::Mended(way));
        }
    }

    /// Is this the answer of an address that is not in use?
    pub(super) fn is_of_another_way(&self, endpoint: EndpointId, epoch: Epoch) -> bool {
        let view = self.engine.endpoint(endpoint);
        view.is_some_and(|view| view.path.asked(epoch).is_some())
    }

    pub(super) fn switched(&mut self, switch: &Switch) {
        self.summary.switches += 1;
        // What is under way was sent to the address before.
        self.probing.remove(&switch.endpoint);
        self.note(&Note::Switched(switch));
    }
}
