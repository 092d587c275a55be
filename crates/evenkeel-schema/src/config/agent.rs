//! Agents of other hosts, as configured: where the balancer meets them, and an agent's own file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::address::Target;
use evenkeel_core::settings::{HostTls, PoolTls, ServiceSpec};

use super::{FileProblem, Log, RestartNeeded, Secret, parse};
use crate::mistake::Mistake;

/// `[agents]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agents {
    /// Where they connect.
    pub bind: SocketAddr,
    /// What they must show, unless they have a certificate by `client_ca`.
    pub token: Option<Secret>,
    /// `None` = clear text, on loopback only.
    pub tls: Option<HostTls>,
}

/// `[agent]`, of an agent's own file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Who it is.
    pub name: String,
    /// The balancers it serves, at least one.
    pub control: Vec<Target>,
    /// What it shows to them.
    pub token: Option<Secret>,
    /// Whom it trusts and what certificate it shows. `None` = all balancers are on loopback and are spoken to in clear text.
    pub tls: Option<PoolTls>,
    /// Absolute.
    pub state_dir: PathBuf,
    /// Between two readings.
    pub facts_interval: Duration,
    /// Between two heartbeats.
    pub heartbeat_interval: Duration,
    /// The actions that balancers may ask for.
    pub allow: Vec<&'static str>,
}

/// An agent's whole file.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// `[agent]`.
    pub agent: Agent,
    /// `[log]`; its access log is nobody's.
    pub log: Log,
    /// By name.
    pub services: Vec<ServiceSpec>,
    /// The text it was read from, as it stood.
    pub text: Arc<str>,
}

/// Looks into the files that an agent's TLS names, and says what is wrong with them.
pub type LookAtAgentTls<'a> = &'a dyn Fn(&PoolTls) -> Vec<FileProblem>;

impl AgentConfig {
    /// Reads the file, the secrets it names, and lets `look` read its certificates; every mistake of all of them at once.
    ///
    /// # Errors
    /// Whatever is wrong.
    pub fn load(file: &Path, look: LookAtAgentTls<'_>) -> Result<AgentConfig, Vec<Mistake>> {
        parse::load_agent(file, look)
    }

    /// The same for a text that stands for `file`.
    ///
    /// # Errors
    /// Whatever is wrong.
    pub fn parse(
        text: &str,
        file: &Path,
        look: LookAtAgentTls<'_>,
    ) -> Result<AgentConfig, Vec<Mistake>> {
        parse::parse_agent(text, file, parse::Secrets::Fetch, look)
    }

    /// The text alone: no secrets are fetched, no certificates read. To look at, not to run.
    ///
    /// # Errors
    /// Whatever is wrong.
    pub fn peruse(text: &str, file: &Path) -> Result<AgentConfig, Vec<Mistake>> {
        parse::parse_agent(text, file, parse::Secrets::Leave, &|_| Vec::new())
    }

    /// What differs between `old` and this one that only a restart can change, by key; empty = a reload is enough.
    pub fn restart_needed(&self, old: &AgentConfig) -> Vec<RestartNeeded> {
        let state_dir = |config: &AgentConfig| config.agent.state_dir.display().to_string();
        let pairs = [
            (
                "agent.name",
                old.agent.name.clone(),
                self.agent.name.clone(),
            ),
            ("agent.state_dir", state_dir(old), state_dir(self)),
        ];
        let changed = pairs.into_iter().filter(|(_, old, new)| old != new);
        changed
            .map(|(key, old, new)| RestartNeeded { key, old, new })
            .collect()
    }
}

/// Is this the text of an agent's file? A text that is neither kind is none: what is wrong with it is told as of a balancer's.
pub fn is_agents_file(text: &str) -> bool {
    parse::is_agents_file(text)
}
