//! The engine's state, for status, admin API and prober.

use std::sync::Arc;
use std::time::Duration;

use crate::failover::ramp;
use crate::health::{Endpoint, Verdict, path_rules};
use crate::id::{EndpointId, PoolId, ServiceId};
use crate::settings::PoolSpec;
use crate::table::State;
use crate::time::{Now, Time};

use super::pool::Pool;
use super::services::Service;
use super::view::{EndpointView, PoolView, ServiceView};
use super::{Engine, Order};

impl Engine {
    /// All pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = PoolView<'_>> {
        let view = |id: &PoolId| self.pools.get(id).map(|pool| self.pool_view(pool));
        self.pool_ids.values().filter_map(view)
    }

    /// The pool of this name.
    pub fn pool(&self, name: &str) -> Option<PoolView<'_>> {
        let pool = self.pools.get(self.pool_ids.get(name)?)?;
        Some(self.pool_view(pool))
    }

    /// A pool's id by its name.
    pub fn pool_id(&self, name: &str) -> Option<PoolId> {
        self.pool_ids.get(name).copied()
    }

    /// One endpoint.
    pub fn endpoint(&self, id: EndpointId) -> Option<EndpointView<'_>> {
        let (pool, index) = self.places.get(&id)?;
        let pool = self.pools.get(pool)?;
        Some(self.endpoint_view(pool, pool.endpoints.get(*index)?))
    }

    /// An endpoint's id by the names.
    pub fn endpoint_id(&self, pool: &str, endpoint: &str) -> Option<EndpointId> {
        let pool = self.pools.get(self.pool_ids.get(pool)?)?;
        let found = pool.endpoints.iter().find(|e| &*e.spec.name == endpoint)?;
        Some(found.id)
    }

    /// All supervised services: those of this host by name, then those of agents by name.
    pub fn services(&self) -> impl Iterator<Item = ServiceView<'_>> {
        self.services
            .iter()
            .map(|(id, service)| service_view(id, service))
            .chain(self.elsewhere.views())
    }

    /// One service.
    pub fn service(&self, id: ServiceId) -> Option<ServiceView<'_>> {
        let here = self.services.service(id);
        here.map(|service| service_view(id, service))
            .or_else(|| self.elsewhere.view(id))
    }

    /// A service's id by its name.
    pub fn service_id(&self, name: &str) -> Option<ServiceId> {
        self.services.id(name).or_else(|| self.elsewhere.id(name))
    }

    fn pool_view<'a>(&'a self, pool: &'a Pool) -> PoolView<'a> {
        let endpoints = pool.endpoints.iter().map(|e| self.endpoint_view(pool, e));
        PoolView {
            id: pool.id,
            spec: &pool.spec,
            table: &pool.table,
            admission: &pool.admission,
            endpoints: endpoints.collect(),
        }
    }

    fn endpoint_view<'a>(&'a self, pool: &'a Pool, endpoint: &'a Endpoint) -> EndpointView<'a> {
        let service_name = endpoint.spec.service.as_ref();
        EndpointView {
            id: endpoint.id,
            pool: pool.id,
            pool_name: &pool.spec.name,
            name: &endpoint.spec.name,
            target: &endpoint.spec.target,
            address: endpoint.address.as_ref(),
            path: &endpoint.path,
            state: endpoint.shown.state,
            since: endpoint.shown.since,
            why: &endpoint.shown.why,
            decided_by: endpoint.shown.by,
            next: next(endpoint, &pool.spec, self.now),
            weight: endpoint.weight(),
            ramp_percent: ramp_percent(endpoint, self.now.at),
            relief: &endpoint.relief,
            heat: pool.scheduler.heat(endpoint.id),
            filling: pool.scheduler.filling(endpoint.id, self.now.at),
            tier: endpoint.spec.tier,
            zone: endpoint.spec.zone.as_ref(),
            order: endpoint.order,
            weight_override: endpoint.weight,
            probed: endpoint.probed,
            agent_check: &endpoint.agent,
            heartbeat: &endpoint.heartbeat,
            detector: pool.spec.heartbeat.as_ref().map_or("", |h| h.detector),
            check: &pool.spec.check,
            suspicion: endpoint.suspicion.as_deref(),
            ejections: &endpoint.ejections,
            spared: &endpoint.spared,
            shared: &endpoint.shared,
            service: service_name.and_then(|name| self.service_id(name)),
            service_name,
        }
    }
}

