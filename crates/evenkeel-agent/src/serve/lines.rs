//! The lines to all balancers: called at the start and when another configuration wants it, and what each reports.

use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::address::Target;
use evenkeel_schema::agent::{FromAgent, Hello, PROTOCOL, ToAgent, Token};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::line::{Line, LineSays};
use super::worker::Worker;

/// A line and what is sent over it.
pub(super) struct Open {
    pub(super) to: Target,
    task: JoinHandle<()>,
    pub(super) says: Option<mpsc::Sender<FromAgent>>,
    pub(super) node: String,
    /// Why it failed last, said once.
    failing: Option<String>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Worker {
    pub(super) fn call_all(&mut self) {
        self.lines.clear();
        let config = self.loaded.config.clone();
        for to in &config.agent.control {
            self.last_line += 1;
            let line = Line {
                number: self.last_line,
                to: to.clone(),
                client: self.loaded.client.clone(),
                hello: self.hello(),
                reports: self.reports.clone(),
                rng: self.rng.stream(&format!("{to} {}", self.last_line)),
            };
            let newest = self.newest.clone();
            let task = tokio::spawn(line.run(move || newest.load(Relaxed)));
            let open = Open {
                to: to.clone(),
                task,
                says: None,
                node: String::new(),
                failing: None,
            };
            self.lines.insert(self.last_line, open);
        }
    }

    fn hello(&self) -> Hello {
        let agent = &self.loaded.config.agent;
        let ms = agent.heartbeat_interval.as_millis();
        Hello {
            protocol: PROTOCOL,
            agent: agent.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            instance: self.instance,
            token: agent.token.as_ref().map(|t| Token(t.reveal().into())),
            actions: agent.allow.iter().map(|a| (*a).into()).collect(),
            fence: 0,
            interval_ms: u64::try_from(ms).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn line(&mut self, number: u64, says: LineSays) {
        let Some(open) = self.lines.get_mut(&number) else {
            return; // of before a reload
        };
        match says {
            LineSays::Connected { node, says } => {
                tracing::info!("connected to {node} at {}", open.to);
                open.node = node;
                open.says = Some(says);
                open.failing = None;
                self.tell_all(number);
            }
            LineSays::Said(ToAgent::Order(order)) => self.ordered(number, order),
            // An acknowledgement says that the balancer lives, which its line has noted.
            LineSays::Said(_) => {}
            LineSays::Ended {
                why,
                was_connected,
                again_in,
            } => {
                open.says = None;
                let told = !was_connected && open.failing.as_ref() == Some(&why);
                let to = &open.to;
                match (was_connected, told) {
                    (true, _) => tracing::warn!(
                        "the connection to {} at {to} ended: {why}; called again in {again_in:?}",
                        open.node
                    ),
                    (false, false) => tracing::warn!(
                        "the balancer at {to} can't be had: {why}; called again and again"
                    ),
                    (false, true) => tracing::debug!("{to}: {why}"),
                }
                open.failing = (!was_connected).then_some(why);
            }
        }
    }
}
