//! Where nothing is wrong but the noise that there always is, nothing is done: nobody ejected, nobody marked down, nothing
//! started a second time, nothing acted upon.

use std::collections::BTreeSet;

use evenkeel_core::table::State;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct CalmStaysCalm {
    started: BTreeSet<String>,
}

impl Invariant for CalmStaysCalm {
    fn name(&self) -> &'static str {
        "nothing is done to those that have no fault"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        if !scene.calm {
            return Ok(());
        }
        match note {
            Note::Changed(change) if change.to == State::Down && change.from.usable() => Err(
                format!("{}/{} is down: {}", change.pool, change.name, change.why),
            ),
            Note::Start { name, .. } if !self.started.insert((*name).to_owned()) => {
                Err(format!("{name} is started again"))
            }
            Note::Acting(order) => Err(format!("{} of {}", order.action.name(), order.subject)),
            Note::Incident(change) if !change.record.actions.is_empty() => {
                Err(format!("acted upon: {:?}", change.record.actions))
            }
            _ => Ok(()),
        }
    }
}
