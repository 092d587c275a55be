//! What an invariant may look at: the world as a bystander sees it, and the notes of what just happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evenkeel_core::address::Address;
use evenkeel_core::balance::Choice;
use evenkeel_core::engine::{Carried, Order, ServiceTransition, Switch, Transition};
use evenkeel_core::id::{EndpointId, Epoch, ServiceId};
use evenkeel_core::incident::IncidentChange;
use evenkeel_core::recover::CarriedRecovery;
use evenkeel_core::remote::{LinkId, Verdict};
use evenkeel_core::settings::PoolSpec;
use evenkeel_core::supervise::ServiceState;
use evenkeel_core::table::PoolTable;
use evenkeel_core::time::{Now, Time};

/// `(pool, endpoint)`.
pub type Key = (Arc<str>, Arc<str>);

/// How a simulated endpoint behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers.
    #[default]
    Works,
    /// Refuses connections.
    Dead,
    /// Takes everything and answers nothing.
    Hung,
    /// Passes its checks and fails its requests.
    Erroring,
    /// Passes its checks and fails every third request.
    Flaky,
    /// Fails its checks and answers its requests.
    FailsChecks,
}

/// What ails a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// Its memory grows until the kernel ends it; a new process begins anew.
    Leak,
    /// It computes without end and answers badly; a new process does not.
    Hot,
    /// It does nothing any more; a new process does.
    Stuck,
    /// Its disk is full and it answers errors, until something is deleted.
    DiskFull,
    /// It answers errors since it was shipped, until the one before is back.
    BadRelease,
}

/// Somebody that ails.
#[derive(Clone, Copy, Debug)]
pub struct Ailing {
    /// From this.
    pub ailment: Ailment,
    /// Since the present process began, or since then.
    pub since: Time,
}

/// A service as whoever supervises it, or was told of it, has it: its state, process and restarts.
pub type Standing = (ServiceState, Option<u32>, u32);

/// A service on a host with an agent.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// As its agent has it.
    pub standing: Standing,
    /// Since when.
    pub since: Time,
    /// As the balancer was told.
    pub told: Option<Standing>,
    /// Its process, if one runs.
    pub process: Option<u32>,
    /// How often it may be started, and within what.
    pub limit: (u32, std::time::Duration),
}

/// A host with an agent.
#[derive(Clone, Debug, Default)]
pub struct HostScene {
    /// Since when its agent lives, if it does.
    pub agent: Option<Time>,
    /// Since when the agent is welcome at the balancer, if it is.
    pub connected: Option<Time>,
    /// No packet gets through, or a moment ago none did.
    pub cut: bool,
    /// What is supervised there, by its full name.
    pub services: BTreeMap<Arc<str>, Elsewhere>,
}

