//! The balancer's side of the lines to agents, as its driver has it: who is connected, what each said, and the orders that wait for an
//! answer. It dies with its process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::{AgentNews, Beat, Event};
use evenkeel_core::health::Says;
use evenkeel_core::id::Epoch;
use evenkeel_core::recover::Order;
use evenkeel_core::recover::actions::Hand;
use evenkeel_core::remote::{LinkId, Roster, Verdict, following};
use evenkeel_core::time::{Time, WallTime};

use super::{BEAT, Ordered, Said, Told, What, Wire, World};
use crate::scene::Note;
use crate::story::PEACE;

/// All of one process.
#[derive(Debug, Default)]
pub(in crate::world) struct Door {
    roster: Roster,
    links: BTreeMap<LinkId, Arc<str>>,
    /// The newest fence that each has seen, or was given.
    fences: BTreeMap<Arc<str>, Epoch>,
    orders: BTreeMap<u64, Waiting>,
    last_order: u64,
    /// Until then nobody is taken.
    deaf_until: Time,
}

#[derive(Debug)]
struct Waiting {
    link: LinkId,
    epoch: Epoch,
}

impl World {
    pub(super) fn said_at_door(&mut self, link: LinkId, host: &Arc<str>, said: Said) {
        if let Said::Hello { instance, fence } = said {
            return self.hello(link, host, instance, fence);
        }
        if !self.door.links.contains_key(&link) {
            return; // refused, or cut off
        }
        let now = self.scene.now.at;
        self.door.roster.heard(host, link, now);
        self.note(&Note::Heard { host, link });
        let agent = host.clone();
        match said {
            Said::Hello { .. } => {}
            Said::Services(reports) => {
                let news = AgentNews::Connected(reports);
                self.feed(Event::Agent { agent, news });
            }
            Said::Service(report) => {
                let news = AgentNews::Changed(report);
                self.feed(Event::Agent { agent, news });
            }
            Said::Beat(sequence, services) => {
                self.beats_behind(host, sequence, &services);
                self.send_down(link, Told::Acknowledged);
            }
            Said::Facts(facts) => drop(self.feed(Event::Facts(facts))),
            Said::Done(order, result, fence) => {
                let known = self.door.fences.entry(agent).or_default();
                *known = fence.max(*known);
                if self.door.orders.get(&order).is_some_and(|w| w.link == link) {
                    self.answer(order, result);
                }
            }
        }
    }

    fn hello(&mut self, link: LinkId, host: &Arc<str>, instance: u64, fence: Epoch) {
        let now = self.scene.now.at;
        if now < self.door.deaf_until {
            return self.door_hangs_up(link);
        }
        let verdict = self
            .door
            .roster
            .hello(host, link, (instance, "somewhere"), now);
        let verdict_note = &verdict;
        self.note(&Note::Hello {
            host,
            link,
            instance,
            verdict: verdict_note,
        });
        match verdict {
            Verdict::Refused(_) => {
                self.summary.strangers += 1;
                self.send_down(link, Told::Refused);
                return self.door_hangs_up(link);
            }
            Verdict::Replaces(old) => {
                self.door.links.remove(&old);
                self.door_hangs_up(old);
                self.over_at_door(old, true);
            }
            Verdict::Welcome => {}
        }
        self.summary.lines += 1;
        self.door.links.insert(link, host.clone());
        let known = self.door.fences.entry(host.clone()).or_default();
        *known = fence.max(*known);
        self.send_down(link, Told::Welcome);
    }

    fn beats_behind(&mut self, host: &str, sequence: u64, services: &[(Arc<str>, Says)]) {
        for (service, says) in services {
            let full = format!("{host}/{service}");
            let behind = self.engine.pools().flat_map(|pool| {
                let beats = pool.spec.heartbeat.is_some();
                pool.endpoints.into_iter().filter(move |_| beats)
            });
            let named = behind.filter(|e| e.service_name.is_some_and(|name| **name == *full));
            for endpoint in named.map(|e| e.id).collect::<Vec<_>>() {
                let beat = Beat {
                    sequence,
                    interval: Some(BEAT),
                    says: *says,
                    utilization: None,
                };
                self.feed(Event::Beat { endpoint, beat });
            }
        }
    }

