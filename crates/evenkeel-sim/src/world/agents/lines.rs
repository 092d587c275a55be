//! Calls of agents, connections, and what is on its way over them. Messages of one direction come in their order; what is sent
//! while nothing gets through comes when something does, unless whoever waits for it has given the connection up by then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::remote::{Happened, LinkId, SILENCE_MAX};
use evenkeel_core::time::Time;

use super::{Errand, Ordered, Said, Told, What, World};
use crate::scene::{LineNote, Note};

/// For the connection and the welcome together.
const GREETED_WITHIN: Duration = Duration::from_secs(10);

/// All connections.
#[derive(Debug, Default)]
pub(in crate::world) struct Lines {
    map: BTreeMap<LinkId, Line>,
    last: u64,
}

#[derive(Debug)]
struct Line {
    host: Arc<str>,
    /// Whose end it is: a life of the agent, or 0 = a stranger's.
    life: u32,
    /// Which balancer process has the other.
    process: u32,
    agent_open: bool,
    door_open: bool,
    /// When what was said last arrives, by direction.
    up: Time,
    down: Time,
}

/// Something that arrives.
#[derive(Clone, Debug)]
pub(in crate::world) enum Wire {
    Up(Box<Said>),
    Down(Box<Told>),
    /// The agent's side learns that it is over.
    EndsAtAgent,
    /// The balancer's side does.
    EndsAtDoor,
    /// An order comes outside of its connection: a second time, or when that is long gone.
    Stray(Ordered),
}

impl World {
    /// A host's agent calls, because it is due.
    pub(super) fn agent_calls(&mut self, host: &Arc<str>) {
        let life = self.hosts.get(host).map_or(0, |host| host.lives);
        let Some(agent) = self.agent(host).filter(|agent| agent.link.is_none()) else {
            return;
        };
        let (instance, fence) = (agent.instance, agent.fences.newest());
        let link = self.open(host, life);
        if let Some(agent) = self.agent(host) {
            agent.link = Some((link, None));
        }
        let line = LineNote::Calls;
        self.note(&Note::Line { host, line });
        self.send_up(link, Said::Hello { instance, fence });
        self.errand(host, GREETED_WITHIN, Errand::GiveUp(link));
    }

    /// Somebody calls by the name of another.
    pub(super) fn stranger(&mut self, host: &Arc<str>) {
        let link = self.open(host, 0);
        let instance = self.rng.draw();
        let fence = Default::default();
        self.send_up(link, Said::Hello { instance, fence });
    }

    fn open(&mut self, host: &Arc<str>, life: u32) -> LinkId {
        self.lines.last += 1;
        let link = LinkId(self.lines.last);
        let line = Line {
            host: host.clone(),
            life,
            process: self.scene.process,
            agent_open: true,
            door_open: true,
            up: Time::ZERO,
            down: Time::ZERO,
        };
        self.lines.map.insert(link, line);
        link
    }

    /// To the balancer, if the agent is welcome there.
    pub(super) fn say(&mut self, host: &Arc<str>, said: Said) {
        let link = self.agent(host).and_then(|agent| agent.link);
        if let Some((link, Some(_))) = link {
            self.send_up(link, said);
        }
    }

    fn send_up(&mut self, link: LinkId, said: Said) {
        self.send(link, Wire::Up(Box::new(said)), true);
    }

    pub(super) fn send_down(&mut self, link: LinkId, told: Told) {
        self.send(link, Wire::Down(Box::new(told)), false);
    }

    /// What is sent arrives after what was sent before it.
    fn send(&mut self, link: LinkId, wire: Wire, up: bool) {
        let Some(line) = self.lines.map.get(&link) else {
            return;
        };
        let host = &self.hosts[&line.host];
        let most = u64::try_from(host.spec.delay.as_millis()).unwrap_or(0);
        let clear = host.cut_until.max(self.scene.now.at);
        let arrives = clear + self.ms(1, 1 + most);
        let Some(line) = self.lines.map.get_mut(&link) else {
            return;
        };
        let last = if up { &mut line.up } else { &mut line.down };
        *last = arrives.max(*last);
        let at = *last;
        self.plan_at(at, What::Wire(link, wire));
    }

    pub(in crate::world) fn arrives(&mut self, link: LinkId, wire: Wire) {
        let Some(line) = self.lines.map.get(&link) else {
            if let Wire::Stray(order) = wire {
                let host = order.host.clone();
                self.ordered(&host, None, order);
            }
            return;
        };
        let (host, life) = (line.host.clone(), line.life);
        let agents = line.agent_open && self.hosts[&host].lives == life;
        let doors = line.door_open && line.process == self.scene.process;
        match wire {
            Wire::Up(said) if doors => self.said_at_door(link, &host, *said),
            Wire::Down(told) if agents => self.told_at_agent(link, &host, *told),
            Wire::EndsAtDoor if doors => {
                self.close_door(link);
                self.over_at_door(link, true);
            }
            Wire::EndsAtAgent if agents => self.over_at_agent(link),
            Wire::Stray(order) => self.ordered(&host, None, order),
            _ => {}
        }
    }