/// The world now.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The clocks.
    pub now: Now,
    /// The configuration in force.
    pub pools: BTreeMap<Arc<str>, PoolSpec>,
    /// The tables in force.
    pub tables: BTreeMap<Arc<str>, Arc<PoolTable>>,
    /// Whatever does not simply work.
    pub fleet: BTreeMap<Key, Behaviour>,
    /// Addresses that no packet gets to.
    pub cut: BTreeSet<Address>,
    /// Services that ail.
    pub ailing: BTreeMap<Arc<str>, Ailing>,
    /// When each was last not well, as only the world knows.
    pub faulty: BTreeMap<Key, Time>,
    /// Hosts with an agent, as they were a tenth of a second ago at most.
    pub hosts: BTreeMap<Arc<str>, HostScene>,
    /// Operators' states in force.
    pub orders: BTreeMap<Key, Order>,
    /// Balancer processes so far.
    pub process: u32,
    /// Data-plane workers.
    pub workers: usize,
    /// All faults are over.
    pub peace: bool,
    /// There never are any.
    pub calm: bool,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Note<'a> {
    /// A new balancer process begins: it knows what was stored, nothing else.
    Restarted,
    /// The configuration was applied again; so many commands came of it.
    Reloaded {
        /// Was it the same one?
        same: bool,
        /// Commands that were to be carried out.
        commands: usize,
    },
    /// A table was published; [`Scene::tables`] still has the one before.
    Published(&'a Arc<PoolTable>),
    /// An endpoint's state changed. The table with it comes right after.
    Changed(&'a Transition),
    /// Another of an endpoint's addresses came into use. The table with it comes right after.
    Switched(&'a Switch),
    /// What a restart would know of an endpoint was stored.
    Stored(&'a Carried),
    /// An incident changed.
    Incident(&'a IncidentChange),
    /// A command bore this fence.
    Fence(Epoch),
    /// A trial was given this many requests.
    Trial {
        /// Whose.
        endpoint: EndpointId,
        /// How many.
        permits: u32,
    },
    /// A probe was sent.
    ProbeSent {
        /// Whose.
        key: &'a Key,
    },
    /// The answer of a probe was handed in; so many commands came of it.
    ProbeAnswered {
        /// Whose.
        key: &'a Key,
        /// Did it pass?
        passed: bool,
        /// Was its fence the newest one, and not yet answered?
        valid: bool,
        /// Commands that were to be carried out.
        commands: usize,
    },
    /// An operator's state was set.
    Ordered {
        /// Of this endpoint.
        key: &'a Key,
    },
    /// A request came to this worker.
    Request {
        /// Which worker.
        worker: usize,
        /// For this pool.
        pool: &'a Arc<str>,
    },
    /// A further try was scheduled.
    Retried {
        /// Which worker.
        worker: usize,
        /// For this pool.
        pool: &'a Arc<str>,
    },
    /// A picker chose.
    Picked {
        /// From this table.
        table: &'a Arc<PoolTable>,
        /// Not these.
        tried: &'a [EndpointId],
        /// This.
        choice: Choice,
    },
    /// A request ended.
    Done {
        /// For this pool.
        pool: &'a Arc<str>,
        /// With an answer?
        served: bool,
    },
    /// A service's state changed.
    Service(&'a ServiceTransition),
    /// A service is to be started; `alive` = a process of it still runs.
    Start {
        /// Which.
        service: ServiceId,
        /// Its name.
        name: &'a str,
        /// A process of it runs.
        alive: bool,
    },
    /// The recovery of a pool is stored: something was begun or is over.
    Recovery(&'a CarriedRecovery),
    /// An action is carried out.
    Acting(&'a evenkeel_core::recover::Order),
    /// The agent of this host was replaced.
    AgentRestarted(&'a Arc<str>),
    /// The state of a service changed at the agent that supervises it.
    Elsewhere {
        /// At which host.
        host: &'a Arc<str>,
        /// How.
        change: &'a ServiceTransition,
    },
    /// An agent calls, or its call or its connection ended.
    Line {
        /// Whose.
        host: &'a Arc<str>,
        /// What of it.
        line: LineNote,
    },
    /// Somebody said hello to the balancer, and this came of it.
    Hello {
        /// By this name.
        host: &'a Arc<str>,
        /// Over this connection.
        link: LinkId,
        /// In this life.
        instance: u64,
        /// What became of it.
        verdict: &'a Verdict,
    },
    /// The balancer heard something over a connection that it has welcomed.
    Heard {
        /// Whose name it has.
        host: &'a Arc<str>,
        /// Which.
        link: LinkId,
    },
    /// A connection that had a name is over at the balancer.
    Left {
        /// Whose.
        host: &'a Arc<str>,
        /// Which.
        link: LinkId,
        /// It was ended by a host that lives.
        closed: bool,
    },
    /// An agent takes an order, and writes its fence down before it does anything.
    AgentTakes {
        /// Which.
        host: &'a Arc<str>,
        /// It came outside of the connection.
        stray: bool,
    },
    /// An agent begins to carry an order out.
    AgentActs {
        /// Which.
        host: &'a Arc<str>,
        /// On this service.
        service: &'a Arc<str>,
        /// The balancer process that gave it, and its number there.
        order: (u32, u64),
        /// Under this fence.
        fence: Epoch,
        /// It came outside of the connection: a second time, or late.
        stray: bool,
    },
    /// An agent refuses an order as decided before one it has taken.
    AgentRefuses {
        /// Which.
        host: &'a Arc<str>,
        /// It came outside of the connection.
        stray: bool,
    },
    /// A segment of the journal was replayed: so many commands were the same, or what was not.
    Replayed {
        /// Were they?
        same: &'a Result<u64, String>,
    },
    /// A tenth of a second passed.
    Beat,
    /// The end: everything has been at peace for long enough to be healed.
    End {
        /// Services by name.
        services: &'a BTreeMap<String, ServiceState>,
        /// When the last request failed.
        last_failure: Time,
    },
}

/// What became of an agent's way to the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineNote {
    /// It calls.
    Calls,
    /// It is welcome.
    Welcome,
    /// The call was in vain, or the connection ended.
    Ended,
}

impl Scene {
    /// The host of the service behind an endpoint, where an agent supervises it, and the service's full name.
    pub fn host_of(&self, key: &Key) -> Option<(Arc<str>, Arc<str>)> {
        let endpoints = self.pools.get(&key.0)?.endpoints.iter();
        let service = endpoints
            .filter(|e| e.name == key.1)
            .find_map(|e| e.service.clone())?;
        let host: Arc<str> = service.split_once('/')?.0.into();
        Some((host, service))
    }

    /// How this one behaves.
    pub fn behaviour(&self, key: &Key) -> Behaviour {
        self.fleet.get(key).copied().unwrap_or_default()
    }

    /// The key of a row.
    pub fn key(table: &PoolTable, index: usize) -> Key {
        (table.name.clone(), table.endpoints[index].name.clone())
    }
}
