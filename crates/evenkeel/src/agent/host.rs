//! What the agent may ask of its surroundings, over the real keeper.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_agent::serve::{Did, Host, INPUTS_MAX, Input, KnownPoints, WhichPoint};
use evenkeel_core::id::Epoch;
use evenkeel_core::settings::ServiceSpec;
use evenkeel_core::supervise::ServiceEvent;
use evenkeel_schema::config::AgentConfig;
use tokio::sync::mpsc;

use crate::balancer::keeper::Keeper;
use crate::balancer::recovery::{self, Recovery};

/// The keeper and the recovery points, as the agent sees them.
pub(super) struct AgentHost {
    keeper: Arc<Keeper>,
    recovery: Arc<Recovery>,
    state_dir: PathBuf,
}

impl AgentHost {
    pub(super) fn new(
        keeper: Arc<Keeper>,
        recovery: Arc<Recovery>,
        state_dir: PathBuf,
    ) -> AgentHost {
        AgentHost {
            keeper,
            recovery,
            state_dir,
        }
    }
}

impl Host for AgentHost {
    fn start_service(&self, spec: &ServiceSpec, epoch: Epoch) {
        if let Err(why) = self.keeper.start(spec, None, epoch) {
            self.keeper.report(evenkeel_control::Input::Service {
                name: spec.name.to_string(),
                event: ServiceEvent::StartFailed { why },
            });
        }
    }

    fn signal_service(&self, name: &str, signal: i32, epoch: Epoch) {
        self.keeper.signal(name, signal, epoch);
    }

    fn applied(&self, config: &AgentConfig) {
        let board = self.keeper.board();
        board.configure(&config.services);
        board.read_every(config.agent.facts_interval);
        self.recovery.configure(&config.services);
        // A few ms, at the start and at a reload only.
        if let Err(error) = evenkeel_control::keep_applied(&self.state_dir, 1, &config.text) {
            tracing::warn!(
                "what is applied can't be kept in state_dir: {error}; an agent that replaces this one reads FILE"
            );
        }
    }

    fn ready(&self) {
        self.keeper.ready();
    }

    fn alive(&self) {
        self.keeper.alive();
    }

    fn recovery_points(&self, known: u64) -> Option<KnownPoints> {
        self.recovery.known(known)
    }

    fn verify(&self, service: &str, id: &str) -> Result<String, String> {
        let answer = self.recovery.verify(service, id)?;
        Ok(format!("recovery point {} is whole", answer.id))
    }

    fn restore(&self, service: &str, point: &WhichPoint) -> Result<Did, String> {
        let id = match point {
            WhichPoint::Named(id) => id.clone(),
            WhichPoint::Newest(older_than) => self.newest_whole(service, *older_than)?,
        };
        let answer = self.recovery.restore(service, &id)?;
        let words = match &answer.kept_aside {
            Some(aside) => format!("data restored from {id}; what was there before is in {aside}"),
            None => format!("data restored from {id}; there was nothing before"),
        };
        Ok(Did {
            words,
            kept_aside: answer.kept_aside.map(PathBuf::from),
        })
    }
}

impl AgentHost {
    /// The newest recovery point of those old enough that reads back as it was made.
    fn newest_whole(&self, service: &str, older_than: Duration) -> Result<String, String> {
        let mut points = self.recovery.list().recovery_points;
        points.retain(|point| point.service == service);
        if points.is_empty() {
            return Err(format!("service {service} has no recovery point"));
        }
        points.retain(|point| point.made.0 <= recovery::ago(older_than));
        if points.is_empty() {
            return Err("there is no recovery point from before the fault".into());
        }
        points.sort_by_key(|point| std::cmp::Reverse(point.made));
        let whole = |id: &str| self.recovery.verify(service, id).is_ok();
        let found = points.iter().find(|point| whole(&point.id));
        let found = found.map(|point| point.id.clone());
        found.ok_or_else(|| format!("none of its {} recovery points is whole", points.len()))
    }
}

/// The keeper speaks to a balancer and to an agent in the same words; each has its own type for them.
pub(super) fn translate(
    mut heard: mpsc::Receiver<evenkeel_control::Input>,
) -> io::Result<mpsc::Receiver<Input>> {
    use evenkeel_control::Input as Heard;
    let (inputs, read) = mpsc::channel(INPUTS_MAX);
    let translate = move || {
        while let Some(input) = heard.blocking_recv() {
            let input = match input {
                Heard::Reload => Input::Reload,
                Heard::Shutdown => Input::Shutdown,
                Heard::Facts(facts) => Input::Facts(facts),
                Heard::Service { name, event } => Input::Service { name, event },
            };
            if inputs.blocking_send(input).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("inputs".into())
        .spawn(translate)?;
    Ok(read)
}
