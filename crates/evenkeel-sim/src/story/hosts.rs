//! Hosts with an agent of their own: some services of the story are supervised there, and what goes wrong between them and the
//! balancer.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::recover::actions::{ACTIONS, Hand};
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::{PoolSpec, ServiceSpec};

use super::{Deed, moment, service};

/// One host and its agent.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// Its agent's name.
    pub name: Arc<str>,
    /// What its file names, each as it is called there.
    pub services: Vec<ServiceSpec>,
    /// What its file lets balancers ask.
    pub allow: Vec<&'static str>,
    /// A message takes so long at most.
    pub delay: Duration,
    /// Its calendar is ahead of the balancer's by so much.
    pub ahead: Duration,
}

/// Takes some of the services away from the balancer, gives some endpoints one that had none, and puts them on hosts.
pub(super) fn settle(
    pools: &mut [PoolSpec],
    services: &mut Vec<ServiceSpec>,
    most: usize,
    rng: &mut Rng,
) -> Vec<HostSpec> {
    let mut hosts: Vec<_> = (0..most).map(|n| host(n, rng)).collect();
    if hosts.is_empty() {
        return hosts;
    }
    let endpoints = pools.iter_mut().flat_map(|pool| {
        let name = pool.name.clone();
        pool.endpoints.iter_mut().map(move |e| (name.clone(), e))
    });
    for (pool, endpoint) in endpoints {
        let moves = rng.chance(1, if endpoint.service.is_some() { 2 } else { 4 });
        if !moves {
            continue;
        }
        let own = endpoint.service.take();
        let name = own.unwrap_or_else(|| format!("{pool}-{}", endpoint.name).into());
        let known = services.iter().position(|spec| spec.name == name);
        let spec = match known {
            Some(index) => services.remove(index),
            None => service(name.clone(), rng),
        };
        let index = rng.index(hosts.len());
        let host = &mut hosts[index];
        endpoint.service = Some(format!("{}/{name}", host.name).into());
        endpoint.machine = Some(host.name.clone());
        host.services.push(spec);
    }
    hosts.retain(|host| !host.services.is_empty());
    hosts
}

fn host(number: usize, rng: &mut Rng) -> HostSpec {
    let there = |hand| matches!(hand, Hand::Supervisor | Hand::Host);
    let all = ACTIONS.iter().filter(|action| there(action.hand()));
    let whole = rng.chance(3, 4);
    let names = all.map(|action| action.part.name);
    HostSpec {
        name: format!("host-{number}").into(),
        services: Vec::new(),
        allow: names.filter(|name| whole || *name == "restart").collect(),
        delay: Duration::from_millis(1 + rng.below(60)),
        ahead: Duration::from_secs([0, rng.below(3600)][rng.index(2)]),
    }
}

/// What befalls hosts, agents and the lines between, as often as there are hosts.
pub(super) fn trouble(hosts: &[HostSpec], rng: &mut Rng) -> Vec<(evenkeel_core::time::Time, Deed)> {
    let mut deeds = Vec::new();
    if hosts.is_empty() {
        return deeds;
    }
    for _ in 0..rng.index(1 + 5 * hosts.len()) {
        let host = hosts[rng.index(hosts.len())].name.clone();
        let ms = |rng: &mut Rng, from, to| Duration::from_millis(from + rng.below(to - from));
        let deed = match rng.below(12) {
            0..=2 => Deed::AgentDies(host, ms(rng, 50, 3_000), rng.chance(1, 4)),
            3 => Deed::HostDies(host, ms(rng, 1_000, 15_000)),
            4..=5 => Deed::Cut(host, ms(rng, 500, 25_000)),
            6..=7 => Deed::HangUp(host),
            8 => Deed::Stranger(host),
            9 => Deed::ReloadAgent(host),
            10 => Deed::Deaf(ms(rng, 500, 20_000)),
            _ => Deed::ClockSetBack(ms(rng, 100, 60_000)),
        };
        deeds.push((moment(rng), deed));
    }
    deeds
}