    /// A connection is over here: what was ordered over it is unanswered, and its agent is gone if the name was its.
    pub(super) fn over_at_door(&mut self, link: LinkId, closed: bool) {
        let orders = self.door.orders.iter();
        let lost = orders.filter(|(_, order)| order.link == link);
        for order in lost.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.answer(order, Err("its connection ended".into()));
        }
        let host = self.door.links.remove(&link);
        let host = host.or_else(|| self.door.roster.name_of(link));
        if let Some(host) = host.filter(|host| self.door.roster.left(host, link)) {
            let host = &host;
            self.note(&Note::Left { host, link, closed });
            let why = "its connection ended".to_owned();
            let (agent, news) = (host.clone(), AgentNews::Gone { closed, why });
            self.feed(Event::Agent { agent, news });
        }
    }

    /// Whoever is silent for too long is cut off.
    pub(in crate::world) fn tick_door(&mut self) {
        let now = self.scene.now.at;
        for (_, link) in self.door.roster.overdue(now) {
            self.door.links.remove(&link);
            self.door_hangs_up(link);
            self.over_at_door(link, false);
        }
    }

    /// Nobody is taken for so long, and whoever is connected is lost.
    pub(super) fn deafen(&mut self, lasts: Duration) {
        self.door.deaf_until = (self.scene.now.at + lasts).min(PEACE);
        for link in self.door.links.keys().copied().collect::<Vec<_>>() {
            self.door_hangs_up(link);
            self.over_at_door(link, true);
        }
    }

    /// Has an agent carry an action out; the answer comes whatever becomes of it.
    pub(in crate::world) fn order_agent(&mut self, order: Order) {
        let (epoch, process) = (order.epoch, self.scene.process);
        let refused = |world: &mut World, why: &str| {
            let result = Some(Err(why.to_owned()));
            let what = What::Acted(process, Box::new(order.clone()), result);
            world.plan(Duration::ZERO, what);
        };
        let full = order.service.clone().unwrap_or_default();
        let Some((host, service)) = full.split_once('/') else {
            return refused(self, "no service of an agent");
        };
        let mut links = self.door.links.iter();
        let found = links.find(|(_, name)| &***name == host);
        let Some((link, host)) = found.map(|(link, name)| (*link, name.clone())) else {
            return refused(self, "its agent is not connected");
        };
        let action = match order.action.0.hand() {
            Hand::Supervisor | Hand::Host => order.action.name(),
            Hand::Balancer | Hand::Control => "restart",
        };
        self.door.last_order += 1;
        let number = self.door.last_order;
        let back = u64::try_from(self.clock_back.as_millis()).unwrap_or(0);
        let wall = WallTime(self.scene.now.wall.0 - back);
        let known = self.door.fences.entry(host.clone()).or_default();
        *known = following(*known, wall);
        let ordered = Ordered {
            process,
            number,
            fence: *known,
            host,
            service: service.into(),
            action,
        };
        self.door.orders.insert(number, Waiting { link, epoch });
        self.send_down(link, Told::Order(ordered.clone()));
        // A network that is worse than any: what was said comes a second time, or when another has been heard since.
        if !self.scene.peace && self.rng.chance(1, 5) {
            let late = self.ms(500, 25_000);
            self.plan(late, What::Wire(link, Wire::Stray(ordered)));
        }
    }

    fn answer(&mut self, number: u64, result: Result<String, String>) {
        if let Some(Waiting { epoch, .. }) = self.door.orders.remove(&number) {
            self.feed(Event::Acted { epoch, result });
        }
    }
}
