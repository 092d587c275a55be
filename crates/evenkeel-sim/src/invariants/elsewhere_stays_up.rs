//! What an agent supervises runs, whether a balancer is there or not: a process that ended is started again, within the longest
//! wait there is, and only what was started too often is given up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::supervise::ServiceState;
use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Elsewhere, Note, Scene};

/// The longest wait before a start, and what a start takes.
const STARTED_WITHIN: Duration = Duration::from_secs(37);
/// A process that ended is known to have.
const KNOWN_WITHIN: Duration = Duration::from_millis(300);
/// Starts that are remembered: more than any limit.
const STARTS_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct ElsewhereStaysUp {
    gone: BTreeMap<Arc<str>, Time>,
    starts: BTreeMap<Arc<str>, Vec<Time>>,
}

impl Invariant for ElsewhereStaysUp {
    fn name(&self) -> &'static str {
        "an agent keeps its services up, with a balancer or without"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Start { name, .. } if name.contains('/') => {
                let starts = self.starts.entry((*name).into()).or_default();
                starts.push(scene.now.at);
                let first = starts.len().saturating_sub(STARTS_MAX);
                starts.drain(..first);
            }
            Note::Elsewhere { host, change } if change.to == ServiceState::Failed => {
                let name: Arc<str> = format!("{host}/{}", change.name).into();
                return self.given_up(&name, scene);
            }
            Note::Beat => return self.all(scene),
            _ => {}
        }
        Ok(())
    }
}

impl ElsewhereStaysUp {
    fn all(&mut self, scene: &Scene) -> Result<(), String> {
        for (host, at) in &scene.hosts {
            for (name, service) in &at.services {
                let lives = at.agent.is_some() && service.process.is_none();
                if !lives {
                    self.gone.remove(name);
                    continue;
                }
                let since = *self.gone.entry(name.clone()).or_insert(scene.now.at);
                let away = at.connected.is_none();
                judge(service, scene.now.at.since(since))
                    .map_err(|why| format!("{name}: {why}; is {host} alone: {away}"))?;
            }
        }
        Ok(())
    }

    fn given_up(&self, name: &Arc<str>, scene: &Scene) -> Result<(), String> {
        let service = scene.hosts.values().find_map(|at| at.services.get(name));
        let Some(Elsewhere {
            limit: (most, within),
            ..
        }) = service
        else {
            return Ok(());
        };
        let late = |at: &&Time| scene.now.at.since(**at) <= *within;
        let starts = self.starts.get(name).into_iter().flatten().filter(late);
        match starts.count() {
            count if count < *most as usize => {
                Err(format!("{name} was given up after {count} starts"))
            }
            _ => Ok(()),
        }
    }
}

/// Without a process for so long: is that as it should be?
fn judge(service: &Elsewhere, gone: Duration) -> Result<(), String> {
    let state = service.standing.0;
    let longest = match state {
        ServiceState::Failed => return Ok(()),
        ServiceState::Ready => KNOWN_WITHIN,
        _ => STARTED_WITHIN,
    };
    match gone > longest {
        true => Err(format!("{state:?} without a process for {gone:?}")),
        false => Ok(()),
    }
}
