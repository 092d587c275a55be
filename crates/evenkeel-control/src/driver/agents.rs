//! Agents of other hosts as the control loop has them: who is connected, what each said last, and the orders that wait for an
//! answer.

mod hello;
mod orders;
mod points;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::{AgentNews, Event};
use evenkeel_core::id::EndpointId;
use evenkeel_core::remote::{AGENTS_MAX, LinkId, Roster};
use evenkeel_core::time::{Time, WallTime};
use evenkeel_probe::clock::now;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::AgentStatus;
use evenkeel_schema::agent::{Beat, FactsReport, FromAgent, ServiceReport, ToAgent, printable};
use evenkeel_store::Durability;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Driver;
use crate::OldestPoints;
use crate::agents::{AgentDoor, Quiet, Rules, Said, Talk, What};
use points::TheirPoints;

/// What is done with the answer.
pub(super) type Answer = Box<dyn FnOnce(&mut Driver, Result<Did, String>) + Send>;

/// What is to be done elsewhere.
pub(super) struct Wish<'a> {
    pub(super) action: &'a str,
    pub(super) argument: Option<String>,
    /// For a restoration that names no point: it was made longer ago than this.
    pub(super) older_than: Option<Duration>,
}

/// It was done.
pub(super) struct Did {
    /// What, for people.
    pub(super) words: String,
    /// After a restoration: where the data that was there before is now.
    pub(super) kept_aside: Option<String>,
}

/// All of them.
pub(super) struct Agents {
    door: Arc<AgentDoor>,
    /// Accepting, and on which address.
    accepting: Option<(String, JoinHandle<()>)>,
    roster: Roster,
    links: BTreeMap<LinkId, Link>,
    known: BTreeMap<Arc<str>, Known>,
    /// Endpoints by the service elsewhere that is behind them, where heartbeats are expected.
    behind: BTreeMap<Arc<str>, Vec<EndpointId>>,
    orders: BTreeMap<u64, Waiting>,
    last_order: u64,
    quiet: Quiet<(Talk, Arc<str>)>,
}

struct Link {
    agent: Arc<str>,
    says: mpsc::Sender<ToAgent>,
}

/// What is known of one, connected or not.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    connected: bool,
    since: WallTime,
    why: String,
    from: String,
    version: String,
    actions: Vec<String>,
    services: usize,
    points: TheirPoints,
    /// What of them the engine knows.
    oldest: OldestPoints,
    heard: Option<WallTime>,
    /// The newest fence given to it, or that it has seen.
    fence: u64,
    /// What it says it has seen is far ahead of our clock, and that was logged.
    fence_ahead: bool,
    pub(crate) messages: u64,
    pub(crate) refused: u64,
}

struct Waiting {
    link: LinkId,
    agent: Arc<str>,
    until: Time,
    restores: bool,
    answer: Answer,
}

/// An agent among the metrics.
#[derive(Clone, Debug)]
pub(crate) struct AgentSample {
    pub(crate) name: Arc<str>,
    pub(crate) connected: bool,
    pub(crate) messages: u64,
    pub(crate) refused: u64,
}

impl Agents {
    pub(super) fn new(door: Arc<AgentDoor>) -> Agents {
        Agents {
            door,
            accepting: None,
            roster: Roster::default(),
            links: BTreeMap::new(),
            known: BTreeMap::new(),
            behind: BTreeMap::new(),
            orders: BTreeMap::new(),
            last_order: 0,
            quiet: Quiet::default(),
        }
    }

    pub(super) fn next_wakeup(&self) -> Time {
        let orders = self.orders.values().map(|order| order.until);
        orders
            .min()
            .unwrap_or(Time::NEVER)
            .min(self.roster.next_wakeup())
    }

