//! Never two processes of one service, and never more starts than its limit allows without a person's word.

use std::collections::BTreeMap;

use evenkeel_core::supervise::ServiceState;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct ServicesOneByOne {
    /// Services that are being restarted for their new configuration.
    stopping: BTreeMap<String, ()>,
}

impl Invariant for ServicesOneByOne {
    fn name(&self) -> &'static str {
        "one process per service, one planned restart at a time"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted => self.stopping.clear(),
            Note::Start { name, alive, .. } if *alive => {
                return Err(format!("{name} is started while it runs"));
            }
            Note::Service(change) => {
                let name = change.name.to_string();
                if change.to == ServiceState::Stopping && change.why.contains("configuration") {
                    self.stopping.insert(name, ());
                } else if matches!(
                    change.to,
                    ServiceState::Ready | ServiceState::Failed | ServiceState::Stopped
                ) {
                    self.stopping.remove(&name);
                }
                if self.stopping.len() > 1 {
                    return Err(format!("{:?} are restarted at once", self.stopping.keys()));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
