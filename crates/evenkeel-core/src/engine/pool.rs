//! The machine of one pool: its endpoints, and the table made of them.
//!
//! A sign goes to its endpoint; what comes of it goes out as commands. However much one event changes, one table is
//! published for it, and none if no row changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Target};
use crate::counters::Lane;
use crate::health::traffic::{Look, Measured, Traffic, burden};
use crate::health::{Around, Endpoint, Outcome, Sign};
use crate::id::{EndpointId, Epoch, PoolId};
use crate::prevent::{Admission, Scheduler};
use crate::settings::{FailoverMode, PoolSpec};
use crate::table::{EndpointRow, PoolTable};
use crate::time::Time;

use super::carried::Carried;
use super::command::{Command, Remark, Switch, Transition};
use super::context::Context;

/// How many are how, kept beside the endpoints so that a failed try does not count a thousand of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    usable: usize,
    up: usize,
    out: usize,
}

/// A pool and all that is known of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) id: PoolId,
    pub(crate) spec: PoolSpec,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) table: Arc<PoolTable>,
    tally: Tally,
    /// Everybody's traffic, compared.
    traffic: Traffic,
    /// Who runs hot.
    pub(crate) scheduler: Scheduler,
    /// How much is let in.
    pub(crate) admission: Admission,
    /// A row changed since the last table.
    pub(super) dirty: bool,
    /// Permits to be given out once the table is.
    trials: Vec<(EndpointId, u32)>,
    wakeup: Time,
}

impl Pool {
    /// A pool with these endpoints; its first table goes out with [`Pool::finish`].
    pub(crate) fn new(id: PoolId, spec: PoolSpec, endpoints: Vec<Endpoint>) -> Pool {
        let table = PoolTable {
            pool: id,
            name: spec.name.clone(),
            epoch: Epoch::default(),
            policy: spec.policy.clone(),
            endpoints: Box::default(),
            failover: spec.failover.clone(),
            retry: spec.retry.clone(),
            limit: spec.limit.clone(),
            transport: spec.transport.clone(),
        };
        let mut pool = Pool {
            id,
            spec,
            endpoints,
            table: Arc::new(table),
            tally: Tally::default(),
            traffic: Traffic::default(),
            scheduler: Scheduler::default(),
            admission: Admission::default(),
            dirty: true,
            trials: Vec::new(),
            wakeup: Time::ZERO,
        };
        pool.tally = pool.count();
        pool
    }

    /// A reload brings another specification; `known` makes the endpoints that are new. Returns those that are gone.
    pub(crate) fn respecify(
        &mut self,
        spec: PoolSpec,
        mut new: impl FnMut(usize, &PoolSpec) -> Endpoint,
        ctx: &mut Context<'_>,
    ) -> Vec<Endpoint> {
        let old = std::mem::take(&mut self.endpoints);
        let mut old: BTreeMap<_, _> = old.into_iter().map(|e| (e.spec.name.clone(), e)).collect();
        let tally = self.tally;
        let mut outcomes = Vec::new();
        for (index, wanted) in spec.endpoints.iter().enumerate() {
            let Some(mut kept) = old.remove(&wanted.name) else {
                self.endpoints.push(new(index, &spec));
                continue;
            };
            kept.schedule.set_place(place(index, spec.endpoints.len()));
            let beats = self.spec.heartbeat != spec.heartbeat;
            if beats {
                kept.expect_beats(spec.heartbeat.as_ref(), ctx.now.at);
            }
            let agent = self.spec.agent_check != spec.agent_check;
            if agent {
                kept.expect_agent(self.spec.agent_check.as_ref(), spec.agent_check.as_ref());
            }
            if kept.spec != *wanted || self.spec.check != spec.check || beats || agent {
                let around = around(&spec, tally, ctx.cut);
                outcomes.push((index, kept.respecify(wanted.clone(), &around, ctx.now)));
            }
            self.endpoints.push(kept);
        }
        self.spec = spec;
        self.dirty = true;
        self.tally = self.count();
        for (index, outcome) in outcomes {
            self.report(index, outcome, ctx);
        }
        old.into_values().collect()
    }

    /// A sign for the endpoint at `index`.
    pub(crate) fn on(&mut self, index: usize, sign: Sign<'_>, ctx: &mut Context<'_>) {
        let around = around(&self.spec, self.tally, ctx.cut);
        let outcome = self.endpoints[index].on(sign, &around, ctx.now);
        self.report(index, outcome, ctx);
    }

