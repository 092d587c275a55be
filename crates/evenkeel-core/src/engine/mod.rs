//! One place that decides, driven by events.
//!
//! ```text
//!  shells ── Event ──▶ handle(event, now) ──▶ the machine of one pool or one service ──▶ poll() ── Command ──▶ shells
//!                            ▲
//!     next_wakeup() ── Tick ─┘
//! ```
//!
//! The engine routes; pools, endpoints and services hold their own state. The same events at the same times with the
//! same seed give the same commands.
//!
//! Beginning: [`Event::Carried`] and [`Event::Running`] (what outlived the last process), then [`Event::Configure`]. Every
//! command is carried out in the order of [`Engine::poll`]; each that acts bears a fence.

mod agents;
mod carried;
mod command;
mod configure;
mod context;
mod describe;
mod elsewhere;
mod event;
mod faults;
mod pool;
mod prevention;
mod recovery;
mod relief;
mod services;
mod snapshot;
mod usage;
mod view;
mod watch;

pub use crate::failover::path::{CarriedPath, Look};
pub use crate::health::{Beat, BeatsView, CarriedBeats, DecidedBy, Order, Says};
pub use carried::Carried;
pub use command::{AgentLook, Command, Remark, ServiceTransition, Switch, Transition};
pub use elsewhere::{AgentNews, ServiceReport};
pub use event::{AgentSaid, Configure, Event, Running};
pub use prevention::Word;
pub use view::{AgentView, EndpointView, PoolView, ServiceView};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::Reach;
use crate::facts::Facts;
use crate::health::Sign;
use crate::health::traffic::Measured;
use crate::id::{EndpointId, Epoch, PoolId, ServiceId};
use crate::incident::Ledger;
use crate::recover::Planner;
use crate::rng::Rng;
use crate::supervise::{ServiceEvent, ServiceState};
use crate::time::{Now, Time, WallTime};

use context::{Context, Fences};
use elsewhere::Elsewhere;
use pool::Pool;
use services::Services;

/// Records of endpoints that the present configuration does not have: more than any configuration has, and a bound.
const CARRIED_MAX: usize = 100_000;

/// The engine.
#[derive(Debug, Serialize, Deserialize)]
pub struct Engine {
    fences: Fences,
    commands: VecDeque<Command>,
    now: Now,
    pools: BTreeMap<PoolId, Pool>,
    pool_ids: BTreeMap<Arc<str>, PoolId>,
    /// Where each endpoint is.
    places: BTreeMap<EndpointId, (PoolId, usize)>,
    last_pool: u32,
    last_endpoint: u32,
    services: Services,
    /// Those of agents on other hosts.
    elsewhere: Elsewhere,
    /// Whom this machine reaches.
    reach: Reach,
    carried: BTreeMap<String, Carried>,
    running: BTreeMap<Arc<str>, Running>,
    /// Pools that the present event has touched.
    touched: BTreeSet<PoolId>,
    ledger: Ledger,
    planner: Planner,
    /// When the oldest recovery point that can be restored was made, by service; bounded by what agents may tell of.
    points: BTreeMap<Arc<str>, Option<WallTime>>,
    /// How processes ended in the present event, by service.
    ending: Vec<(Arc<str>, String)>,
    /// Of the queue of commands the ledger was told so far in the present event.
    accounted: usize,
}

impl Engine {
    /// `seed` makes every random choice. Fences begin after `first`: it must be at least the last one that an earlier
    /// process of this node used, so that whatever that one still had under way is refused (for example the time of the
    /// start in milliseconds, shifted left by 20).
    pub fn new(seed: u64, first: Epoch) -> Engine {
        Engine {
            fences: Fences::from(first),
            commands: VecDeque::new(),
            now: Now::default(),
            pools: BTreeMap::new(),
            pool_ids: BTreeMap::new(),
            places: BTreeMap::new(),
            last_pool: 0,
            last_endpoint: 0,
            services: Services::new(Rng::new(seed).stream("services")),
            elsewhere: Elsewhere::default(),
            reach: Reach::default(),
            carried: BTreeMap::new(),
            running: BTreeMap::new(),
            touched: BTreeSet::new(),
            ledger: Ledger::default(),
            planner: Planner::default(),
            points: BTreeMap::new(),
            ending: Vec::new(),
            accounted: 0,
        }
    }

