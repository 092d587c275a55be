//! Asking the agents of a pool's endpoints: beside the checks, and never in their way.

use crate::address::Address;
use crate::time::Time;

use super::command::{AgentLook, Command};
use super::context::Context;
use super::pool::Pool;

impl Pool {
    /// Sends what is due, and says when the next is. An endpoint without an address, or at a unix socket, has no agent.
    pub(super) fn ask_agents(&mut self, ctx: &mut Context<'_>) -> Time {
        let Some(settings) = &self.spec.agent_check else {
            return Time::NEVER;
        };
        let timeout = self.spec.check.timeout.min(settings.interval);
        let mut next = Time::NEVER;
        for endpoint in &mut self.endpoints {
            let Some(Address::Ip(mut ip)) = endpoint.address.clone() else {
                continue;
            };
            ip.set_port(settings.port);
            let fences = &mut *ctx.fences;
            let sent = endpoint.agent.send(|| fences.next(), timeout, ctx.now.at);
            if let Some(epoch) = sent {
                ctx.commands.push_back(Command::AskAgent(AgentLook {
                    endpoint: endpoint.id,
                    address: Address::Ip(ip),
                    timeout,
                    epoch,
                }));
            }
            next = next.min(endpoint.agent.next_wakeup());
        }
        next
    }
}
