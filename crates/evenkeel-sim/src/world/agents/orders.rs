//! Orders at an agent, as its shell has them: judged by its own file and by their fence, the fence written down, carried out
//! once, answered.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::Event;
use evenkeel_core::id::Epoch;
use evenkeel_core::recover::actions::{Hand, find, supervisors_order};
use evenkeel_core::remote::{Fences, LinkId, Unfit};
use evenkeel_core::supervise::{ServiceEvent, ServiceOrder, ServiceState};

use super::{Errand, Said, World};
use crate::scene::Note;

/// An order on its way.
#[derive(Clone, Debug)]
pub(in crate::world) struct Ordered {
    /// The balancer process that gave it, and its number there.
    pub(super) process: u32,
    pub(super) number: u64,
    pub(super) fence: Epoch,
    pub(super) host: Arc<str>,
    pub(super) service: Arc<str>,
    pub(super) action: &'static str,
}

/// An order that was admitted, and whence it came; `None` = outside of a connection.
#[derive(Clone, Debug)]
pub(in crate::world) struct Pending {
    link: Option<LinkId>,
    order: Ordered,
}

enum Refusal {
    Stale,
    Other(&'static str),
}

impl World {
    /// An order arrived.
    pub(super) fn ordered(&mut self, host: &Arc<str>, link: Option<LinkId>, order: Ordered) {
        match self.admit(host, &order) {
            Ok(()) => {
                let stray = link.is_none();
                self.note(&Note::AgentTakes { host, stray });
                if let Some(agent) = self.agent(host) {
                    agent.busy.insert(order.service.clone());
                    agent.waiting.push_back(Pending { link, order });
                }
                self.write_fences(host);
            }
            Err(refusal) => {
                let why = match refusal {
                    Refusal::Other(why) => why,
                    Refusal::Stale => {
                        self.summary.stale_orders += 1;
                        let stray = link.is_none();
                        self.note(&Note::AgentRefuses { host, stray });
                        "stale"
                    }
                };
                self.finish(host, link, &order, Err(why.to_owned()));
            }
        }
    }

    fn admit(&mut self, host: &str, order: &Ordered) -> Result<(), Refusal> {
        let now = self.scene.now;
        let Some(known) = self.hosts.get_mut(host) else {
            return Err(Refusal::Other("no such host"));
        };
        let wall = known.now(now).wall;
        let named = known.spec.services.iter().any(|s| s.name == order.service);
        let allowed = known.spec.allow.contains(&order.action);
        let Some(agent) = known.agent.as_mut() else {
            return Err(Refusal::Other("nobody is there"));
        };
        if !named || !allowed {
            return Err(Refusal::Other("not of this host, or not allowed"));
        }
        if agent.busy.contains(&order.service) {
            return Err(Refusal::Other("something is being done to it already"));
        }
        let admitted = agent.fences.admit(&order.service, order.fence, wall);
        admitted.map_err(|unfit| match unfit {
            Unfit::Stale { .. } => Refusal::Stale,
            Unfit::Ahead { .. } => Refusal::Other("its fence is far ahead"),
        })
    }

    /// One at a time, so that an older state of them never follows a newer one. Some disks are full.
    fn write_fences(&mut self, host: &Arc<str>) {
        let full = !self.scene.peace && self.rng.chance(1, 40);
        let takes = self.ms(1, 40);
        let Some(agent) = self.agent(host).filter(|agent| !agent.writing) else {
            return;
        };
        if let Some(pending) = agent.waiting.pop_front() {
            agent.writing = true;
            let stored = (!full).then(|| agent.fences.clone());
            self.errand(host, takes, Errand::Fenced(pending, stored));
        }
    }

    pub(super) fn fenced(&mut self, host: &Arc<str>, pending: Pending, stored: Option<Fences>) {
        let taken = stored.is_some();
        if let Some(known) = self.hosts.get_mut(host) {
            known.kept = stored.or(known.kept.take());
        }
        if let Some(agent) = self.agent(host) {
            agent.writing = false;
        }
        match taken {
            true => self.act_there(host, pending),
            false => {
                let why = "its fence can't be written".to_owned();
                self.over(host, &pending, Err(why));
            }
        }
        self.write_fences(host);
    }

    fn act_there(&mut self, host: &Arc<str>, pending: Pending) {
        let Ordered {
            process,
            number,
            fence,
            service,
            action,
            ..
        } = pending.order.clone();
        self.summary.agent_orders += 1;
        self.note(&Note::AgentActs {
            host,
            service: &service,
            order: (process, number),
            fence,
            stray: pending.link.is_none(),
        });
        match find(action).map(|action| action.hand()) {
            Some(Hand::Supervisor) => {
                self.tell_supervisor(host, &service, action);
                self.over(host, &pending, Ok("it was told".to_owned()));
            }
            _ => {
                let (takes, result) = self.fate();
                let result = result.unwrap_or_else(|| Ok("done".to_owned()));
                self.errand(host, takes, Errand::Acted(pending, result));
            }
        }
    }

    /// One that was given up is tried again.
    fn tell_supervisor(&mut self, host: &Arc<str>, service: &str, action: &str) {
        let Some(agent) = self.agent(host) else {
            return;
        };
        let id = agent.engine.service_id(service);
        let Some((id, state)) = id.and_then(|id| Some((id, agent.engine.service(id)?.state)))
        else {
            return;
        };
        let order = supervisors_order(action);
        let given_up = state == ServiceState::Failed && !matches!(order, ServiceOrder::Signal(_));
        let event = match given_up {
            true => ServiceEvent::Reset,
            false => ServiceEvent::Told {
                order,
                why: action.to_owned(),
            },
        };
        self.agent_event(host, Event::Service { service: id, event });
    }

    pub(super) fn agent_acted(
        &mut self,
        host: &Arc<str>,
        pending: &Pending,
        result: Result<String, String>,
    ) {
        let Ordered {
            service, action, ..
        } = pending.order.clone();
        if result.is_ok() {
            let full = format!("{host}/{service}").into();
            self.cure(&full, action);
            // Another release serves only from a new start on.
            if action == "rollback_release" {
                self.tell_supervisor(host, &service, action);
            }
        }
        self.over(host, pending, result);
    }

    fn over(&mut self, host: &Arc<str>, pending: &Pending, result: Result<String, String>) {
        if let Some(agent) = self.agent(host) {
            agent.busy.remove(&pending.order.service);
        }
        self.finish(host, pending.link, &pending.order, result);
    }

    fn finish(
        &mut self,
        host: &Arc<str>,
        link: Option<LinkId>,
        order: &Ordered,
        result: Result<String, String>,
    ) {
        let Some(agent) = self.agent(host) else {
            return;
        };
        let newest = agent.fences.newest();
        let same = agent.link.is_some_and(|(now, _)| Some(now) == link);
        if same {
            self.say(host, Said::Done(order.number, result, newest));
        }
    }

    /// How an action on files and programs goes: most soon, some late; some cannot be done, and of some nobody hears again.
    pub(in crate::world) fn fate(&mut self) -> (Duration, Option<Result<String, String>>) {
        let soon = self.ms(1, 500);
        let drawn = if self.scene.peace {
            0
        } else {
            self.rng.below(20)
        };
        match drawn {
            0..=13 => (soon, Some(Ok("done".to_owned()))),
            14..=16 => (self.ms(5_000, 40_000), Some(Ok("done, late".to_owned()))),
            17..=18 => (soon, Some(Err("it cannot be done".to_owned()))),
            _ => (soon, None),
        }
    }
}
