//! What the engine asks the shells to do. Every command that acts carries its fence: a shell refuses an older one than
//! the newest it has seen for the same subject.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::detect::Cut;
use crate::failover::path::Change;
use crate::health::DecidedBy;
use crate::id::{EndpointId, Epoch, PoolId, ServiceId};
use crate::incident::IncidentChange;
use crate::recover::{CarriedRecovery, Order};
use crate::supervise::ServiceState;
use crate::table::{PoolTable, State};
use crate::time::WallTime;

use super::carried::Carried;
use super::prevention::Word;

/// An endpoint's state changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Whose.
    pub endpoint: EndpointId,
    /// Its pool's name.
    pub pool: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// From this.
    pub from: State,
    /// To this.
    pub to: State,
    /// When.
    pub since: WallTime,
    /// The evidence.
    pub why: String,
    /// Who decided.
    pub decided_by: DecidedBy,
}

/// Something to be said of an endpoint that is no change of its state: suspected, acquitted, not ejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Of which.
    pub endpoint: EndpointId,
    /// Its pool's name.
    pub pool: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What, for people.
    pub text: String,
}

/// A supervised service's state changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTransition {
    /// Which.
    pub service: ServiceId,
    /// Its name.
    pub name: Arc<str>,
    /// From this.
    pub from: ServiceState,
    /// To this.
    pub to: ServiceState,
    /// When.
    pub since: WallTime,
    /// The evidence.
    pub why: String,
    /// Its process, where one runs.
    pub pid: Option<u32>,
    /// Restarts so far.
    pub restarts: u32,
}

/// "service api-1 ready → backoff: signal KILL (pid 4242, 1 restart)".
impl fmt::Display for ServiceTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, from, to) = (&self.name, self.from.name(), self.to.name());
        write!(f, "service {name} {from} → {to}: {}", self.why)?;
        let pid = self.pid.map(|pid| format!("pid {pid}"));
        let restarts = match self.restarts {
            0 => None,
            1 => Some("1 restart".to_owned()),
            more => Some(format!("{more} restarts")),
        };
        let more: Vec<String> = pid.into_iter().chain(restarts).collect();
        match more.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", more.join(", ")),
        }
    }
}

/// An endpoint is reached by another of its addresses from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Which endpoint.
    pub endpoint: EndpointId,
    /// Its pool's name.
    pub pool: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The addresses before and now, as configured; why; and whether it is a return.
    pub change: Change,
}

/// A look at an endpoint's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentLook {
    /// Whose.
    pub endpoint: EndpointId,
    /// Where the agent is.
    pub address: Address,
    /// At most this long.
    pub timeout: Duration,
    /// The fence, new for each look.
    pub epoch: Epoch,
}

/// Something to do, in the order they are polled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Put this in place of the pool's older table.
    Publish(Arc<PoolTable>),
    /// Take the pool away: the configuration has it no more.
    Withdraw {
        /// Its id.
        pool: PoolId,
        /// Its name.
        name: Arc<str>,
        /// The fence.
        epoch: Epoch,
    },
    /// Store `permits` in the endpoint's `trial_left`.
    StartTrial {
        /// Whose.
        endpoint: EndpointId,
        /// How many requests it may be given.
        permits: u32,
        /// The fence.
        epoch: Epoch,
    },
    /// Store this in the endpoint's `burden`.
    Weigh {
        /// Whose.
        endpoint: EndpointId,
        /// In thousandths.
        burden: u32,
        /// The fence.
        epoch: Epoch,
    },
    /// Store this in the endpoint's `used`, in the order of [`Used::REPORTED`](crate::settings::Used::REPORTED).
    Use {
        /// Whose.
        endpoint: EndpointId,
        /// In thousandths; `None` = not known.
        used: [Option<u32>; 3],
        /// The fence.
        epoch: Epoch,
    },
    /// Probe once; answer with [`Event::Probed`](super::Event::Probed) and the same epoch.
    Probe {
        /// Whom: see [`Engine::endpoint`](super::Engine::endpoint).
        endpoint: EndpointId,
        /// At which of its addresses.
        address: Address,
        /// At most this long.
        timeout: Duration,
        /// The fence, new for each probe.
        epoch: Epoch,
    },
    /// Read a line from its agent; answer with [`Event::AgentSaid`](super::Event::AgentSaid) and the same epoch.
    AskAgent(AgentLook),
    /// For the log: this machine reaches nobody, which is no fault of the endpoints'.
    Alone(Cut),
    /// For the log: it reaches somebody again, after so long.
    Back(Duration),
    /// For the log and the metrics.
    Changed(Transition),
    /// For the log.
    Said(Remark),
    /// For the log and the metrics; the table with the new address is published beside this.
    Switched(Switch),
    /// For the log: what prevention sees coming, and what it does about it.
    Prevented(Word),
    /// Store this under its key.
    Persist(Carried),
    /// Delete the record of this endpoint: the configuration has it no more and no operator's word is kept for it.
    Forget {
        /// Pool's name.
        pool: String,
        /// Endpoint's name.
        endpoint: String,
    },
    /// Start it; answer with `Started` or `StartFailed`.
    StartService {
        /// Which: see [`Engine::service`](super::Engine::service).
        service: ServiceId,
        /// The fence.
        epoch: Epoch,
    },
    /// Send this signal to its process.
    SignalService {
        /// Which.
        service: ServiceId,
        /// Only to this process: another one under the same name is not meant.
        pid: u32,
        /// Number.
        signal: i32,
        /// The fence.
        epoch: Epoch,
    },
    /// Look once whether it is ready; answer with `ReadyProbed` and the same epoch.
    ProbeReady {
        /// Which.
        service: ServiceId,
        /// The fence.
        epoch: Epoch,
    },
    /// For the log and the metrics.
    ServiceChanged(ServiceTransition),
    /// For the log, the metrics and the store.
    IncidentChanged(Box<IncidentChange>),
    /// Carry this out; answer with [`Event::Acted`](super::Event::Acted) and its fence.
    Act(Order),
    /// Store what the recovery of a pool did; answer with [`Event::RecoveryNoted`](super::Event::RecoveryNoted) once it is on disk.
    PersistRecovery(CarriedRecovery),
}
