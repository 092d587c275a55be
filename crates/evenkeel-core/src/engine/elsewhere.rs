//! Services that agents on other hosts supervise. Their machines run there, so that they go on when nobody is connected; here is
//! what was told of them last, and each change goes on as if it had happened here: to the log, to the incidents, to whoever looks
//! at the endpoints.
//!
//! That an agent is gone says nothing of its services: they stay as they were told, and what was told gets old.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::{Evidence, Source};
use crate::health::{Endpoint, Sign, Verdict, clip};
use crate::id::{EndpointId, ServiceId};
use crate::incident::{About, Observation};
use crate::remote::{AGENTS_MAX, SERVICES_MAX};
use crate::settings::{Care, ServiceSpec};
use crate::supervise::ServiceState;
use crate::time::{Now, WallTime};

use super::Engine;
use super::command::{Command, ServiceTransition};
use super::services::unconfigured;
use super::view::{AgentView, ServiceView};

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentNews {
    /// It is connected, and these are its services.
    Connected(Vec<ServiceReport>),
    /// Something about one of them is new.
    Changed(Box<ServiceReport>),
    /// The connection is gone.
    Gone {
        /// It was closed by a host that lives, so that silence from now on is none of its services'.
        closed: bool,
        /// Why, for people.
        why: String,
    },
}

/// A service as its agent tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// Its name there.
    pub name: Arc<str>,
    /// Its state.
    pub state: ServiceState,
    /// For so long.
    pub age: Duration,
    /// Why.
    pub why: String,
    /// Its process, where one runs.
    pub pid: Option<u32>,
    /// Restarts so far.
    pub restarts: u32,
    /// The process of it that ended last, and how.
    pub ended: Option<(u32, String)>,
    /// Its limits, and what may be done for it there.
    pub care: Care,
}

/// Ids of services elsewhere; those of services here count up from 1.
const FIRST_ID: u32 = 1 << 31;
/// Of all agents together.
const ALL_MAX: usize = 10 * SERVICES_MAX;
/// So long a balancer that was just started is patient with heartbeats that come by way of agents: longer than they wait at most
/// until they call again.
pub(super) const RETURN_WITHIN: Duration = Duration::from_secs(15);

