//! What a pool and its endpoints are asked to do. Defaults live here, each with its reason.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::Target;

/// What an active check asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckKind {
    /// Can a connection be opened?
    #[default]
    Tcp,
    /// Is the answer to a GET as expected?
    Http {
        /// Path and query.
        path: String,
        /// `Host` field; default the endpoint's address.
        host: Option<String>,
        /// Further fields.
        headers: Vec<(String, String)>,
        /// Inclusive ranges of statuses that pass.
        expect: Vec<(u16, u16)>,
        /// A text the body must contain.
        body: Option<String>,
    },
}

/// `[pool.NAME.check]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSettings {
    /// What is asked.
    pub kind: CheckKind,
    /// Another port than the endpoint's own.
    pub port: Option<u16>,
    /// Between checks of an endpoint whose state is settled.
    pub interval: Duration,
    /// While its state may be changing, or it was never seen.
    pub fast_interval: Duration,
    /// One check may take this long.
    pub timeout: Duration,
    /// Passed checks in a row until up.
    pub rise: u32,
    /// Failed checks in a row until down.
    pub fall: u32,
}

impl Default for CheckSettings {
    /// HAProxy's rise 2, fall 3, inter 2s.
    fn default() -> Self {
        CheckSettings {
            kind: CheckKind::Tcp,
            port: None,
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_millis(500),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        }
    }
}

/// A part of a whole in hundredths of a percent, so that 33.33 % stays exact enough without floating point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Share(pub u32);

impl Share {
    /// `n` percent.
    pub const fn percent(n: u32) -> Share {
        Share(n * 100)
    }
    /// ⌊share · n⌋.
    pub const fn of(self, n: u64) -> u64 {
        (n as u128 * self.0 as u128 / 10_000) as u64
    }
}

/// `[pool.NAME.outlier]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlierSettings {
    /// Failed tries in a row that eject; 0 = never by this rule.
    pub consecutive_failures: u32,
    /// How many standard deviations its failure rate must be above the others' pooled rate; 0 = never by this rule.
    pub success_rate_stdev: super::Decimal,
    /// How many times slower than the others it must be; 0 = never by this rule.
    pub latency_factor: super::Decimal,
    /// The first ejection's length; the n-th in a row takes n times as long.
    pub base_ejection: Duration,
    /// At most this share of the pool, but always at least one.
    pub max_ejection: Share,
    /// Never fewer than this many left.
    pub min_healthy: u32,
    /// false = detect and show only.
    pub enforce: bool,
}

impl Default for OutlierSettings {
    fn default() -> Self {
        OutlierSettings {
            consecutive_failures: 5,
            // Envoy's success_rate_stdev_factor: noise alone is above it in 2.9 % of windows, see `health::traffic`.
            success_rate_stdev: super::Decimal(1900),
            // Under it the endpoint still does a third of what another does, and taking it away costs that.
            latency_factor: super::Decimal(3000),
            base_ejection: Duration::from_secs(30),
            max_ejection: Share::percent(50),
            min_healthy: 1,
            enforce: true,
        }
    }
}

/// The failures that may be tried again: `retry.on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the configuration's words
pub struct RetryOn {
    pub connect: bool,
    pub reset: bool,
    pub timeout: bool,
    pub garbage: bool,
    /// Off by default: an endpoint's own 500 is often about the request, and another endpoint would say the same. Named in
    /// `on` it counts as a failure of the endpoint like the others.
    pub status_500: bool,
    pub status_502: bool,
    pub status_503: bool,
    pub status_504: bool,
}

/// `[pool.NAME.retry]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySettings {
    /// Further tries after the first.
    pub retries: u32,
    /// After which failures.
    pub on: RetryOn,
    /// Of the requests in the last 10 s, and at least 10 a second.
    pub budget: Share,
    /// From the start of a try to the head of its answer.
    pub per_try_timeout: Duration,
    /// A request whose body is larger is not replayed; bytes.
    pub body_buffer: u64,
    /// POST and PATCH too, even if the endpoint may have executed them.
    pub non_idempotent: bool,
}

impl Default for RetrySettings {
    fn default() -> Self {
        RetrySettings {
            retries: 2,
            on: RetryOn {
                connect: true,
                reset: true,
                timeout: true,
                garbage: true,
                status_500: false,
                status_502: true,
                status_503: true,
                status_504: true,
            },
            budget: Share::percent(20),
            per_try_timeout: Duration::from_secs(10),
            body_buffer: 64 * 1024,
            non_idempotent: false,
        }
    }
}

