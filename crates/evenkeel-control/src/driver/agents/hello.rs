//! An agent that has shown what it must says hello: it is let in, or another has its name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::remote::{LinkId, Verdict};
use evenkeel_probe::clock::now;
use evenkeel_schema::agent::{Hello, PROTOCOL, Refusal, ToAgent};
use tokio::sync::mpsc;

use super::Link;
use crate::agents::Talk;
use crate::driver::Driver;

impl Driver {
    pub(super) fn agent_hello(
        &mut self,
        link: LinkId,
        hello: Hello,
        from: SocketAddr,
        says: mpsc::Sender<ToAgent>,
    ) {
        let agent: Arc<str> = hello.agent.as_str().into();
        let from = from.to_string();
        let now = now();
        if let Err((code, why)) = self.let_in(&agent, link, (hello.instance, &from)) {
            if let Some(more) = self.agents.logs(Talk::Odd, &agent) {
                tracing::warn!(target: "evenkeel::agents", agent = &*agent, "agent {agent} at {from} was refused: {why}{more}");
            }
            let code = code.to_owned();
            // Dropped after this: the connection says it and ends.
            let _ = says.try_send(ToAgent::Refused(Refusal { code, why }));
            return;
        }
        let welcome = ToAgent::Welcome {
            protocol: PROTOCOL,
            node: self.config.node.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let _ = says.try_send(welcome);
        let open = Link {
            agent: agent.clone(),
            says,
        };
        self.agents.links.insert(link, open);
        let stranger = match self.names_agent(&agent) {
            true => "",
            false => ", of which no endpoint names a service",
        };
        if let Some(more) = self.agents.logs(Talk::Passing, &agent) {
            tracing::info!(target: "evenkeel::agents", agent = &*agent, "agent {agent} connected from {from}{stranger}{more}");
        }
        let known = self.agents.known(&agent);
        known.connected = true;
        known.since = now.wall;
        known.why = "connected".into();
        known.heard = Some(now.wall);
        known.from = from;
        if known.version != hello.version {
            // It may tell nothing of them any more.
            known.points.forget();
        }
        known.version = hello.version;
        known.actions = hello.actions;
        self.agents.has_seen(&agent, hello.fence);
    }

    fn let_in(
        &mut self,
        agent: &Arc<str>,
        link: LinkId,
        who: (u64, &str),
    ) -> Result<(), (&'static str, String)> {
        if !self.phase.serving() {
            return Err(("shutting_down", "this balancer is shutting down".into()));
        }
        match self.agents.roster.hello(agent, link, who, now().at) {
            Verdict::Refused(why) => {
                self.agents.door.refusals.name.fetch_add(1, Relaxed);
                return Err(("name", why));
            }
            Verdict::Replaces(old) => drop(self.agents.links.remove(&old)),
            Verdict::Welcome => {}
        }
        Ok(())
    }

    pub(super) fn names_agent(&self, agent: &str) -> bool {
        let pools = self.config.pools.iter();
        let mut named = pools
            .flat_map(|pool| &pool.endpoints)
            .filter_map(|endpoint| endpoint.service.as_deref()?.split_once('/'));
        named.any(|(host, _)| host == agent)
    }
}