    fn told_at_agent(&mut self, link: LinkId, host: &Arc<str>, told: Told) {
        let now = self.scene.now.at;
        let Some(agent) = self
            .agent(host)
            .filter(|a| a.link.is_some_and(|l| l.0 == link))
        else {
            return;
        };
        agent.heard = now;
        match told {
            Told::Welcome => {
                agent.link = Some((link, Some(now)));
                agent.dial.on(Happened::Connected, now);
                let line = LineNote::Welcome;
                self.note(&Note::Line { host, line });
                self.tell_all(host);
            }
            Told::Refused => self.agent_ends(host, link),
            Told::Order(order) => self.ordered(host, Some(link), order),
            Told::Acknowledged => {}
        }
    }

    /// No welcome came in time.
    pub(super) fn agent_gives_up(&mut self, host: &Arc<str>, link: LinkId) {
        let waits = self
            .agent(host)
            .is_some_and(|a| a.link == Some((link, None)));
        if waits {
            self.agent_ends(host, link);
        }
    }

    /// The agent hangs up, by itself or because it died: its kernel says so to the other side.
    pub(super) fn agent_hangs_up(&mut self, link: LinkId) {
        let Some(line) = self.lines.map.get_mut(&link) else {
            return;
        };
        line.agent_open = false;
        self.send(link, Wire::EndsAtDoor, true);
        self.forget_line(link);
    }

    /// The agent is done with this connection, and calls again.
    fn agent_ends(&mut self, host: &Arc<str>, link: LinkId) {
        self.agent_hangs_up(link);
        self.over_at_agent_of(host, link);
    }

    fn over_at_agent(&mut self, link: LinkId) {
        let Some(line) = self.lines.map.get_mut(&link) else {
            return;
        };
        line.agent_open = false;
        let host = line.host.clone();
        self.forget_line(link);
        self.over_at_agent_of(&host, link);
    }

    fn over_at_agent_of(&mut self, host: &Arc<str>, link: LinkId) {
        let now = self.scene.now.at;
        let Some(agent) = self
            .agent(host)
            .filter(|a| a.link.is_some_and(|l| l.0 == link))
        else {
            return;
        };
        agent.link = None;
        let again = agent.dial.on(Happened::Ended, now);
        let line = LineNote::Ended;
        self.note(&Note::Line { host, line });
        if let Some(again) = again {
            self.errand(host, again, Errand::Call);
        }
    }

    /// The balancer hangs up.
    pub(super) fn door_hangs_up(&mut self, link: LinkId) {
        self.close_door(link);
        self.send(link, Wire::EndsAtAgent, false);
        self.forget_line(link);
    }

    fn close_door(&mut self, link: LinkId) {
        if let Some(line) = self.lines.map.get_mut(&link) {
            line.door_open = false;
        }
    }

    /// Both ends were closed a while ago.
    fn forget_line(&mut self, link: LinkId) {
        let now = self.scene.now.at;
        let gone =
            |line: &Line| !line.agent_open && !line.door_open && line.up.max(line.down) < now;
        self.lines.map.retain(|id, line| *id == link || !gone(line));
    }

    /// A reset: both sides learn of it.
    pub(super) fn hang_up(&mut self, host: &Arc<str>) {
        let link = self.agent(host).and_then(|agent| agent.link);
        if let Some((link, _)) = link {
            self.send(link, Wire::EndsAtDoor, true);
            self.send(link, Wire::EndsAtAgent, false);
        }
    }

    /// The balancer died: what it had said may still arrive.
    pub(in crate::world) fn doors_fall(&mut self) {
        let open = self.lines.map.iter().filter(|(_, line)| line.door_open);
        for link in open.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.door_hangs_up(link);
        }
    }

    /// Whoever heard nothing for too long gives its end up.
    pub(in crate::world) fn notice_silence(&mut self) {
        let now = self.scene.now.at;
        for host in self.hosts.keys().cloned().collect::<Vec<_>>() {
            let silent = self.agent(&host).and_then(|agent| {
                let (link, welcome) = agent.link?;
                let silent = now.since(agent.heard) >= SILENCE_MAX;
                (welcome.is_some() && silent).then_some(link)
            });
            if let Some(link) = silent {
                self.agent_ends(&host, link);
            }
        }
    }
}
