//! What status, admin API and prober read from the engine.

use std::sync::Arc;

use crate::address::{Address, Target};
use crate::counters::EndpointShared;
use crate::failover::path::Path;
use crate::health::traffic::By;
use crate::health::{AgentCheck, DecidedBy, Heartbeat, Order};
use crate::id::{EndpointId, PoolId, ServiceId};
use crate::prevent::{Admission, Filling, Heat, Relief};
use crate::settings::{CheckSettings, PoolSpec};
use crate::supervise::ServiceState;
use crate::table::{PoolTable, State};
use crate::time::WallTime;

/// A pool now.
#[derive(Clone, Debug)]
pub struct PoolView<'a> {
    /// Its id.
    pub id: PoolId,
    /// What was configured.
    pub spec: &'a PoolSpec,
    /// The table published last.
    pub table: &'a Arc<PoolTable>,
    /// What is kept out, and why.
    pub admission: &'a Admission,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<EndpointView<'a>>,
}

/// An endpoint now.
#[derive(Clone, Debug)]
pub struct EndpointView<'a> {
    /// Its id.
    pub id: EndpointId,
    /// Its pool.
    pub pool: PoolId,
    /// Its pool's name.
    pub pool_name: &'a Arc<str>,
    /// Its name.
    pub name: &'a Arc<str>,
    /// As configured.
    pub target: &'a Target,
    /// Resolved, where it could be. Of several, the one in use.
    pub address: Option<&'a Address>,
    /// All its addresses, and which is in use.
    pub path: &'a Path,
    /// As everybody sees it.
    pub state: State,
    /// Since when.
    pub since: WallTime,
    /// The evidence.
    pub why: &'a str,
    /// Who decided.
    pub decided_by: DecidedBy,
    /// What happens next, for people.
    pub next: String,
    /// The weight now: the operator's, else the configured one; ramps not counted in.
    pub weight: u32,
    /// What a ramp leaves of it at the moment, in percent.
    pub ramp_percent: u32,
    /// Why it gets less than its weight for now, if it does.
    pub relief: &'a Relief,
    /// How near it is to what it may use; `None` = nothing is known of that.
    pub heat: Option<&'a Heat>,
    /// What of it will be full within half an hour.
    pub filling: &'a [Filling],
    /// 0 first.
    pub tier: u32,
    /// Where it is, if that is said.
    pub zone: Option<&'a Arc<str>>,
    /// The operator's state.
    pub order: Option<Order>,
    /// The operator's weight.
    pub weight_override: Option<u32>,
    /// Was it ever probed (since this process began)?
    pub probed: bool,
    /// What its agent says.
    pub agent_check: &'a AgentCheck,
    /// Its heartbeats; ask it for a view of the present moment.
    pub heartbeat: &'a Heartbeat,
    /// The detector that would listen to them; empty where its pool expects none.
    pub detector: &'static str,
    /// How it is checked.
    pub check: &'a CheckSettings,
    /// Silent with requests in flight; the evidence.
    pub suspicion: Option<&'a str>,
    /// How often each rule took it out.
    pub ejections: &'a [u64; By::ALL.len()],
    /// How often each rule would have, had it been enforced or the pool been able to spare it.
    pub spared: &'a [u64; By::ALL.len()],
    /// Its counters.
    pub shared: &'a Arc<EndpointShared>,
    /// The supervised service behind it.
    pub service: Option<ServiceId>,
    /// The name of that service as configured, supervised here or not.
    pub service_name: Option<&'a Arc<str>>,
}

impl EndpointView<'_> {
    /// What it gets of its weight at the moment, ramp and relief counted in; at least 1 of a weight that is not 0.
    pub fn effective_weight(&self) -> u32 {
        let share = u64::from(self.ramp_percent) * u64::from(self.relief.factor());
        let now = (u64::from(self.weight) * share + 50_000) / 100_000;
        u32::try_from(now)
            .unwrap_or(self.weight)
            .max(self.weight.min(1))
    }
}

/// A supervised service now.
#[derive(Clone, Debug)]
pub struct ServiceView<'a> {
    /// Its id.
    pub id: ServiceId,
    /// What was configured.
    pub spec: &'a Arc<crate::settings::ServiceSpec>,
    /// Its state.
    pub state: ServiceState,
    /// Since when.
    pub since: WallTime,
    /// The evidence.
    pub why: &'a str,
    /// Its process, where one runs.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// When its process began, if that was taken over from an earlier engine and was not seen to be ready since.
    pub begun: Option<WallTime>,
    /// The agent that supervises it; `None` = it is supervised here.
    pub agent: Option<AgentView<'a>>,
}

/// The agent of a service, as far as the engine knows it.
#[derive(Clone, Copy, Debug)]
pub struct AgentView<'a> {
    /// Its name.
    pub name: &'a Arc<str>,
    /// Is it connected? If not, everything of its services is as it was told last.
    pub connected: bool,
    /// Since when it is, or is not.
    pub since: WallTime,
}