    /// One reading of the counters of its endpoints, and when the one before was made.
    pub(crate) fn measured(
        &mut self,
        measured: &BTreeMap<EndpointId, Measured>,
        since: Time,
        ctx: &mut Context<'_>,
    ) {
        let at = ctx.now.at;
        for endpoint in &mut self.endpoints {
            let lanes = measured.get(&endpoint.id).map(|m| &m.lanes);
            let waiting = lanes.into_iter().flatten().map(Lane::waiting).sum();
            endpoint.waiting = (waiting, at);
        }
        let busiest = measured.values().map(|m| m.in_flight).max();
        self.admission.measured(busiest.unwrap_or(0), at);
        self.brake(measured, ctx);
        let looks = self.endpoints.iter().filter_map(|endpoint| {
            Some(Look {
                id: endpoint.id,
                place: endpoint.place(),
                ramps: endpoint.ramps(at),
                excused: endpoint.is_excused(at) || endpoint.has_late_failures(&self.spec, at),
                measured: measured.get(&endpoint.id)?,
            })
        });
        let looks: Vec<_> = looks.collect();
        let (outlier, kind) = (&self.spec.outlier, &self.spec.check.kind);
        let findings = self.traffic.look(&looks, outlier, kind, since, at);
        self.weigh(ctx);
        for finding in findings {
            let index = self.endpoints.iter().position(|e| e.id == finding.endpoint);
            if let Some(index) = index {
                self.on(index, Sign::Found(&finding), ctx);
            }
        }
    }

    /// Does its policy ask how much endpoints are used?
    pub(super) fn goes_by_usage(&self) -> bool {
        crate::balance::goes_by_usage(&self.spec.policy)
    }

    /// Who fails fast has less in flight than its work is worth, which policies are to know.
    fn weigh(&mut self, ctx: &mut Context<'_>) {
        for endpoint in &mut self.endpoints {
            let burden = burden(self.traffic.counts(endpoint.id));
            if burden != std::mem::replace(&mut endpoint.burden, burden) {
                let epoch = ctx.fences.next();
                ctx.command(Command::Weigh {
                    endpoint: endpoint.id,
                    burden,
                    epoch,
                });
            }
        }
    }

    /// Time passed: whatever is due is done.
    pub(crate) fn tick(&mut self, ctx: &mut Context<'_>) {
        if ctx.now.at < self.wakeup {
            return;
        }
        for index in 0..self.endpoints.len() {
            if self.endpoints[index].heartbeat.next_wakeup() <= ctx.now.at {
                self.on(index, Sign::Silent, ctx);
            }
            if self.endpoints[index].next_wakeup() <= ctx.now.at {
                self.on(index, Sign::Tick, ctx);
            }
        }
        if self.scheduler.next_wakeup() <= ctx.now.at {
            self.prevent(ctx);
        }
    }

    /// The end of an event: one table for all that changed, then what has to come after it.
    pub(crate) fn finish(&mut self, ctx: &mut Context<'_>) {
        self.alarm(ctx);
        if std::mem::take(&mut self.dirty) {
            self.table = Arc::new(self.build(ctx.fences.next(), ctx.now.at));
            ctx.command(Command::Publish(self.table.clone()));
        }
        let epoch = self.table.epoch;
        for (endpoint, permits) in self.trials.drain(..) {
            ctx.commands.push_back(Command::StartTrial {
                endpoint,
                permits,
                epoch,
            });
        }
        self.probe(ctx);
        let agents = self.ask_agents(ctx);
        let wakeups = self.endpoints.iter().map(Endpoint::next_wakeup);
        let wakeup = wakeups.min().unwrap_or(Time::NEVER);
        self.wakeup = wakeup.min(self.scheduler.next_wakeup()).min(agents);
    }

    /// When [`Pool::tick`] is next due.
    pub(crate) fn next_wakeup(&self) -> Time {
        self.wakeup
    }

    /// Takes an outcome to where it belongs.
    fn report(&mut self, index: usize, outcome: Outcome, ctx: &mut Context<'_>) {
        // Its state may be another because of that.
        self.switched(index, ctx);
        let endpoint = &self.endpoints[index];
        self.dirty |= outcome.row;
        if let Some((from, to)) = outcome.shown {
            ctx.command(Command::Changed(Transition {
                endpoint: endpoint.id,
                pool: self.spec.name.clone(),
                name: endpoint.spec.name.clone(),
                from,
                to,
                since: endpoint.shown.since,
                why: endpoint.shown.why.clone(),
                decided_by: endpoint.shown.by,
            }));
        }
        if outcome.said {
            ctx.command(Command::Said(Remark {
                endpoint: endpoint.id,
                pool: self.spec.name.clone(),
                name: endpoint.spec.name.clone(),
                text: endpoint.said.clone(),
            }));
        }
        if outcome.record {
            ctx.command(Command::Persist(Carried::of(
                &self.spec.name,
                endpoint,
                ctx.now,
            )));
        }
        if let Some(permits) = outcome.permits {
            self.trials.push((endpoint.id, permits));
        }
        if outcome.row || outcome.record {
            self.tally = self.count();
        }
    }