    /// Takes one event in. Its commands are then to be had from [`Engine::poll`].
    pub fn handle(&mut self, event: Event, now: Now) {
        self.now = now;
        self.accounted = self.commands.len();
        match event {
            Event::Carried(records) => {
                let keyed = records.into_iter().map(|record| (record.key(), record));
                self.carried.extend(keyed.take(CARRIED_MAX));
            }
            Event::Running(running) => {
                let named = running.into_iter().map(|r| (r.service.clone(), r));
                self.running.extend(named.take(CARRIED_MAX));
            }
            Event::Configure(configure) => self.configure(configure),
            Event::Incidents(records) => self.ledger.carry(records, now),
            Event::Observed(seen) => self.ledger.observed(&seen, now),
            Event::Resolved {
                endpoint,
                target,
                address,
            } => self.resolved(endpoint, &target, address.as_ref()),
            Event::Probed {
                endpoint,
                epoch,
                passed,
                contact,
                detail,
            } => self.probed(endpoint, epoch, (passed, contact), &detail),
            Event::AgentSaid(said) => self.agent_said(&said),
            Event::Beat { endpoint, beat } => self.beat(endpoint, &beat),
            Event::Paused(pause) => self.paused(&pause),
            Event::Failed(failure) => self.failed(&failure),
            Event::Swept {
                endpoint,
                successes,
                failures,
            } => self.swept(endpoint, successes, failures),
            Event::Measured {
                pool,
                since,
                endpoints,
            } => self.measured(pool, &endpoints, since),
            said @ (Event::Order { .. }
            | Event::Weight { .. }
            | Event::Asked { .. }
            | Event::Label { .. }
            | Event::Noticed { .. }
            | Event::Redone { .. }) => self.told(said),
            Event::Service { service, event } => self.on_service(service, event),
            Event::Agent { agent, news } => self.on_agent(&agent, news),
            Event::Facts(facts) => self.on_facts(&facts),
            Event::Points { agent, oldest } => self.know_points(agent.as_deref(), oldest),
            Event::CarriedRecovery(records) => self.carried_recovery(records),
            Event::RecoveryNoted(pool) => self.planner.noted(&pool, now),
            Event::Acted { epoch, result } => self.acted(epoch, result),
            Event::StopServices => self.stop_services(),
            Event::Tick => self.tick(),
        }
        self.conclude();
    }

    /// What was done so far reaches pools and ledger.
    fn conclude(&mut self) {
        self.account(self.accounted);
        self.finish();
        self.tell_incidents();
        self.accounted = self.commands.len();
        self.recover();
    }

