//! The snapshot: what control decided, in the shape the data plane picks from.
//!
//! Control builds a new [`PoolTable`] whenever something about a pool changes and publishes it behind an atomic pointer;
//! a worker reads whichever is current and never waits. A table is immutable. Only the counters it points to move.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::counters::EndpointShared;
use crate::failover::ramp;
use crate::id::{EndpointId, Epoch, PathId, PoolId};
use crate::settings::{
    FailoverSettings, LimitSettings, PolicySpec, RetrySettings, TransportSettings,
};
use crate::time::Time;

/// The state of an endpoint as everybody sees it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum State {
    /// Not yet seen: probed at once, served only when nothing known is up.
    #[default]
    Unknown,
    /// Serves.
    Up,
    /// A few requests decide.
    Trial,
    /// Check or outlier ejection says no.
    Down,
    /// An operator, or the endpoint's own heartbeat: what runs may finish, nothing new.
    Draining,
    /// An operator: nothing at all.
    Maintenance,
}

impl State {
    /// All states, in the order of their numbers (the value of `evenkeel_endpoint_state`).
    pub const ALL: [State; 6] = [
        State::Unknown,
        State::Up,
        State::Trial,
        State::Down,
        State::Draining,
        State::Maintenance,
    ];

    /// The word in status, API and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Up => "up",
            State::Trial => "trial",
            State::Down => "down",
            State::Draining => "draining",
            State::Maintenance => "maintenance",
        }
    }

    /// May it be given ordinary work?
    pub const fn usable(self) -> bool {
        matches!(self, State::Up | State::Trial)
    }

    /// May it be tried when nothing is usable (`when_all_down = "try-all"`)?
    pub const fn last_resort(self) -> bool {
        !matches!(self, State::Draining | State::Maintenance)
    }
}

/// Slow start: the share of an endpoint grows from its start time; a worker computes it at the pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramp {
    /// When it came back.
    pub started: Time,
    /// How long until it has its whole share.
    pub window: Duration,
}

/// One endpoint as the data plane sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EndpointRow {
    /// Stays over reloads.
    pub id: EndpointId,
    /// Its name within the pool.
    pub name: Arc<str>,
    /// Where it is; `None` while its host name does not resolve (then its state is `Unknown`). Of several, the one in use.
    pub address: Option<Address>,
    /// Which of its addresses that is: another one means that connections to the one before are used no more.
    pub path: PathId,
    /// What waits for an answer over one below this waits in vain: no packet gets through there.
    pub cut_below: PathId,
    /// What its certificate is expected to be made for: the name it is configured by; its first address, if another one is in use.
    pub host: Option<Arc<str>>,
    /// 0–256; 0 = no new work.
    pub weight: u32,
    /// 0 first.
    pub tier: u32,
    /// Where it is, if that is said.
    pub zone: Option<Arc<str>>,
    /// Index in [`PoolTable::endpoints`] of the one that takes over (`mode = "static"`).
    pub standby: Option<usize>,
    /// Is it some other's standby (then it takes no other traffic)?
    pub is_standby: bool,
    /// Decided by control.
    pub state: State,
    /// Silent with requests in flight: no new work while anybody else can take it. One probe decides.
    pub suspect: bool,
    /// Set while it comes back.
    pub ramp: Option<Ramp>,
    /// What it gets of its weight, in thousandths: less than all while it is relieved of work. Multiplies with a ramp.
    pub relief: u32,
    /// Requests in flight that it takes by its own word; 0 = as many as the pool's limit says.
    pub limit: u32,
    /// Moving counters, the same object in every table of this endpoint.
    #[serde(with = "crate::keep::shared")]
    pub shared: Arc<EndpointShared>,
}

impl EndpointRow {
    /// One that is up, with the default weight and counters of its own, and of which nothing else is said.
    pub fn new(id: EndpointId, name: &str, address: Address, workers: usize) -> EndpointRow {
        EndpointRow {
            id,
            name: name.into(),
            address: Some(address),
            path: PathId::default(),
            cut_below: PathId::default(),
            host: None,
            weight: 100,
            tier: 0,
            zone: None,
            standby: None,
            is_standby: false,
            state: State::Up,
            suspect: false,
            ramp: None,
            relief: ramp::WHOLE,
            limit: 0,
            shared: Arc::new(EndpointShared::new(workers)),
        }
    }

    /// May it be given ordinary work while there is anybody who is not under suspicion?
    pub fn trusted(&self) -> bool {
        self.state.usable() && !self.suspect
    }
}

/// Everything a worker needs to serve one pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolTable {
    /// Stays over reloads.
    pub pool: PoolId,
    /// Its name.
    pub name: Arc<str>,
    /// Grows with each table of this pool; an older one is refused.
    pub epoch: Epoch,
    /// How to choose.
    pub policy: PolicySpec,
    /// In the order of the configuration.
    pub endpoints: Box<[EndpointRow]>,
    /// Tiers, standbys, what to do when all are down.
    pub failover: FailoverSettings,
    /// What may be tried again.
    pub retry: RetrySettings,
    /// How much at once.
    pub limit: LimitSettings,
    /// Connections to its endpoints.
    pub transport: TransportSettings,
}

impl PoolTable {
    /// The first table of this pool, with the defaults of everything but its policy.
    pub fn new(name: &str, policy: PolicySpec, endpoints: Box<[EndpointRow]>) -> PoolTable {
        PoolTable {
            pool: PoolId(0),
            name: name.into(),
            epoch: Epoch(1),
            policy,
            endpoints,
            failover: FailoverSettings::default(),
            retry: RetrySettings::default(),
            limit: LimitSettings::default(),
            transport: TransportSettings::default(),
        }
    }

    /// What this row may have in flight, all workers together: the smaller of the pool's limit and its own; 0 = no limit.
    pub fn limit_of(&self, row: &EndpointRow) -> u32 {
        smaller_limit(self.limit.per_endpoint, row.limit)
    }
}

/// Of two limits of which 0 is none, the one that binds.
pub(crate) fn smaller_limit(one: u32, other: u32) -> u32 {
    match (one, other) {
        (0, limit) | (limit, 0) => limit,
        (one, other) => one.min(other),
    }
}