    /// Did another of its addresses come into use?
    fn switched(&mut self, index: usize, ctx: &mut Context<'_>) {
        let endpoint = &mut self.endpoints[index];
        let Some(change) = endpoint.change.take() else {
            return;
        };
        endpoint.path.fenced(ctx.fences.next());
        self.traffic.restart(endpoint.id);
        ctx.command(Command::Switched(Switch {
            endpoint: endpoint.id,
            pool: self.spec.name.clone(),
            name: endpoint.spec.name.clone(),
            change,
        }));
    }

    /// Nobody is usable any more: everybody is looked at soon, wherever in its interval it is.
    fn alarm(&mut self, ctx: &mut Context<'_>) {
        if self.dirty && self.tally.usable == 0 {
            for index in 0..self.endpoints.len() {
                self.on(index, Sign::Alone, ctx);
            }
        }
    }

    fn probe(&mut self, ctx: &mut Context<'_>) {
        for endpoint in &mut self.endpoints {
            let timeout = endpoint.probe_timeout(&self.spec.check);
            let fences = &mut *ctx.fences;
            let sent = endpoint
                .schedule
                .send(|| fences.next(), &self.spec.check, ctx.now.at);
            if let (Some(epoch), Some(address)) = (sent, endpoint.address.clone()) {
                ctx.commands.push_back(Command::Probe {
                    endpoint: endpoint.id,
                    address,
                    timeout,
                    epoch,
                });
            }
            let timeout = self.spec.check.timeout;
            while let Some((epoch, address)) =
                endpoint.send_elsewhere(|| ctx.fences.next(), timeout, ctx.now.at)
            {
                ctx.commands.push_back(Command::Probe {
                    endpoint: endpoint.id,
                    address,
                    timeout,
                    epoch,
                });
            }
        }
    }

    fn count(&self) -> Tally {
        let count = |fits: fn(&Endpoint) -> bool| self.endpoints.iter().filter(|e| fits(e)).count();
        Tally {
            usable: count(Endpoint::usable),
            up: count(Endpoint::up),
            out: count(Endpoint::out),
        }
    }

    fn build(&self, epoch: Epoch, at: Time) -> PoolTable {
        let indices: BTreeMap<_, _> = self
            .endpoints
            .iter()
            .enumerate()
            .map(|(index, endpoint)| (&endpoint.spec.name, index))
            .collect();
        let is_static = self.spec.failover.mode == FailoverMode::Static;
        let standby_of = |endpoint: &Endpoint| {
            let name = endpoint.spec.standby.as_ref().filter(|_| is_static)?;
            indices.get(name).copied()
        };
        let mut rows: Vec<_> = self
            .endpoints
            .iter()
            .map(|endpoint| EndpointRow {
                standby: standby_of(endpoint),
                ..row(endpoint, at)
            })
            .collect();
        for standby in rows
            .iter()
            .filter_map(|row| row.standby)
            .collect::<Vec<_>>()
        {
            rows[standby].is_standby = true;
        }
        PoolTable {
            pool: self.id,
            name: self.spec.name.clone(),
            epoch,
            policy: self.spec.policy.clone(),
            endpoints: rows.into(),
            failover: self.spec.failover.clone(),
            retry: self.spec.retry.clone(),
            limit: self.limits(at),
            transport: self.spec.transport.clone(),
        }
    }
}

fn row(endpoint: &Endpoint, at: Time) -> EndpointRow {
    let ramp = endpoint
        .ramp
        .filter(|ramp| !crate::failover::ramp::ended(ramp, at));
    EndpointRow {
        id: endpoint.id,
        name: endpoint.spec.name.clone(),
        address: endpoint.address.clone(),
        path: endpoint.path.id(),
        cut_below: endpoint.path.cut_below(),
        host: host(endpoint),
        weight: endpoint.weight(),
        tier: endpoint.spec.tier,
        zone: endpoint.spec.zone.clone(),
        standby: None,
        is_standby: false,
        state: endpoint.traffic_state(),
        suspect: endpoint.suspicion.is_some(),
        ramp,
        relief: endpoint.relief.factor(),
        limit: endpoint.agent.limit(),
        shared: endpoint.shared.clone(),
    }
}

/// The name of one that is configured by name. It is the same endpoint by whatever address it is reached.
fn host(endpoint: &Endpoint) -> Option<Arc<str>> {
    match &endpoint.spec.target {
        Target::Name { host, .. } => Some(host.as_str().into()),
        Target::Address(Address::Ip(ip)) if endpoint.path.target() != &endpoint.spec.target => {
            Some(ip.ip().to_string().into())
        }
        Target::Address(_) => None,
    }
}

fn around(spec: &PoolSpec, tally: Tally, cut: bool) -> Around<'_> {
    Around {
        spec,
        usable: tally.usable,
        up: tally.up,
        out: tally.out,
        cut,
    }
}

/// The even place of the `index`-th of `n` in the interval, in thousandths.
pub(crate) fn place(index: usize, n: usize) -> u32 {
    (index * 1000 / n.max(1)) as u32
}
