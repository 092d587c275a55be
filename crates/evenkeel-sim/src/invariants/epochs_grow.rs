//! Fences only grow: over all subjects, all reloads and all balancer processes.

use evenkeel_core::id::Epoch;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct EpochsGrow {
    last: Epoch,
}

impl Invariant for EpochsGrow {
    fn name(&self) -> &'static str {
        "epochs only grow"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        if let Note::Fence(epoch) = note {
            if *epoch <= self.last {
                return Err(format!("{epoch} after {}", self.last));
            }
            self.last = *epoch;
        }
        Ok(())
    }
}
