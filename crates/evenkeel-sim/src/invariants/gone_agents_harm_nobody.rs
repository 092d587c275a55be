//! That an agent is gone takes nobody down: one that hung up is not missed where its services' heartbeats are expected, and a
//! balancer that was just replaced is patient until its agents had time to call.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::DecidedBy;
use evenkeel_core::table::State;
use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Note, Scene};

/// A new balancer misses nobody before.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(super) struct GoneAgentsHarmNobody {
    /// Hosts whose agents hung up, and were not heard since.
    hung_up: BTreeSet<Arc<str>>,
    /// Hosts whose agents were heard by this process.
    heard: BTreeSet<Arc<str>>,
    began: Time,
}

impl Invariant for GoneAgentsHarmNobody {
    fn name(&self) -> &'static str {
        "that an agent is gone takes nobody down"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted => {
                self.hung_up.clear();
                self.heard.clear();
                self.began = scene.now.at;
            }
            Note::Heard { host, .. } => {
                self.hung_up.remove(*host);
                self.heard.insert((*host).clone());
            }
            Note::Left { host, closed, .. } => match closed {
                true => drop(self.hung_up.insert((*host).clone())),
                false => drop(self.hung_up.remove(*host)),
            },
            Note::Changed(change)
                if change.to == State::Down
                    && change.from != State::Unknown
                    && change.decided_by == DecidedBy::Heartbeat =>
            {
                let key = (change.pool.clone(), change.name.clone());
                let Some((host, _)) = scene.host_of(&key) else {
                    return Ok(());
                };
                let early = scene.now.at.since(self.began) < PATIENCE;
                let unheard = early && self.began > Time::ZERO && !self.heard.contains(&host);
                if self.hung_up.contains(&host) || unheard {
                    let (key, why) = (key.1, &change.why);
                    return Err(format!("{host} is gone, and {key} is down: {why}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
