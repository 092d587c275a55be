//! What befalls hosts with an agent: deaths, cuts, changed files; and the person there who looks after what was given up.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::Event;
use evenkeel_core::supervise::{ServiceEvent, ServiceState};

use super::{What, World};
use crate::story::{Deed, PEACE};

impl World {
    pub(in crate::world) fn act_elsewhere(&mut self, deed: Deed) {
        match deed {
            Deed::AgentDies(host, after, lost) => {
                self.agent_dies(&host, lost);
                self.plan(after, What::AgentBegins(host));
            }
            Deed::HostDies(host, lasts) => self.host_dies(&host, lasts),
            Deed::Cut(host, lasts) => self.cut(&host, lasts),
            Deed::HangUp(host) => self.hang_up(&host),
            Deed::Stranger(host) => self.stranger(&host),
            Deed::ReloadAgent(host) => self.reload_agent(&host),
            Deed::Deaf(lasts) => self.deafen(lasts),
            Deed::ClockSetBack(by) => self.clock_back += by,
            _ => {}
        }
    }

    /// The agent's process ends; its keeper and its services live.
    fn agent_dies(&mut self, name: &Arc<str>, lost: bool) {
        let Some(host) = self.hosts.get_mut(name) else {
            return;
        };
        let Some(agent) = host.agent.take() else {
            return;
        };
        self.summary.agent_deaths += 1;
        if lost {
            host.kept = None;
        }
        if let Some((link, _)) = agent.link {
            self.agent_hangs_up(link);
        }
    }

    /// Without power everything on it ends, and it says nothing of it.
    fn host_dies(&mut self, name: &Arc<str>, lasts: Duration) {
        let until = (self.scene.now.at + lasts).min(PEACE);
        let Some(host) = self.hosts.get_mut(name) else {
            return;
        };
        if host.agent.take().is_none() {
            return;
        }
        self.summary.agent_deaths += 1;
        host.cut_until = host.cut_until.max(until);
        let on = format!("{name}/");
        let gone: Vec<_> = self
            .processes
            .keys()
            .filter(|n| n.starts_with(&on))
            .cloned()
            .collect();
        for service in gone {
            self.processes.remove(&service);
            self.process_ended(&service);
        }
        self.plan_at(until, What::AgentBegins(name.clone()));
    }

    fn reload_agent(&mut self, name: &Arc<str>) {
        let change = ("CHANGE".to_owned(), self.entries.to_string());
        if let Some(host) = self.hosts.get_mut(name) {
            for spec in &mut host.spec.services {
                spec.environment.push(change.clone());
            }
        }
        self.agent_configured(name);
    }

    fn cut(&mut self, name: &Arc<str>, lasts: Duration) {
        let until = (self.scene.now.at + lasts).min(PEACE);
        if let Some(host) = self.hosts.get_mut(name) {
            host.cut_until = host.cut_until.max(until);
        }
    }

    /// A person there looks after what was given up.
    pub(in crate::world) fn attend_agents(&mut self) {
        for name in self.hosts.keys().cloned().collect::<Vec<_>>() {
            let Some(agent) = self.agent(&name) else {
                continue;
            };
            let failed = agent.engine.services();
            let failed = failed.filter(|s| s.state == ServiceState::Failed);
            for service in failed.map(|s| s.id).collect::<Vec<_>>() {
                let event = ServiceEvent::Reset;
                self.agent_event(&name, Event::Service { service, event });
            }
        }
    }
}