fn service_view(id: ServiceId, service: &Service) -> ServiceView<'_> {
    ServiceView {
        id,
        spec: service.machine.spec(),
        state: service.machine.state(),
        since: service.since,
        why: &service.why,
        pid: service.machine.pid(),
        restarts: service.machine.restarts(),
        begun: service.begun(),
        agent: None,
    }
}

fn ramp_percent(endpoint: &Endpoint, at: Time) -> u32 {
    match (endpoint.shown.state, &endpoint.ramp) {
        (State::Trial, _) => ramp::FLOOR / 10,
        (State::Up, Some(ramp)) => ramp::factor(ramp, at) / 10,
        _ => 100,
    }
}

/// What happens next, in words for a person.
fn next(endpoint: &Endpoint, spec: &PoolSpec, now: Now) -> String {
    if let Some(evidence) = &endpoint.suspicion {
        return format!("suspected, a probe decides: {evidence}");
    }
    let mut plain = plainly(endpoint, spec, now);
    if let Some(waits) = endpoint.path.waits(path_rules(spec), now.at) {
        plain = format!("{plain}; {waits}");
    }
    match endpoint.note.is_empty() {
        true => plain,
        false => format!("{plain}; {}", endpoint.note),
    }
}

fn plainly(endpoint: &Endpoint, spec: &PoolSpec, now: Now) -> String {
    let check_in = || match endpoint.schedule.due() {
        due if due <= now.at => "a check is due".to_string(),
        due => format!("a check in {}", about(due.since(now.at))),
    };
    if endpoint.order.is_some_and(|order| order != Order::Ready) {
        return "comes back when an operator says ready".into();
    }
    if endpoint.address.is_none() {
        return "waits for its name to be resolved".into();
    }
    if let Some(waits) = beats(endpoint, spec, now) {
        return waits;
    }
    if endpoint.agent_decides() {
        return "comes back when its agent takes that back".into();
    }
    if let Some(until) = endpoint.outlier.ejected_until()
        && endpoint.check.verdict() == Verdict::Up
    {
        return match until {
            Time::NEVER => "waits for an operator to say ready".into(),
            until => format!("a trial in {}", about(until.since(now.at))),
        };
    }
    if let Some(left) = endpoint.outlier.trial() {
        return format!("{left} more requests decide");
    }
    if let Some(until) = endpoint.starting {
        let left = about(until.since(now.at));
        return format!(
            "{}, and it is down if none passes within {left}",
            check_in()
        );
    }
    match (endpoint.check.verdict(), endpoint.ramp) {
        (Verdict::Down, _) => coming_back(endpoint, spec, now).unwrap_or_else(check_in),
        (Verdict::Up, Some(ramp)) if !ramp::ended(&ramp, now.at) => {
            let left = (ramp.started + ramp.window).since(now.at);
            format!("its whole share in {}", about(left))
        }
        _ => check_in(),
    }
}

/// Out by its own heartbeat: what it waits for.
fn beats(endpoint: &Endpoint, spec: &PoolSpec, now: Now) -> Option<String> {
    if endpoint.heartbeat.verdict() != Verdict::Down {
        let says = endpoint.heartbeat.declines()?;
        let says = says.name();
        return Some(format!(
            "comes back when its heartbeat says ready instead of {says}"
        ));
    }
    Some(match endpoint.heartbeat.held_until(&spec.failover) {
        // Its checks may pass: they don't show what a heartbeat does. Who stopped beating on purpose is told how to say so.
        None => "waits for its heartbeats; if it is to send none any more, an operator says maint and then ready".into(),
        Some(until) if until > now.at => format!("held for {} more", about(until.since(now.at))),
        Some(_) if !spec.failover.failback_auto => "waits for an operator to say ready".into(),
        Some(_) => "up at its next heartbeat".into(),
    })
}

/// Down and passing: what it still waits for.
fn coming_back(endpoint: &Endpoint, spec: &PoolSpec, now: Now) -> Option<String> {
    let until = endpoint.check.held_until(&spec.failover)?;
    let (passed, rise) = (endpoint.check.against(), spec.check.rise);
    Some(if passed < rise {
        format!("{passed} of {rise} checks passed")
    } else if until > now.at {
        format!("held for {} more", about(until.since(now.at)))
    } else if endpoint.check.awaits_person(&spec.failover) {
        "waits for an operator to say ready".into()
    } else {
        "up at its next passed check".into()
    })
}

/// Tenths of a second are as exact as a person wants it.
fn about(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

impl PoolView<'_> {
    /// The endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<&EndpointView<'_>> {
        self.endpoints
            .iter()
            .find(|endpoint| &**endpoint.name == name)
    }

    /// The pool's name.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.name
    }
}
