//! Never two processes of one service, and never more starts than its limit allows without a person's word.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::engine::ServiceTransition;
use evenkeel_core::supervise::ServiceState;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct ServicesOneByOne {
    /// Services that are being restarted for their new configuration, by who supervises them: a host's agent, or the balancer.
    stopping: BTreeMap<String, BTreeSet<String>>,
}

impl Invariant for ServicesOneByOne {
    fn name(&self) -> &'static str {
        "one process per service, one planned restart at a time"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted => drop(self.stopping.remove("")),
            Note::AgentRestarted(host) => drop(self.stopping.remove(&***host)),
            Note::Start { name, alive, .. } if *alive => {
                return Err(format!("{name} is started while it runs"));
            }
            // What a balancer was told of an agent's it does not supervise.
            Note::Service(change) if !change.name.contains('/') => return self.changed("", change),
            Note::Elsewhere { host, change } => return self.changed(host, change),
            _ => {}
        }
        Ok(())
    }
}

impl ServicesOneByOne {
    fn changed(&mut self, by: &str, change: &ServiceTransition) -> Result<(), String> {
        let stopping = self.stopping.entry(by.to_owned()).or_default();
        let name = change.name.to_string();
        let rests = matches!(
            change.to,
            ServiceState::Ready | ServiceState::Failed | ServiceState::Stopped
        );
        if change.to == ServiceState::Stopping && change.why.contains("configuration") {
            stopping.insert(name);
        } else if rests {
            stopping.remove(&name);
        }
        match stopping.len() > 1 {
            true => Err(format!("{stopping:?} are restarted at once")),
            false => Ok(()),
        }
    }
}