    /// The next command, until there is none.
    pub fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// The commands that were not polled yet, next first.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &Command> {
        self.commands.iter()
    }

    /// When [`Event::Tick`] is due; `None` if nothing waits. May be in the past: then at once.
    pub fn next_wakeup(&self) -> Option<Time> {
        let pools = self.pools.values().map(Pool::next_wakeup).min();
        let next = pools
            .unwrap_or(Time::NEVER)
            .min(self.services.next_wakeup())
            .min(self.ledger.next_wakeup())
            .min(self.planner.next_wakeup());
        (next != Time::NEVER).then_some(next)
    }

    fn sign(&mut self, endpoint: EndpointId, sign: Sign<'_>) {
        let Some(&(pool, index)) = self.places.get(&endpoint) else {
            return; // removed since
        };
        self.touched.insert(pool);
        let mut ctx = Context {
            now: self.now,
            fences: &mut self.fences,
            commands: &mut self.commands,
            cut: self.reach.excuses(),
        };
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.on(index, sign, &mut ctx);
        }
    }

    fn weigh(&mut self, endpoint: EndpointId, weight: Option<u32>) {
        let weight = weight.map(|weight| weight.min(256));
        self.weight_asked(endpoint, weight);
        self.sign(endpoint, Sign::Weight(weight));
    }

    fn swept(&mut self, endpoint: EndpointId, successes: u64, failures: u64) {
        let sign = Sign::Swept {
            successes,
            failures,
        };
        self.sign(endpoint, sign);
    }

    fn measured(&mut self, id: PoolId, measured: &BTreeMap<EndpointId, Measured>, since: Time) {
        let mut ctx = Context {
            now: self.now,
            fences: &mut self.fences,
            commands: &mut self.commands,
            cut: self.reach.excuses(),
        };
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.measured(measured, since, &mut ctx);
            self.touched.insert(id);
        }
    }

    fn tick(&mut self) {
        let mut ctx = Context {
            now: self.now,
            fences: &mut self.fences,
            commands: &mut self.commands,
            cut: self.reach.excuses(),
        };
        for (id, pool) in &mut self.pools {
            if pool.next_wakeup() <= ctx.now.at {
                pool.tick(&mut ctx);
                self.touched.insert(*id);
            }
        }
        self.services.tick(&mut ctx);
    }

    fn finish(&mut self) {
        let mut ctx = Context {
            now: self.now,
            fences: &mut self.fences,
            commands: &mut self.commands,
            cut: self.reach.excuses(),
        };
        for id in std::mem::take(&mut self.touched) {
            if let Some(pool) = self.pools.get_mut(&id) {
                pool.finish(&mut ctx);
            }
        }
    }

    fn supervision(&mut self) -> (&mut Services, Context<'_>) {
        let ctx = Context {
            now: self.now,
            fences: &mut self.fences,
            commands: &mut self.commands,
            cut: self.reach.excuses(),
        };
        (&mut self.services, ctx)
    }

    fn on_facts(&mut self, facts: &Facts) {
        self.ledger.facts(facts, self.now);
        self.prevent(facts);
        self.usage_read(facts);
        for facts in &facts.services {
            if let Some((service, event)) = self.services.watched(facts) {
                self.on_service(service, event);
            }
        }
    }

    /// What happens to a service also says something of the endpoints it is behind: they are looked at at once.
    fn on_service(&mut self, id: ServiceId, event: ServiceEvent) {
        if let (ServiceEvent::Exited { status, .. }, Some((_, name))) =
            (&event, self.service_state(id))
        {
            self.ending.push((name, status.clone()));
        }
        self.supervise(id, |services, ctx| services.event(id, event, ctx));
    }

    fn service_state(&self, id: ServiceId) -> Option<(ServiceState, Arc<str>)> {
        let service = self.services.service(id)?;
        Some((service.machine.state(), service.machine.spec().name.clone()))
    }

    fn supervise(&mut self, id: ServiceId, tell: impl FnOnce(&mut Services, &mut Context<'_>)) {
        let before = self.service_state(id);
        let (services, mut ctx) = self.supervision();
        tell(services, &mut ctx);
        let after = self.service_state(id);
        let Some((_, name)) = before.as_ref().or(after.as_ref()) else {
            return;
        };
        if before != after {
            let renewed = after
                .as_ref()
                .is_some_and(|(s, _)| *s == ServiceState::Ready);
            for endpoint in self.endpoints_of(name) {
                self.sign(endpoint, if renewed { Sign::Renewed } else { Sign::Look });
            }
        }
    }

    fn endpoints_of(&self, service: &str) -> Vec<EndpointId> {
        self.pools
            .values()
            .flat_map(|pool| &pool.endpoints)
            .filter(|endpoint| endpoint.spec.service.as_deref() == Some(service))
            .map(|endpoint| endpoint.id)
            .collect()
    }
}

#[cfg(test)]
mod tests;
