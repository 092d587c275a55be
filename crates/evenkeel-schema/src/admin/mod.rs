//! The admin API: every request and answer, with the names as they go over the wire.
//!
//! The balancer writes the answers and the commands read them back, so each type can do both. Requests refuse fields they
//! do not know; answers may gain fields, so a reader ignores what it does not know.

mod agent_check;
mod availability;
mod error;
mod facts;
mod heartbeat;
mod incident;
mod label;
mod learned;
mod notice;
mod own;
mod prevention;
mod recovery;
mod request;
mod sessions;
mod zone;

use evenkeel_core::table::State;
use serde::{Deserialize, Serialize};

pub use agent_check::AgentCheckStatus;
pub use availability::{
    Account, Alert, Availabilities, Availability, Cause, CauseTimes, EndpointAvailability,
    MeanTimes, Share, WHAT_IF_WANTED, WhatIfAnswer, alerts, parse_what_if,
};
pub use error::{ErrorAnswer, ErrorBody, ErrorCode};
pub use facts::{DiskFacts, LimitStatus, MachineFacts, Pressure, ServiceFacts};
pub use heartbeat::{
    BEATS_MAX, BeatState, HeartbeatAnswer, HeartbeatRequest, HeartbeatResult, HeartbeatStatus,
    Heartbeats, beat_interval, parse_heartbeats,
};
pub use incident::{
    ActionStatus, BecauseStatus, CauseStatus, IncidentStatus, Incidents, NoticedStatus,
    ObservationStatus, PhaseStatus, TimesStatus,
};
pub use label::LabelRequest;
pub use learned::{LearnedEndpoint, LearnedKind, LearnedStatus};
pub use notice::{Notice, NotifyAnswer, NotifyResult};
pub use own::{OwnStatus, ReplacedStatus};
pub use prevention::{AdmissionStatus, FillingStatus, HeatStatus, ReliefStatus};
pub use recovery::{
    CureStatus, RecoveryAnswer, RecoveryOlder, RecoveryPoint, RecoveryPoints, RecoveryProblem,
    RecoveryStatus, UnderwayStatus,
};
pub use request::{
    ActionRequest, Request, RollbackRequest, StateOrder, StateRequest, WeightRequest, parse_request,
};
pub use sessions::{EndpointSessions, SessionsStatus};
pub use zone::ZoneStatus;

use crate::stamp::Stamp;

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `node.name`.
    pub node: String,
    /// The keeper's process: what `run` was started as, and where signals go.
    pub pid: u32,
    /// The balancer's process.
    pub worker_pid: u32,
    /// The revision of the configuration that is applied.
    pub revision: u64,
    /// In file order.
    pub listeners: Vec<ListenerStatus>,
    /// By name.
    pub pools: Vec<PoolStatus>,
    /// Supervised here, by name; then those of agents, as `AGENT/SERVICE`.
    #[serde(default)]
    pub services: Vec<ServiceStatus>,
    /// What was read of this machine.
    #[serde(default)]
    pub machine: Option<MachineFacts>,
    /// Where agents of other hosts connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents_bind: Option<String>,
    /// Those that are or were connected, or that endpoints name, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentStatus>,
    /// Faults that are not closed.
    pub incidents_open: u32,
    /// When this balancer process started.
    #[serde(default)]
    pub since: Option<Stamp>,
    /// evenkeel's own version.
    #[serde(default)]
    pub version: String,
    /// Faults of this node itself, which are not counted against endpoints.
    #[serde(default)]
    pub own: OwnStatus,
    /// The journal that `evenkeel replay` reads.
    #[serde(default)]
    pub journal: JournalStatus,
    /// The last configuration that was refused, until one is applied.
    #[serde(default)]
    pub rejected: Option<Rejected>,
    /// In use: listeners' first, then what pools show and trust, then the admin API's own.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
}