/// `[pool.NAME.limit]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitSettings {
    /// In flight at one endpoint; 0 = no limit.
    pub per_endpoint: u32,
    /// Requests that may wait, per pool.
    pub queue: u32,
    /// For this long.
    pub queue_timeout: Duration,
    /// Whoever came last goes first: while more come than can be served in time, see `prevent::Brake`.
    pub newest_first: bool,
}

impl Default for LimitSettings {
    fn default() -> Self {
        LimitSettings {
            per_endpoint: 0,
            queue: 1000,
            queue_timeout: Duration::from_secs(2),
            newest_first: false,
        }
    }
}

/// Who takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailoverMode {
    /// Tiers.
    #[default]
    Dynamic,
    /// Each endpoint's own standby; tiers are ignored.
    Static,
}

/// `[pool.NAME.failover]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverSettings {
    /// Tiers or standbys.
    pub mode: FailoverMode,
    /// A tier keeps all traffic while usable weight × this ≥ its whole weight.
    pub overprovision: Share,
    /// With nothing usable: try every endpoint (true) or answer 503 (false).
    pub try_all: bool,
    /// Comes back by itself (true) or when an operator says ready (false).
    pub failback_auto: bool,
    /// Must pass its checks for this long before it comes back from down.
    pub hold: Duration,
    /// Its share grows to full over this.
    pub ramp: Duration,
    /// The zone this balancer is in (`node.zone`), whose endpoints come first; `None` = all alike.
    pub zone: Option<Arc<str>>,
}

impl Default for FailoverSettings {
    fn default() -> Self {
        FailoverSettings {
            mode: FailoverMode::Dynamic,
            overprovision: Share::percent(140),
            try_all: true,
            failback_auto: true,
            hold: Duration::from_secs(10),
            ramp: Duration::from_secs(30),
            zone: None,
        }
    }
}

/// Connections to a pool's endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportSettings {
    /// Until connected.
    pub connect_timeout: Duration,
    /// An idle connection is closed after this: below the 60 s most servers use, so that we close first.
    pub idle_timeout: Duration,
    /// Idle connections kept per endpoint and worker.
    pub max_idle: u32,
}

impl Default for TransportSettings {
    fn default() -> Self {
        TransportSettings {
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(55),
            max_idle: 64,
        }
    }
}

/// `[[pool.NAME.endpoint]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// Unique within its pool.
    pub name: Arc<str>,
    /// Where.
    pub target: Target,
    /// Where else: the same endpoint on other networks, the next best first.
    pub others: Vec<Target>,
    /// 0–256.
    pub weight: u32,
    /// 0 first.
    pub tier: u32,
    /// Name of the endpoint that takes over (`mode = "static"`).
    pub standby: Option<Arc<str>>,
    /// Name of the supervised service behind it.
    pub service: Option<Arc<str>>,
    /// The machine it is on, for grouping faults; `None` = its address's host.
    pub machine: Option<Arc<str>>,
    /// The zone it is in.
    pub zone: Option<Arc<str>>,
}

/// `[pool.NAME.agent_check]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCheckSettings {
    /// Where the agent listens, at the endpoint's address.
    pub port: u16,
    /// Between two looks.
    pub interval: Duration,
}

/// `[pool.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSpec {
    /// Unique.
    pub name: Arc<str>,
    /// How to choose.
    pub policy: super::PolicySpec,
    /// Active check.
    pub check: CheckSettings,
    /// An agent at each endpoint that is asked beside the check; `None` = there is none.
    pub agent_check: Option<AgentCheckSettings>,
    /// Heartbeats; `None` = none are expected.
    pub heartbeat: Option<super::HeartbeatSettings>,
    /// Passive marking.
    pub outlier: OutlierSettings,
    /// Further tries.
    pub retry: RetrySettings,
    /// How much at once.
    pub limit: LimitSettings,
    /// Who takes over.
    pub failover: FailoverSettings,
    /// Connections.
    pub transport: TransportSettings,
    /// `None` = clear text.
    pub tls: Option<super::PoolTls>,
    /// What may be done about a fault.
    pub recovery: super::RecoverySettings,
    /// What is done before there is a fault.
    pub prevention: super::PreventionSettings,
    /// How much of the time it is to be up.
    pub objective: super::ObjectiveSettings,
    /// At least one.
    pub endpoints: Vec<EndpointSpec>,
}