    /// Of every agent, and of whoever was not let in.
    pub(super) fn samples(&self) -> (Vec<AgentSample>, [(&'static str, u64); 3]) {
        let sample = |(name, known): (&Arc<str>, &Known)| AgentSample {
            name: name.clone(),
            connected: known.connected,
            messages: known.messages,
            refused: known.refused,
        };
        let samples = self.known.iter().map(sample).collect();
        (samples, self.door.refusals.named())
    }

    /// As the address is; `None` = no agents.
    pub(super) fn bind(&self) -> Option<String> {
        self.accepting.as_ref().map(|(address, _)| address.clone())
    }

    fn known(&mut self, agent: &Arc<str>) -> &mut Known {
        if self.known.len() >= AGENTS_MAX && !self.known.contains_key(agent) {
            let gone = self.known.iter().find(|(_, known)| !known.connected);
            if let Some(gone) = gone.map(|(name, _)| name.clone()) {
                self.known.remove(&gone);
            }
        }
        self.known.entry(agent.clone()).or_insert_with(|| Known {
            connected: false,
            since: now().wall,
            why: "has not connected yet".into(),
            from: String::new(),
            version: String::new(),
            actions: Vec::new(),
            services: 0,
            points: TheirPoints::default(),
            oldest: OldestPoints::default(),
            heard: None,
            fence: 0,
            fence_ahead: false,
            messages: 0,
            refused: 0,
        })
    }

    /// Is a line about it logged now, and with which words behind it?
    pub(super) fn logs(&mut self, talk: Talk, agent: &Arc<str>) -> Option<String> {
        self.quiet.agents(talk, agent, now().at)
    }

    /// Was it ordered to restore data, and has not answered?
    fn restores_on(&self, agent: &str) -> bool {
        let mut orders = self.orders.values();
        orders.any(|order| order.restores && *order.agent == *agent)
    }

    /// False if it could not be told: its queue is full, and it is cut off.
    fn say(&mut self, link: LinkId, message: ToAgent) -> bool {
        let Some(open) = self.links.get(&link) else {
            return false;
        };
        let told = open.says.try_send(message).is_ok();
        if !told {
            let agent = open.agent.clone();
            self.links.remove(&link);
            if let Some(more) = self.logs(Talk::Passing, &agent) {
                tracing::warn!(target: "evenkeel::agents", "agent {agent} takes too little: cut off{more}");
            }
        }
        told
    }
}

impl Driver {
    /// The configuration in force: where agents connect, what they must show, whom their heartbeats are for.
    pub(super) fn configure_agents(&mut self) {
        let rules = self.config.agents.as_ref();
        let rules = rules.map(|agents| Rules::of(agents, &self.tls));
        self.agents.door.set(rules.unwrap_or_default());
        let wanted = self.host.agents();
        let accepting = self.agents.accepting.as_ref().map(|(at, _)| at.clone());
        let address = wanted.as_ref().map(|(address, _)| address.clone());
        if accepting != address {
            if let Some((_, task)) = self.agents.accepting.take() {
                task.abort();
            }
            if let Some((address, socket)) = wanted {
                match self.agents.door.accept(socket) {
                    Ok(task) => self.agents.accepting = Some((address, task)),
                    Err(error) => {
                        tracing::error!("agents can't connect: {address}: {error}");
                    }
                }
            }
        }
        if self.config.agents.is_none() {
            // Each notices the end of its connection, which is told.
            self.agents.links.clear();
        }
        self.note_behind();
    }

    fn note_behind(&mut self) {
        let mut behind: BTreeMap<Arc<str>, Vec<EndpointId>> = BTreeMap::new();
        let mut named = Vec::new();
        for pool in self.engine.pools() {
            for endpoint in &pool.endpoints {
                let Some(service) = endpoint.service_name else {
                    continue;
                };
                let Some((agent, _)) = service.split_once('/') else {
                    continue;
                };
                named.push(Arc::<str>::from(agent));
                if pool.spec.heartbeat.is_some() {
                    behind.entry(service.clone()).or_default().push(endpoint.id);
                }
            }
        }
        self.agents.behind = behind;
        for agent in named.iter().take(AGENTS_MAX) {
            self.agents.known(agent);
        }
    }

    /// Something came over an agent's connection.
    pub(super) fn agent_said(&mut self, said: Said) {
        let Said { link, what } = said;
        match what {
            What::Hello { hello, from, says } => self.agent_hello(link, hello, from, says),
            What::More(message) => {
                let Some(agent) = self.agents.links.get(&link).map(|l| l.agent.clone()) else {
                    return; // cut off, or refused
                };
                let now = now();
                self.agents.roster.heard(&agent, link, now.at);
                let known = self.agents.known(&agent);
                known.heard = Some(now.wall);
                known.messages += 1;
                self.agent_more(link, &agent, message);
            }
            What::Ended { closed, why } => self.agent_ended(link, closed, &why),
        }
    }

    fn agent_more(&mut self, link: LinkId, agent: &Arc<str>, message: FromAgent) {
        match message {
            // Who says it twice is none of ours.
            FromAgent::Hello(_) => drop(self.agents.links.remove(&link)),
            FromAgent::Services { services } => {
                let known = self.agents.known(agent);
                known.services = services.len();
                known.points.told(&services, true);
                self.agent_points(agent);
                let reports = services.iter().map(ServiceReport::report);
                // Each was checked when it was read.
                let reports = reports.filter_map(Result::ok).collect();
                self.agent_news(agent, AgentNews::Connected(reports));
            }
            FromAgent::Service(service) => {
                let told = std::slice::from_ref(&service);
                self.agents.known(agent).points.told(told, false);
                if service.points.is_some() {
                    self.agent_points(agent);
                }
                if let Ok(report) = service.report() {
                    self.agent_news(agent, AgentNews::Changed(Box::new(report)));
                }
            }
            FromAgent::Beat(beat) => {
                self.agent_beat(agent, &beat);
                let sequence = beat.sequence;
                self.agents.say(link, ToAgent::Acknowledged { sequence });
            }
            FromAgent::Facts(facts) => self.agent_facts(agent, &facts),
            FromAgent::Done {
                order,
                done,
                words,
                kept_aside,
                fence,
            } => {
                self.agents.has_seen(agent, fence);
                let words = printable(&words);
                let kept_aside = kept_aside.map(|path| printable(&path));
                let did = Did { words, kept_aside };
                let result = if done { Ok(did) } else { Err(did.words) };
                self.agent_done(link, order, result);
            }
            FromAgent::Bye { why } => {
                self.agents.links.remove(&link);
                self.agent_gone(
                    agent,
                    link,
                    true,
                    &format!("it said goodbye: {}", printable(&why)),
                );
            }
        }
    }

    fn agent_points(&mut self, agent: &Arc<str>) {
        let known = self.agents.known(agent);
        let oldest = known.points.oldest(agent);
        if known.oldest != oldest {
            known.oldest.clone_from(&oldest);
            let agent = Some(agent.clone());
            self.event(Event::Points { agent, oldest });
        }
    }

    fn agent_news(&mut self, agent: &Arc<str>, news: AgentNews) {
        let agent = agent.clone();
        self.event(Event::Agent { agent, news });
    }

    /// Each service's heartbeat is that of the endpoints before it.
    fn agent_beat(&mut self, agent: &str, beat: &Beat) {
        for service in &beat.services {
            let name = format!("{agent}/{}", service.name);
            let Some(endpoints) = self.agents.behind.get(name.as_str()).cloned() else {
                continue;
            };
            for endpoint in endpoints {
                let known = self.engine.endpoint(endpoint);
                let known = known.is_some_and(|view| view.heartbeat.carried().is_some());
                // That it beats at all is on the disk at once: a balancer that replaces this one has to miss it.
                self.durability = if known {
                    Durability::Relaxed
                } else {
                    Durability::Now
                };
                self.event(Event::Beat {
                    endpoint,
                    beat: evenkeel_core::engine::Beat {
                        sequence: beat.sequence,
                        interval: Some(evenkeel_schema::admin::beat_interval(beat.interval_ms)),
                        says: service.says(),
                        utilization: None,
                    },
                });
                self.durability = Durability::Relaxed;
            }
        }
    }

    fn agent_facts(&mut self, agent: &Arc<str>, facts: &FactsReport) {
        let facts = Arc::new(facts.facts(agent));
        self.facts.took_elsewhere(agent, facts.clone());
        self.event(Event::Facts(facts));
    }

    fn agent_ended(&mut self, link: LinkId, closed: bool, why: &str) {
        let orders = &self.agents.orders;
        let lost = orders.iter().filter(|(_, order)| order.link == link);
        for order in lost.map(|(number, _)| *number).collect::<Vec<_>>() {
            let why = "its connection ended before the answer came: whether it was done is seen in `evenkeel status`";
            self.answer_order(order, Err(why.into()));
        }
        // Of one that was cut off here, the name is still in the roster.
        let agent = self.agents.links.remove(&link).map(|link| link.agent);
        let agent = agent.or_else(|| self.agents.roster.name_of(link));
        if let Some(agent) = agent {
            self.agent_gone(&agent, link, closed, why);
        }
    }

    fn agent_gone(&mut self, agent: &Arc<str>, link: LinkId, closed: bool, why: &str) {
        if !self.agents.roster.left(agent, link) {
            return; // another connection has the name
        }
        let known = self.agents.known(agent);
        known.connected = false;
        known.since = now().wall;
        known.why = why.to_owned();
        if let Some(more) = self.agents.logs(Talk::Passing, agent) {
            tracing::warn!(
                target: "evenkeel::agents", agent = &**agent,
                "agent {agent} is gone: {why}; its services are taken to be as they were{more}"
            );
        }
        let why = why.to_owned();
        self.agent_news(agent, AgentNews::Gone { closed, why });
    }

    /// Whoever is silent for too long is cut off, and orders without an answer are given up.
    pub(super) fn tick_agents(&mut self, at: Time) {
        for (agent, link) in self.agents.roster.overdue(at) {
            self.agents.links.remove(&link);
            self.agent_gone(&agent, link, false, "not a word for 10 s");
        }
        let late = self.agents.orders.iter();
        let late = late.filter(|(_, order)| order.until <= at);
        for order in late.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.answer_order(order, Err("no answer within ten minutes".into()));
        }
    }

    /// As the admin API shows them.
    pub(super) fn agent_statuses(&self) -> Vec<AgentStatus> {
        let status = |(name, known): (&Arc<str>, &Known)| AgentStatus {
            name: name.to_string(),
            connected: known.connected,
            since: Stamp(known.since),
            why: known.why.clone(),
            address: Some(known.from.clone()).filter(|from| !from.is_empty()),
            version: known.version.clone(),
            actions: known.actions.clone(),
            services: u32::try_from(known.services).unwrap_or(u32::MAX),
            named: self.names_agent(name),
            heard: known.heard.map(Stamp),
        };
        self.agents.known.iter().map(status).collect()
    }
}
