//! What the shells tell the engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Target};
use crate::detect::Pause;
use crate::diagnose::Cause;
use crate::facts::Facts;
use crate::health::traffic::Measured;
use crate::health::{Beat, Order};
use crate::id::{EndpointId, Epoch, PoolId, ServiceId};
use crate::incident::{Labeller, Noticed, Observation, Record};
use crate::observe::{Contact, Failure};
use crate::recover::CarriedRecovery;
use crate::settings::{PoolSpec, ServiceSpec};
use crate::supervise::ServiceEvent;
use crate::time::{Time, WallTime};

use super::carried::Carried;
use super::elsewhere::AgentNews;

/// A whole configuration, checked. What did not change since the last one keeps everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Configure {
    /// All pools.
    pub pools: Vec<PoolSpec>,
    /// All supervised services.
    pub services: Vec<ServiceSpec>,
    /// Data-plane workers: how many counters an endpoint gets. Never changes while the process lives.
    pub workers: usize,
}

/// A service that was already running when this engine began, as the keeper knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its name in the configuration.
    pub service: Arc<str>,
    /// Its process.
    pub pid: u32,
    /// How often it was restarted so far.
    pub restarts: u32,
    /// How long its process has run, where that is known.
    pub age: Option<Duration>,
}

/// What came of a look at an endpoint's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSaid {
    /// Whose.
    pub endpoint: EndpointId,
    /// The fence of its [`Command::AskAgent`](super::Command::AskAgent).
    pub epoch: Epoch,
    /// The line that was read, or why there is none; for people.
    pub answer: Result<String, String>,
}

/// Something that happened. Every event comes with the time it is handled at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    /// What was stored before this engine began. Before the first [`Event::Configure`].
    Carried(Vec<Carried>),
    /// Services that run already and are adopted, not started again. Before the first [`Event::Configure`].
    Running(Vec<Running>),
    /// Incidents that were stored before this engine began. Before the first [`Event::Configure`], or later if the store
    /// was slow: no incident is numbered before it came or ten seconds have passed.
    Incidents(Vec<Record>),
    /// The configuration, at start and at every reload.
    Configure(Configure),
    /// Something was seen that may say why something fails.
    Observed(Observation),
    /// Somebody who knows says what an incident was.
    Label {
        /// Its number.
        incident: u64,
        /// What it was.
        cause: Cause,
        /// Who.
        by: Labeller,
    },
    /// What clients of a pool noticed since this was told last; only sent when there is anything.
    Noticed {
        /// Its name.
        pool: Arc<str>,
        /// What.
        noticed: Noticed,
    },
    /// A host name was looked up. `None` keeps what is known of it: an outage of the name service is no reason to forget.
    Resolved {
        /// Whose name.
        endpoint: EndpointId,
        /// Which of its addresses, as configured.
        target: Target,
        /// Where it is.
        address: Option<Address>,
    },
    /// Requests of this pool that had been journalled and never answered were sent again, and none is left.
    Redone {
        /// Its name.
        pool: Arc<str>,
        /// So many were answered.
        redone: u64,
        /// So many were not, and are given up.
        given_up: u64,
    },
    /// A probe ended.
    Probed {
        /// Whose.
        endpoint: EndpointId,
        /// The fence of its [`Command::Probe`](super::Command::Probe).
        epoch: Epoch,
        /// As expected?
        passed: bool,
        /// What came back of its machine.
        contact: Contact,
        /// What was seen, for people.
        detail: String,
    },
    /// A look at an endpoint's agent ended.
    AgentSaid(AgentSaid),
    /// An endpoint says that it lives, and how it is.
    Beat {
        /// Which.
        endpoint: EndpointId,
        /// What it said.
        beat: Beat,
    },
    /// This process did not run for a while until now. Before anything else that is handled after it.
    Paused(Pause),
    /// A try failed.
    Failed(Failure),
    /// What the counters of an endpoint grew by since the last sweep; only sent when not both zero.
    Swept {
        /// Whose.
        endpoint: EndpointId,
        /// Tries that brought an answer.
        successes: u64,
        /// Tries that failed.
        failures: u64,
    },
    /// One reading of the counters of a pool's endpoints; not sent while nothing moves and nothing waits.
    Measured {
        /// Which pool.
        pool: PoolId,
        /// When the counters were read before, whatever was sent of it.
        since: Time,
        /// What was read.
        endpoints: BTreeMap<EndpointId, Measured>,
    },
    /// An operator's state.
    Order {
        /// Of this endpoint.
        endpoint: EndpointId,
        /// What is wanted.
        order: Order,
    },
    /// An operator's weight; `None` = the configured one again.
    Weight {
        /// Of this endpoint.
        endpoint: EndpointId,
        /// 0–256.
        weight: Option<u32>,
    },
    /// A person wants an action on a service, or that has ended. What it is made of comes as other events.
    Asked {
        /// Its name.
        service: Arc<str>,
        /// What.
        action: Arc<str>,
        /// What came of it; `None` = it begins.
        ended: Option<Result<String, String>>,
    },
    /// Something happened to a supervised service.
    Service {
        /// Which.
        service: ServiceId,
        /// What.
        event: ServiceEvent,
    },
    /// An agent of another host says something of its services, or is gone.
    Agent {
        /// Which.
        agent: Arc<str>,
        /// What.
        news: AgentNews,
    },
    /// What was read of this machine and the services on it; or of an agent's host, and then its services are named
    /// `AGENT/SERVICE`.
    Facts(Arc<Facts>),
    /// When the oldest recovery point that can be restored was made of each service that is known to have some, or none (`None`):
    /// all of this host, or of an agent.
    Points {
        /// Whose host; `None` = this one.
        agent: Option<Arc<str>>,
        /// By full name, `AGENT/SERVICE` for an agent's.
        oldest: BTreeMap<Arc<str>, Option<WallTime>>,
    },
    /// What the recovery did before this engine began. Before the first [`Event::Configure`], or later if the store was slow.
    CarriedRecovery(Vec<CarriedRecovery>),
    /// What the recovery of this pool wanted to be written down is on disk.
    RecoveryNoted(Arc<str>),
    /// An action was carried out, or could not be.
    Acted {
        /// The fence of its [`Command::Act`](super::Command::Act).
        epoch: Epoch,
        /// What was done, or why not; for people.
        result: Result<String, String>,
    },
    /// A graceful end: all services are stopped and none is started any more.
    StopServices,
    /// Nothing but time passed: [`Engine::next_wakeup`](super::Engine::next_wakeup) is reached.
    Tick,
}
