//! Hosts and their agents as a bystander sees them.

use std::collections::BTreeMap;

use evenkeel_core::supervise::ServiceState;

use super::World;
use crate::scene::{Elsewhere, HostScene};

impl World {
    /// Is every agent welcome, and everything ready there?
    pub(in crate::world) fn hosts_are_well(&self) -> bool {
        self.hosts.values().all(|host| {
            host.agent.as_ref().is_some_and(|agent| {
                let mut services = agent.engine.services();
                let welcome = agent.link.is_some_and(|(_, welcome)| welcome.is_some());
                welcome && services.all(|service| service.state == ServiceState::Ready)
            })
        })
    }

    /// What invariants may look at.
    pub(in crate::world) fn look_at_hosts(&mut self) {
        let now = self.scene.now.at;
        let mut old = std::mem::take(&mut self.scene.hosts);
        for (name, host) in &self.hosts {
            let mut before = old.remove(name).unwrap_or_default();
            let agent = host.agent.as_ref();
            let mut scene = HostScene {
                agent: agent.map(|agent| agent.since),
                connected: agent.and_then(|agent| agent.link.and_then(|link| link.1)),
                cut: host.is_cut(now),
                services: BTreeMap::new(),
            };
            let views = agent.into_iter().flat_map(|agent| agent.engine.services());
            for view in views {
                let full = host.full(&view.spec.name);
                let standing = (view.state, view.pid, view.restarts);
                let known = before.services.remove(&full);
                let since = known.filter(|known| known.standing == standing);
                let told = self.engine.service_id(&full);
                let told = told.and_then(|id| self.engine.service(id));
                let there = Elsewhere {
                    standing,
                    since: since.map_or(now, |known| known.since),
                    told: told.map(|view| (view.state, view.pid, view.restarts)),
                    process: self.processes.get(&full).map(|process| process.pid),
                    limit: (view.spec.restart_starts, view.spec.restart_within),
                };
                scene.services.insert(full, there);
            }
            self.scene.hosts.insert(name.clone(), scene);
        }
    }
}