/// [`Status::journal`]: what the engine is told, kept under `state_dir/journal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Is it being written?
    pub recording: bool,
    /// Why not.
    pub why: Option<String>,
    /// The number of the present segment.
    pub segment: u64,
    /// Bytes written since the balancer began.
    pub bytes: u64,
    /// Events that are missing.
    pub lost: u64,
    /// Times that events began to be missing.
    pub gaps: u64,
}

/// One of [`Status::certificates`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// `listener`, `pool`, `admin` or `agents`.
    pub used_by: String,
    /// The listener's or pool's; `admin`, `agents`.
    pub name: String,
    /// The certificate's file; of a pool that shows none, the authorities'.
    pub file: String,
    /// Host names and addresses it is made for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// From then on it is good.
    pub not_before: Option<Stamp>,
    /// Until then.
    pub not_after: Option<Stamp>,
    /// Whole days until then; less than 0 = it has ended.
    pub days_left: Option<i64>,
    /// From 30 days before its end.
    pub warning: Option<String>,
    /// Why what is in the files now is not in use, and what was read before still is.
    pub problem: Option<String>,
}

/// A configuration that was refused, and changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// When.
    pub at: Stamp,
    /// Why, for a person: one mistake a line.
    pub why: String,
}

/// One of [`Status::listeners`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// The addresses it really has: port 0 is shown as the port that was given.
    pub bind: Vec<String>,
    /// Absent = clear text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsStatus>,
}

/// What a listener does with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsStatus {
    /// It ends here.
    Terminated,
    /// It ends here, and for at least one name clients must show a certificate.
    ClientCertificates,
    /// It goes through as it is.
    Passthrough,
}

/// `GET /v1/pools/NAME`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// How it chooses.
    pub policy: String,
    /// Are its endpoints spoken to over TLS?
    #[serde(default)]
    pub tls: bool,
    /// The balancer's own zone; absent where it has none, nobody is in the same, or all are down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneStatus>,
    /// Burn alerts that go on: the error budget is used up too fast.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alert>,
    /// Less is let in than could be, and why; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<AdmissionStatus>,
    /// What is done about its faults.
    #[serde(default)]
    pub recovery: Option<RecoveryStatus>,
    /// Its journalled requests; absent where none ever was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redo: Option<RedoStatus>,
    /// Its sessions; absent where clients are not known again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionsStatus>,
    /// What its policy has learned; absent where it learns nothing that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<LearnedStatus>,
    /// In file order.
    pub endpoints: Vec<EndpointStatus>,
}

/// [`PoolStatus::redo`]: requests of routes with `journal = true`, since the balancer began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedoStatus {
    /// Written down before they were forwarded.
    pub journalled: u64,
    /// Forwarded without, for want of room, of time or of a disk, or because they are too large.
    pub not_journalled: u64,
    /// Never answered, and waiting to be sent again; from before the balancer began, too.
    pub pending: u64,
    /// Sent again and answered.
    pub redone: u64,
    /// Not sent again, since a later request replaced what they would have done.
    pub superseded: u64,
    /// Sent again in vain, or too old.
    pub given_up: u64,
}

/// One of [`PoolStatus::endpoints`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// Its name within the pool.
    pub name: String,
    /// As configured: a host name stays a name.
    pub address: String,
    /// Whether it serves.
    #[serde(with = "crate::text::state")]
    pub state: State,
    /// In this state.
    pub since: Stamp,
    /// The evidence.
    pub why: String,
    /// Who decided: `check`, `agent_check`, `heartbeat`, `outlier`, `operator`, `recovery`; `config` while nobody did.
    pub decided_by: String,
    /// The one in force: an operator's, else the configured.
    pub weight: u32,
    /// What it gets of that at the moment: less while its share ramps, or while it is relieved of work.
    #[serde(default)]
    pub effective_weight: u32,
    /// Why it is relieved of work; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relief: Option<ReliefStatus>,
    /// How near it is to what it may use; absent where nothing of that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heat: Option<HeatStatus>,
    /// 0 first.
    #[serde(default)]
    pub tier: u32,
    /// Where it is; absent where that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Requests or connections there now.
    pub in_flight: u64,
    /// Tries sent there since the balancer first knew it.
    pub requests: u64,
    /// Of those, failed.
    pub failures: u64,
    /// The supervised service behind it.
    pub service: Option<EndpointService>,
    /// Its heartbeats; absent where none are expected or none came yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<HeartbeatStatus>,
    /// What its agent says; absent where none was asked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_check: Option<AgentCheckStatus>,
    /// What happens next, if nothing else is seen.
    #[serde(default)]
    pub next: Option<String>,
    /// By which of its addresses it is reached; absent where it has one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathStatus>,
}

