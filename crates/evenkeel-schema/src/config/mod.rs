//! A configuration that has been read and found right.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::settings::{ListenerSettings, PoolSpec, RouteSpec, ServiceSpec};

/// A text that no command, log, error or answer shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: String) -> Secret {
        Secret(text)
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
    /// For zone preference.
    pub zone: Option<String>,
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
    /// By name.
    pub services: Vec<ServiceSpec>,
    /// The text it was read from, as it stood.
    pub text: Arc<str>,
}
