//! What an agent tells its balancer: every service once, each change, heartbeats, facts.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::{ServiceReport, ServiceView};
use evenkeel_core::facts::Facts;
use evenkeel_core::health::Says;
use evenkeel_core::id::ServiceId;
use evenkeel_core::supervise::ServiceState;
use evenkeel_core::time::Now;

use super::{Agent, BEAT, Errand, Said, World};

impl World {
    /// Everything, to a balancer that has just welcomed it.
    pub(super) fn tell_all(&mut self, host: &Arc<str>) {
        let now = self.now_there(host);
        let Some(agent) = self.agent(host) else {
            return;
        };
        let services = agent.engine.services();
        let services = services.map(|view| report(agent, &view, now)).collect();
        let beat = lively(agent);
        self.say(host, Said::Services(services));
        self.say(host, beat);
    }

    /// One service changed.
    pub(super) fn tell_service(&mut self, host: &Arc<str>, service: ServiceId) {
        let now = self.now_there(host);
        let Some(agent) = self.agent(host) else {
            return;
        };
        let Some(view) = agent.engine.service(service) else {
            return;
        };
        let (name, process) = (view.spec.name.clone(), (view.pid, view.restarts));
        let report = report(agent, &view, now);
        agent.told.insert(name, process);
        self.say(host, Said::Service(Box::new(report)));
    }

    /// Whoever has got another process without a change of its state.
    pub(super) fn tell_processes(&mut self, host: &Arc<str>) {
        let Some(agent) = self.agent(host) else {
            return;
        };
        let told = &agent.told;
        let news =
            |view: &ServiceView<'_>| told.get(&view.spec.name) != Some(&(view.pid, view.restarts));
        let changed = agent.engine.services().filter(news).map(|view| view.id);
        for service in changed.collect::<Vec<_>>() {
            self.tell_service(host, service);
        }
    }

    pub(super) fn agent_beats(&mut self, host: &Arc<str>) {
        let jitter = self.ms(0, if self.scene.calm { 20 } else { 80 });
        self.errand(
            host,
            BEAT - Duration::from_millis(40) + jitter,
            Errand::Beat,
        );
        let Some(agent) = self.agent(host) else {
            return;
        };
        agent.sequence += 1;
        let beat = lively(agent);
        self.say(host, beat);
    }

    /// As endpoints name them.
    pub(in crate::world) fn tell_facts(&mut self, host: &Arc<str>, facts: &Facts) {
        let mut facts = facts.clone();
        for service in &mut facts.services {
            service.name = format!("{host}/{}", service.name).into();
        }
        self.say(host, Said::Facts(Arc::new(facts)));
    }

    fn now_there(&self, host: &str) -> Now {
        let host = self.hosts.get(host);
        host.map_or(self.scene.now, |host| host.now(self.scene.now))
    }
}

fn report(agent: &Agent, view: &ServiceView<'_>, now: Now) -> ServiceReport {
    ServiceReport {
        name: view.spec.name.clone(),
        state: view.state,
        age: Duration::from_millis(now.wall.0.saturating_sub(view.since.0)),
        why: view.why.to_owned(),
        pid: view.pid,
        restarts: view.restarts,
        ended: agent.ended.get(&view.spec.name).cloned(),
        care: view.spec.care.clone(),
    }
}

fn lively(agent: &Agent) -> Said {
    let alive = |view: ServiceView<'_>| {
        let says = match view.state {
            ServiceState::Starting => Says::Starting,
            ServiceState::Ready => Says::Ready,
            ServiceState::Stopping => Says::Stopping,
            _ => return None,
        };
        view.pid.map(|_| (view.spec.name.clone(), says))
    };
    let services = agent.engine.services().filter_map(alive).collect();
    Said::Beat(agent.sequence, services)
}
