//! An agent that has no balancer calls again, within seconds however long that lasts, and never in a hurry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{LineNote, Note, Scene};

/// The shortest wait, less its jitter.
const SOONEST: Duration = Duration::from_millis(70);
/// The longest, with it.
const LATEST: Duration = Duration::from_millis(6_500);

#[derive(Debug, Default)]
pub(super) struct AgentsCallAgain {
    ended: BTreeMap<Arc<str>, Time>,
}

impl Invariant for AgentsCallAgain {
    fn name(&self) -> &'static str {
        "an agent without a balancer calls again, soon and not at once"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::AgentRestarted(host) => drop(self.ended.remove(*host)),
            Note::Line { host, line } => match line {
                LineNote::Ended => drop(self.ended.insert((*host).clone(), scene.now.at)),
                LineNote::Calls => {
                    let waited = self.ended.remove(*host).map(|at| scene.now.at.since(at));
                    if waited.is_some_and(|waited| waited < SOONEST) {
                        return Err(format!("{host} calls again after {waited:?}"));
                    }
                }
                LineNote::Welcome => {}
            },
            Note::Beat => {
                let alive =
                    |host: &Arc<str>| scene.hosts.get(host).is_some_and(|h| h.agent.is_some());
                let late = |at: Time| scene.now.at.since(at) > LATEST;
                let late = self
                    .ended
                    .iter()
                    .find(|(host, at)| alive(host) && late(**at));
                if let Some((host, at)) = late {
                    return Err(format!(
                        "{host} was connected last at {at:?}, and does not call"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
