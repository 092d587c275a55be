//! Orders to agents: each with its number and its fence, and whatever becomes of it is answered.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::id::Epoch;
use evenkeel_core::remote::{LinkId, ahead, following};
use evenkeel_probe::clock::now;
use evenkeel_schema::agent::{Order, ToAgent};

use super::{Agents, Answer, Did, Waiting, Wish};
use crate::agents::Talk;
use crate::driver::Driver;

/// Orders that wait for an answer; a planner has one at a time for a pool.
const ORDERS_MAX: usize = 256;
/// The longest an answer is waited for: what frees a disk or runs a command of the operator's takes its time.
const ANSWERED_WITHIN: Duration = Duration::from_secs(600);

impl Driver {
    /// Has an agent carry an action out; the answer comes whatever becomes of it.
    pub(in crate::driver) fn order_elsewhere(
        &mut self,
        full_name: &str,
        wish: Wish<'_>,
        why: String,
        answer: Answer,
    ) {
        let restores = wish.action == "restore_data";
        let sent = self.send_order(full_name, wish, why);
        match sent {
            Ok((number, link, agent)) => {
                let until = now().at + ANSWERED_WITHIN;
                let waiting = Waiting {
                    link,
                    agent,
                    until,
                    restores,
                    answer,
                };
                self.agents.orders.insert(number, waiting);
            }
            Err(refusal) => answer(self, Err(refusal)),
        }
    }

    fn send_order(
        &mut self,
        full_name: &str,
        wish: Wish<'_>,
        why: String,
    ) -> Result<(u64, LinkId, Arc<str>), String> {
        let (agent, service) = full_name.split_once('/').ok_or("no service of an agent")?;
        let link = self.agents.links.iter().find(|(_, l)| &*l.agent == agent);
        let Some((link, agent)) = link.map(|(id, link)| (*id, link.agent.clone())) else {
            return Err(format!(
                "agent {agent} is not connected, so nothing can be done to {service} there"
            ));
        };
        if self.agents.orders.len() >= ORDERS_MAX {
            return Err("too many orders wait for an answer already".into());
        }
        self.agents.last_order += 1;
        let number = self.agents.last_order;
        let known = self.agents.known(&agent);
        known.fence = following(Epoch(known.fence), now().wall).0;
        let order = Order {
            order: number,
            fence: known.fence,
            service: service.to_owned(),
            action: wish.action.to_owned(),
            argument: wish.argument,
            older_than_ms: wish.older_than.map(ms),
            why,
        };
        match self.agents.say(link, ToAgent::Order(order)) {
            true => Ok((number, link, agent)),
            false => Err(format!("agent {agent} takes too little, and was cut off")),
        }
    }

    pub(super) fn agent_done(&mut self, link: LinkId, order: u64, result: Result<Did, String>) {
        let waiting = self.agents.orders.get(&order);
        if waiting.is_some_and(|waiting| waiting.link == link) {
            self.answer_order(order, result);
        }
    }

    pub(super) fn answer_order(&mut self, order: u64, result: Result<Did, String>) {
        let Some(waiting) = self.agents.orders.remove(&order) else {
            return;
        };
        if let Err(why) = &result {
            let agent = &waiting.agent;
            self.agents.known(agent).refused += 1;
            tracing::warn!(target: "evenkeel::agents", agent = &**agent, "agent {agent} did not do what was ordered: {why}");
        }
        (waiting.answer)(self, result);
    }
}

impl Agents {
    /// The newest fence it has seen, as it says. One that is far ahead of our clock is passed over, which is said: an order that
    /// follows it no agent would take.
    pub(super) fn has_seen(&mut self, agent: &Arc<str>, fence: u64) {
        let known = self.known(agent);
        let is_ahead = ahead(Epoch(fence), now().wall);
        let news = is_ahead && !known.fence_ahead;
        known.fence_ahead = is_ahead;
        if !is_ahead {
            known.fence = known.fence.max(fence);
        }
        let more = news.then(|| self.logs(Talk::Odd, agent)).flatten();
        if let Some(more) = more {
            tracing::warn!(
                target: "evenkeel::agents", agent = &**agent,
                "agent {agent} says it has taken an order with fence {fence}, which is more than a day ahead of this host's clock, and is \
                 not believed: a clock is wrong here, there, or on another balancer that gives it orders. If it refuses orders as \
                 stale once the clocks are right, restart it{more}"
            );
        }
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
