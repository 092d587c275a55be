//! A configuration that has been read and found right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::settings::{
    HostTls, KeySource, ListenerSettings, PoolSpec, RouteSpec, ServiceSpec,
};

use crate::mistake::Mistake;

/// A configuration larger than this is refused: thousands of endpoints fit many times over.
pub const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An endpoint's largest weight (HAProxy's).
pub const WEIGHT_MAX: u32 = 256;

mod agent;
pub mod keys;
mod parse;
mod tls;

pub use agent::{Agent, AgentConfig, Agents, LookAtAgentTls, is_agents_file};
pub use tls::{FileProblem, LookAtTls, NotLooked};

/// A text that no command, log, error or answer shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Stands for a secret that was not fetched: no header can carry it, so nothing that is presented equals it.
const NOT_FETCHED: &str = "\0";

impl Secret {
    /// Keeps `text`.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// A secret of which only the place is known; it matches nothing.
    pub fn not_fetched() -> Secret {
        Secret(NOT_FETCHED.into())
    }

    /// Is `presented` this secret? Takes as long for every text of its length.
    pub fn matches(&self, presented: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), presented.as_bytes());
        let differ = own.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
        differ == 0 && own.len() == other.len() && self.0 != NOT_FETCHED
    }

    /// The text itself, for the one place that compares or sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bind {
    /// IPv4 or IPv6; port 0 = any free port.
    Ip(std::net::SocketAddr),
    /// A unix stream socket, absolute.
    Unix(PathBuf),
}

impl std::fmt::Display for Bind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Bind::Ip(ip) => ip.fmt(f),
            Bind::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `[node]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Default: the host's name (resolved by the schema from `/proc/sys/kernel/hostname`).
    pub name: String,
    /// Absolute.
    pub state_dir: PathBuf,
    /// `None` = one per core.
    pub workers: Option<usize>,
    /// The balancer runs as this user.
    pub user: Option<String>,
    /// The zone it is in; each pool's `failover` has it too.
    pub zone: Option<Arc<str>>,
    /// After TERM: `/readyz` answers 503, traffic is still served for this long.
    pub shutdown_delay: Duration,
    /// Then what is in flight may finish for this long.
    pub drain_timeout: Duration,
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// API, dashboard, metrics.
    pub bind: Bind,
    /// Needed for changing calls, if set.
    pub token: Option<Secret>,
    /// `None` = clear text. A client certificate by its `client_ca` is as good as the token.
    pub tls: Option<HostTls>,
}

/// `[log] access`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// None.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to this file, absolute.
    File(PathBuf),
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Form of access log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// One object a line.
    Json,
    /// Common Log Format.
    Common,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Form of the log.
    pub format: LogFormat,
    /// Where the access log goes.
    pub access: AccessLog,
    /// Form of the access log.
    pub access_format: AccessFormat,
}

/// `[[listener]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// At least one.
    pub bind: Vec<Bind>,
    /// Everything else.
    pub settings: ListenerSettings,
}

/// `[pool.NAME.session]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// By what a client is known again.
    pub by: SessionBy,
    /// So long after its last request a client is still known.
    pub ttl: Duration,
    /// Whose signature a token must bear, where it is one that is signed. `None` = it is not looked at.
    pub jwt_key: Option<Secret>,
}

/// By what a client is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionBy {
    /// A cookie of evenkeel's.
    Cookie {
        /// Its name.
        name: String,
        /// What seals it: the first; the others still open it. `None` = those kept in `state_dir`.
        keys: Option<Vec<Secret>>,
    },
    /// Something of its requests: a cookie is the application's own.
    Token(KeySource),
}

impl SessionBy {
    /// As the configuration would name it: `cookie:evenkeel`, `header:x-user`, `source_ip`.
    pub fn name(&self) -> String {
        match self {
            SessionBy::Cookie { name, .. } => format!("cookie:{name}"),
            SessionBy::Token(KeySource::SourceIp) => "source_ip".into(),
            SessionBy::Token(KeySource::Path) => "path".into(),
            SessionBy::Token(KeySource::Header(name)) => format!("header:{name}"),
            SessionBy::Token(KeySource::Cookie(name)) => format!("cookie:{name}"),
            SessionBy::Token(KeySource::Query(name)) => format!("query:{name}"),
            SessionBy::Token(KeySource::Jwt(name)) => format!("jwt:{name}"),
        }
    }
}

