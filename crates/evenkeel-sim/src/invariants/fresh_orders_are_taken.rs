//! An order that a balancer gives over its connection is never too old, whatever became of clocks, of the balancer before it and
//! of what the agent kept: each side tells the other the newest fence it knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct FreshOrdersAreTaken {
    /// Agents that took an order from outside of their connection: the balancer may not know its fence yet.
    unknown: BTreeSet<Arc<str>>,
}

impl Invariant for FreshOrdersAreTaken {
    fn name(&self) -> &'static str {
        "an order that is given now is not stale"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::AgentTakes { host, stray: true } => drop(self.unknown.insert((*host).clone())),
            Note::Hello { host, .. } => drop(self.unknown.remove(*host)),
            Note::AgentRefuses { host, stray: false } if !self.unknown.contains(*host) => {
                return Err(format!("{host} refused one that was just given"));
            }
            _ => {}
        }
        Ok(())
    }
}