/// All of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Elsewhere {
    agents: BTreeMap<Arc<str>, Agent>,
    services: BTreeMap<ServiceId, Remote>,
    names: BTreeMap<Arc<str>, ServiceId>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Agent {
    connected: bool,
    since: WallTime,
    /// It fell silent, and has not been back.
    missed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Remote {
    agent: Arc<str>,
    spec: Arc<ServiceSpec>,
    state: ServiceState,
    since: WallTime,
    why: String,
    pid: Option<u32>,
    restarts: u32,
}

/// A change, and how the process ended if that is what changed.
type Changed = (ServiceTransition, Option<String>);

impl Elsewhere {
    pub(super) fn id(&self, name: &str) -> Option<ServiceId> {
        self.names.get(name).copied()
    }

    pub(super) fn view(&self, id: ServiceId) -> Option<ServiceView<'_>> {
        let remote = self.services.get(&id)?;
        let agent = self.agents.get(&remote.agent);
        Some(ServiceView {
            id,
            spec: &remote.spec,
            state: remote.state,
            since: remote.since,
            why: &remote.why,
            pid: remote.pid,
            restarts: remote.restarts,
            begun: None,
            agent: Some(AgentView {
                name: &remote.agent,
                connected: agent.is_some_and(|agent| agent.connected),
                since: agent.map_or(remote.since, |agent| agent.since),
            }),
        })
    }

    /// By name.
    pub(super) fn views(&self) -> impl Iterator<Item = ServiceView<'_>> {
        self.names.values().filter_map(|id| self.view(*id))
    }

    fn set(&mut self, agent: &Arc<str>, connected: bool, now: Now) -> bool {
        if self.agents.len() >= AGENTS_MAX && !self.agents.contains_key(agent) {
            // One that is gone and whose services nobody could ask for makes room.
            let gone = self.agents.iter().find(|(_, agent)| !agent.connected);
            let Some(gone) = gone.map(|(name, _)| name.clone()) else {
                return false;
            };
            self.agents.remove(&gone);
            self.keep_only(&gone, |_| false);
        }
        let missed = self.agents.get(agent).is_some_and(|agent| agent.missed);
        let agent_now = Agent {
            connected,
            since: now.wall,
            missed,
        };
        self.agents.insert(agent.clone(), agent_now);
        true
    }

    /// Notes whether it is missed; was it before?
    fn miss(&mut self, agent: &str, missed: bool) -> bool {
        let agent = self.agents.get_mut(agent);
        agent.is_some_and(|agent| std::mem::replace(&mut agent.missed, missed))
    }

    /// Services of an agent that it has no more.
    fn keep_only(&mut self, agent: &str, keep: impl Fn(&str) -> bool) {
        let services = &mut self.services;
        services.retain(|_, remote| &*remote.agent != agent || keep(&remote.spec.name));
        self.names.retain(|_, id| services.contains_key(id));
    }

    fn take(&mut self, agent: &Arc<str>, report: ServiceReport, now: Now) -> Vec<Changed> {
        let name: Arc<str> = full_name(agent, &report.name);
        let id = match self.id(&name) {
            Some(id) => id,
            None if self.services.len() >= ALL_MAX => return Vec::new(),
            None => self.add(agent, &name, now),
        };
        match self.services.get_mut(&id) {
            Some(remote) => remote.take(id, report, now),
            None => Vec::new(),
        }
    }

    fn add(&mut self, agent: &Arc<str>, name: &Arc<str>, now: Now) -> ServiceId {
        let last = self.services.keys().next_back();
        let id = ServiceId(last.map_or(FIRST_ID, |last| last.0.saturating_add(1)));
        let remote = Remote {
            agent: agent.clone(),
            spec: Arc::new(unconfigured(name)),
            state: ServiceState::Stopped,
            since: now.wall,
            why: String::new(),
            pid: None,
            restarts: 0,
        };
        self.services.insert(id, remote);
        self.names.insert(name.clone(), id);
        id
    }
}

impl Remote {
    /// What happened between what was known and this, as changes.
    fn take(&mut self, id: ServiceId, report: ServiceReport, now: Now) -> Vec<Changed> {
        use ServiceState::{Backoff, Ready, Starting};
        let alive = |state| matches!(state, Starting | Ready);
        let ended = report.ended.as_ref();
        let ended = ended.filter(|(pid, _)| self.pid == Some(*pid));
        let ended = ended.map(|(_, how)| how.clone());
        let missed = alive(self.state)
            && alive(report.state)
            && self.pid.is_some()
            && report.pid != self.pid
            && report.restarts > self.restarts;
        let mut changes = Vec::new();
        if missed {
            let how = ended.clone().unwrap_or_else(|| "nobody knows how".into());
            let why = format!("ended while its agent was not connected: {how}");
            changes.push((self.enter(id, Backoff, why, now), Some(how)));
            self.pid = None;
            if report.state == Ready {
                let why = "was started again".into();
                changes.push((self.enter(id, Starting, why, now), None));
            }
        }
        let before = self.pid;
        self.pid = report.pid;
        self.restarts = report.restarts;
        if self.spec.care != report.care {
            let care: Care = report.care;
            let spec = ServiceSpec {
                care,
                ..(*self.spec).clone()
            };
            self.spec = Arc::new(spec);
        }
        if report.state != self.state {
            let mut change = self.enter(id, report.state, clip(report.why), now);
            change.pid = self.pid.or(before);
            let age = u64::try_from(report.age.as_millis()).unwrap_or(u64::MAX);
            self.since = WallTime(now.wall.0.saturating_sub(age));
            change.since = self.since;
            changes.push((change, ended.filter(|_| !missed)));
        }
        changes
    }

