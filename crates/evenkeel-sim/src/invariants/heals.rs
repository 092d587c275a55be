//! Liveness: once all faults are gone, everything heals. Every endpoint is up, every agent connected, every service ready, and no
//! request fails any more.

use std::time::Duration;

use evenkeel_core::supervise::ServiceState;
use evenkeel_core::table::State;

use super::Invariant;
use crate::scene::{Note, Scene, Standing};

#[derive(Debug, Default)]
pub(super) struct Heals;

impl Invariant for Heals {
    fn name(&self) -> &'static str {
        "with all faults gone everything heals"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        let Note::End {
            services,
            last_failure,
        } = note
        else {
            return Ok(());
        };
        for (name, table) in &scene.tables {
            if let Some(row) = table.endpoints.iter().find(|row| row.state != State::Up) {
                return Err(format!("{name}/{} is still {:?}", row.name, row.state));
            }
        }
        if let Some((name, state)) = services
            .iter()
            .find(|(_, state)| **state != ServiceState::Ready)
        {
            return Err(format!("service {name} is still {state:?}"));
        }
        for (name, host) in &scene.hosts {
            if host.connected.is_none() {
                return Err(format!("the agent of {name} is not connected"));
            }
            let ill = |standing: &Standing| standing.0 != ServiceState::Ready;
            if let Some((service, _)) = host.services.iter().find(|(_, s)| ill(&s.standing)) {
                return Err(format!("{service} is not ready at its agent"));
            }
        }
        match scene.now.at.since(*last_failure) > Duration::from_secs(3) {
            true => Ok(()),
            false => Err("requests still fail".into()),
        }
    }
}
