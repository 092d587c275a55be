//! What the balancer knows of a service on another host is what its agent has of it, as soon as a connection had time to say so; and
//! what it has is what there is.

use std::time::Duration;

use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Note, Scene};

/// Longer than any message takes where packets get through.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct ToldAsItIs {
    /// When the balancer was last replaced, or something was in the way.
    disturbed: Time,
}

impl Invariant for ToldAsItIs {
    fn name(&self) -> &'static str {
        "the balancer knows of services elsewhere what their agents do"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted | Note::Left { .. } => self.disturbed = scene.now.at,
            Note::Beat => {
                if scene.hosts.values().any(|host| host.cut) {
                    self.disturbed = scene.now.at;
                }
                return self.all(scene);
            }
            _ => {}
        }
        Ok(())
    }
}

impl ToldAsItIs {
    fn all(&self, scene: &Scene) -> Result<(), String> {
        let long = |since: Time| scene.now.at.since(since) > TOLD_WITHIN;
        for host in scene.hosts.values() {
            if !host.connected.is_some_and(long) || !long(self.disturbed) {
                continue;
            }
            for (name, service) in host.services.iter().filter(|(_, s)| long(s.since)) {
                let (standing, told) = (service.standing, service.told);
                if told != Some(standing) {
                    return Err(format!("{name} is {standing:?}, known as {told:?}"));
                }
            }
        }
        Ok(())
    }
}