/// [`EndpointStatus::path`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStatus {
    /// The address in use, as configured.
    pub address: String,
    /// In use since then.
    pub since: Stamp,
    /// Why it is this one.
    pub why: String,
    /// All of them, the first is the endpoint's `address`.
    pub addresses: Vec<AddressStatus>,
}

/// One of [`PathStatus::addresses`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressStatus {
    /// As configured: a host name stays a name.
    pub address: String,
    /// `in_use`, `answers`, `fails`, or `unknown` while nobody has looked.
    pub state: String,
    /// What the last look at it showed.
    pub why: String,
}

/// One of [`EndpointStatus::service`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointService {
    /// Its name, as `evenkeel act` wants it.
    #[serde(default)]
    pub name: Option<String>,
    /// What `evenkeel act` can do to it: names of actions, `run` with that of a command; `restore_data` where it has `data`.
    #[serde(default)]
    pub actions: Vec<String>,
    /// `null` while it does not run.
    pub pid: Option<u32>,
    /// Since the keeper started.
    pub restarts: u64,
    /// What was read of it; `null` while it does not run.
    #[serde(default)]
    pub facts: Option<ServiceFacts>,
    /// The agent that supervises it, on another host; absent = it is supervised here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<ServiceAgent>,
}

/// One of [`Status::services`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// `starting`, `running`, `stopping`, `waiting` (for its next start), `failed` (needs a person).
    pub state: String,
    /// In this state.
    pub since: Stamp,
    /// Why.
    pub why: String,
    /// `null` while it does not run.
    pub pid: Option<u32>,
    /// Since the keeper started.
    pub restarts: u64,
    /// What was read of it; `null` while it does not run.
    #[serde(default)]
    pub facts: Option<ServiceFacts>,
    /// The agent that supervises it, on another host; absent = it is supervised here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<ServiceAgent>,
}

/// The agent of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAgent {
    /// Its name.
    pub name: String,
    /// If it is not connected, all that is said of its services is as it was told last.
    pub connected: bool,
    /// Since when it is, or is not.
    pub since: Stamp,
}

/// One of [`Status::agents`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Its name.
    pub name: String,
    /// Is it now?
    pub connected: bool,
    /// Since when it is, or is not.
    pub since: Stamp,
    /// Why it is not.
    pub why: String,
    /// Where it connects from, or did last.
    pub address: Option<String>,
    /// evenkeel's own version there.
    pub version: String,
    /// The actions its host allows.
    pub actions: Vec<String>,
    /// As many services it supervises.
    pub services: u32,
    /// Does an endpoint name one of them?
    pub named: bool,
    /// When it said something last.
    pub heard: Option<Stamp>,
}

/// The answer to reload, rollback and `PUT /v1/config`: what is applied now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionAnswer {
    /// Its number.
    pub revision: u64,
}

/// `GET /v1/revisions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revisions {
    /// Newest first.
    pub revisions: Vec<RevisionStatus>,
}

/// One of [`Revisions::revisions`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionStatus {
    /// Its number.
    pub revision: u64,
    /// When it was applied first.
    pub applied: Stamp,
    /// Of its text; what `If-Match` compares.
    pub etag: String,
    /// Is it the one in force?
    pub current: bool,
}

/// The answer to an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionAnswer {
    /// On which.
    pub service: String,
    /// What.
    pub action: String,
    /// What was done, for a person.
    pub outcome: String,
}

/// The answer to a state or weight order: the endpoint as it is now.
pub type OrderAnswer = EndpointStatus;