/// Reads the keys of a file that evenkeel keeps itself: one a line, as in a `secret` of the configuration.
pub fn session_keys(text: &str) -> Result<Vec<Secret>, String> {
    let lines = parse::secret::key_lines(text.to_owned())?;
    Ok(lines.lines().map(|line| Secret::new(line.into())).collect())
}

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[node]`.
    pub node: Node,
    /// `[admin]`.
    pub admin: Admin,
    /// `[log]`.
    pub log: Log,
    /// In file order.
    pub listeners: Vec<Listener>,
    /// In file order: the first that fits is taken.
    pub routes: Vec<RouteSpec>,
    /// By name.
    pub pools: Vec<PoolSpec>,
    /// What signs the webhooks of a pool, by its name.
    pub webhook_secrets: BTreeMap<Arc<str>, Secret>,
    /// How a pool knows its clients again, by its name; where there is none it does not.
    pub sessions: BTreeMap<Arc<str>, Session>,
    /// By name.
    pub services: Vec<ServiceSpec>,
    /// `[agents]`; `None` = no agents.
    pub agents: Option<Agents>,
    /// The text it was read from, as it stood.
    pub text: Arc<str>,
}

impl Config {
    /// Reads `text` as the content of `file` (for messages, and relative paths start at its folder) without fetching the
    /// secrets it names: a token of such a configuration matches nothing. To look at, not to run; see [`Config::parse_and_resolve`].
    pub fn parse(text: &str, file: &Path) -> Result<Config, Vec<Mistake>> {
        parse::parse(text, file, parse::Secrets::Leave, &NotLooked)
    }

    /// Reads `text` as the content of `file`, and fetches the secrets it names: for a text that came from elsewhere (the
    /// admin API, a stored revision) and is to run.
    pub fn parse_and_resolve(text: &str, file: &Path) -> Result<Config, Vec<Mistake>> {
        Config::parse_and_look(text, file, &NotLooked)
    }

    /// The same, and `tls` looks into the certificates it names: what is wrong with them stands among the mistakes.
    pub fn parse_and_look(
        text: &str,
        file: &Path,
        tls: &dyn LookAtTls,
    ) -> Result<Config, Vec<Mistake>> {
        parse::parse(text, file, parse::Secrets::Fetch, tls)
    }

    /// Reads the file and the secrets it names; no certificates: to look at, not to run.
    pub fn load(file: &Path) -> Result<Config, Vec<Mistake>> {
        Config::load_and_look(file, &NotLooked)
    }

    /// Reads the file and the secrets it names, and `tls` looks into the certificates: what is wrong with them stands
    /// among the mistakes.
    pub fn load_and_look(file: &Path, tls: &dyn LookAtTls) -> Result<Config, Vec<Mistake>> {
        parse::load(file, tls)
    }

    /// Which supervised services differ between `old` and this one.
    pub fn services_changed(&self, old: &Config) -> ServicesChanged {
        let find = |config: &Config, name: &str| {
            let mut services = config.services.iter();
            services.find(|service| *service.name == *name).cloned()
        };
        let mut changed = ServicesChanged::default();
        for service in &self.services {
            match find(old, &service.name) {
                None => changed.added.push(service.name.clone()),
                Some(before) if before != *service => changed.changed.push(service.name.clone()),
                Some(_) => {}
            }
        }
        let gone = old
            .services
            .iter()
            .filter(|s| find(self, &s.name).is_none());
        changed.removed = gone.map(|service| service.name.clone()).collect();
        changed
    }

    /// What differs between `old` and this one that only a restart can change, by key; empty = a reload is enough.
    pub fn restart_needed(&self, old: &Config) -> Vec<RestartNeeded> {
        let mut needed = Vec::new();
        let mut compare = |key, old: String, new: String| {
            if old != new {
                needed.push(RestartNeeded { key, old, new });
            }
        };
        let workers = |n: &Node| n.workers.map_or("auto".into(), |n| n.to_string());
        let user = |n: &Node| n.user.clone().unwrap_or_else(|| "(none)".into());
        let state_dir = |n: &Node| n.state_dir.display().to_string();
        let (a, b) = (&old.node, &self.node);
        compare("node.state_dir", state_dir(a), state_dir(b));
        compare("node.user", user(a), user(b));
        compare("node.workers", workers(a), workers(b));
        needed
    }
}

/// Services by what a reload does to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicesChanged {
    /// Started.
    pub added: Vec<Arc<str>>,
    /// Stopped.
    pub removed: Vec<Arc<str>>,
    /// Restarted, one at a time.
    pub changed: Vec<Arc<str>>,
}

/// A change that a reload refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartNeeded {
    /// The key, dotted.
    pub key: &'static str,
    /// Its value in force.
    pub old: String,
    /// Its value in the new configuration.
    pub new: String,
}

impl std::fmt::Display for RestartNeeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let RestartNeeded { key, old, new } = self;
        write!(f, "{key} changed from {old} to {new}: that needs a restart")
    }
}

/// The `ETag` of a configuration's text: FNV-1a over 128 bits. It notices that a text changed; it keeps no secret.
pub fn etag(text: &str) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let hash = text.bytes().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    format!("\"{hash:032x}\"")
}