    fn enter(
        &mut self,
        service: ServiceId,
        to: ServiceState,
        why: String,
        now: Now,
    ) -> ServiceTransition {
        let from = std::mem::replace(&mut self.state, to);
        self.since = now.wall;
        self.why = why;
        ServiceTransition {
            service,
            name: self.spec.name.clone(),
            from,
            to,
            since: self.since,
            why: self.why.clone(),
            pid: self.pid,
            restarts: self.restarts,
        }
    }
}

/// As endpoints name it.
pub(super) fn full_name(agent: &str, service: &str) -> Arc<str> {
    format!("{agent}/{service}").into()
}

impl Engine {
    /// An agent says something, or is gone.
    pub(super) fn on_agent(&mut self, agent: &Arc<str>, news: AgentNews) {
        let now = self.now;
        match news {
            AgentNews::Connected(reports) => {
                if !self.elsewhere.set(agent, true, now) {
                    return;
                }
                if self.elsewhere.miss(agent, false) {
                    self.agent_missed(agent, false, "its agent is back");
                }
                let reports = reports.into_iter().take(SERVICES_MAX).collect::<Vec<_>>();
                let has: BTreeSet<_> = reports.iter().map(|r| full_name(agent, &r.name)).collect();
                self.elsewhere.keep_only(agent, |name| has.contains(name));
                for report in reports {
                    let changes = self.elsewhere.take(agent, report, now);
                    self.changed_elsewhere(changes);
                }
            }
            AgentNews::Changed(report) => {
                let changes = self.elsewhere.take(agent, *report, now);
                self.changed_elsewhere(changes);
            }
            AgentNews::Gone { closed, .. } => {
                self.elsewhere.set(agent, false, now);
                if !closed {
                    self.elsewhere.miss(agent, true);
                    self.agent_missed(agent, true, "its agent fell silent");
                    return;
                }
                for endpoint in self.endpoints_on(agent) {
                    self.sign(endpoint, Sign::Unattended);
                }
            }
        }
    }

    /// An agent that falls silent says something of its host, and nothing more than its heartbeats would.
    fn agent_missed(&mut self, agent: &str, present: bool, value: &str) {
        for endpoint in self.endpoints_on(agent) {
            let seen = Observation {
                about: About::Endpoint(endpoint),
                evidence: Evidence::HeartbeatMissed,
                present,
                source: Source::Heartbeat,
                value: value.to_owned(),
            };
            self.ledger.observed(&seen, self.now);
        }
    }

    fn changed_elsewhere(&mut self, changes: Vec<Changed>) {
        for (transition, ended) in changes {
            let name = transition.name.clone();
            if let Some(how) = ended {
                self.ending.push((name.clone(), how));
            }
            self.commands.push_back(Command::ServiceChanged(transition));
            for endpoint in self.endpoints_of(&name) {
                self.sign(endpoint, Sign::Look);
            }
            // Two changes of one service are two stories: what fell must be seen before it stands again.
            self.conclude();
        }
    }

    fn endpoints_on(&self, agent: &str) -> Vec<EndpointId> {
        let on = |endpoint: &&Endpoint| {
            let service = endpoint.spec.service.as_deref();
            let host = service.and_then(|service| service.split_once('/'));
            host.is_some_and(|(host, _)| host == agent)
        };
        let all = self.pools.values().flat_map(|pool| &pool.endpoints);
        all.filter(on).map(|endpoint| endpoint.id).collect()
    }
}

/// Beats that come by way of an agent are missed only once it had time to call.
pub(super) fn await_agent(endpoint: &mut Endpoint, now: Now) {
    let by_agent = endpoint
        .spec
        .service
        .as_ref()
        .is_some_and(|s| s.contains('/'));
    if by_agent && endpoint.heartbeat.verdict() != Verdict::Down {
        endpoint
            .heartbeat
            .excuse(Duration::ZERO, now.at + RETURN_WITHIN);
    }
}
