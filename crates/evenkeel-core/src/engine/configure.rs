//! A configuration: pools and services that are new, changed or gone. What did not change keeps everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::health::Endpoint;
use crate::id::{EndpointId, PoolId};
use crate::settings::PoolSpec;
use crate::time::Now;

use super::carried::Carried;
use super::command::Command;
use super::context::Context;
use super::elsewhere;
use super::event::Configure;
use super::pool::{self, Pool};
use super::{CARRIED_MAX, Engine};

impl Engine {
    pub(super) fn configure(&mut self, configure: Configure) {
        let Configure {
            pools,
            services,
            workers,
        } = configure;
        let names: BTreeSet<_> = pools.iter().map(|spec| spec.name.clone()).collect();
        self.withdraw_all_but(&names);
        for spec in pools {
            match self.pool_ids.get(&spec.name).copied() {
                Some(id) => self.respecify(id, spec, workers),
                None => self.add_pool(spec, workers),
            }
        }
        let subjects = self.subjects(&services);
        let overtaken = self.ledger.configure(subjects, self.now);
        self.planner.overtaken(&overtaken);
        let running = std::mem::take(&mut self.running);
        let (all, mut ctx) = self.supervision();
        all.configure(services, running, &mut ctx);
        self.configure_recovery();
    }

    fn withdraw_all_but(&mut self, names: &BTreeSet<Arc<str>>) {
        let gone = |(name, _): &(&Arc<str>, &PoolId)| !names.contains(*name);
        let gone: Vec<_> = self
            .pool_ids
            .iter()
            .filter(gone)
            .map(|(_, id)| *id)
            .collect();
        for id in gone {
            if let Some(pool) = self.pools.remove(&id) {
                let name = pool.spec.name.clone();
                self.pool_ids.remove(&name);
                self.forget(&name, pool.endpoints);
                let epoch = self.fences.next();
                self.commands.push_back(Command::Withdraw {
                    pool: id,
                    name,
                    epoch,
                });
            }
        }
    }

    fn add_pool(&mut self, spec: PoolSpec, workers: usize) {
        self.last_pool += 1;
        let id = PoolId(self.last_pool);
        let endpoints = (0..spec.endpoints.len()).map(|index| {
            let (last, carried) = (&mut self.last_endpoint, &mut self.carried);
            new_endpoint(index, &spec, workers, last, carried, self.now)
        });
        let mut endpoints: Vec<Endpoint> = endpoints.collect();
        for endpoint in &mut endpoints {
            let service = endpoint.spec.service.as_deref();
            if service.is_some_and(|name| self.is_to_start(name)) {
                endpoint.begin_anew(self.now);
            }
        }
        self.pool_ids.insert(spec.name.clone(), id);
        self.pools.insert(id, Pool::new(id, spec, endpoints));
        self.place(id);
    }

    /// Is it one of this host that does not run yet?
    fn is_to_start(&self, service: &str) -> bool {
        let elsewhere = service.contains('/');
        !elsewhere && self.services.id(service).is_none() && !self.running.contains_key(service)
    }

    fn respecify(&mut self, id: PoolId, spec: PoolSpec, workers: usize) {
        let Some(pool) = self.pools.get_mut(&id) else {
            return;
        };
        if pool.spec == spec {
            return;
        }
        let name = spec.name.clone();
        let (last, carried, now) = (&mut self.last_endpoint, &mut self.carried, self.now);
        let mut ctx = Context {
            now,
            fences: &mut self.fences,
            commands: &mut self.commands,
            cut: self.reach.excuses(),
        };
        let new =
            |index: usize, spec: &PoolSpec| new_endpoint(index, spec, workers, last, carried, now);
        let gone = pool.respecify(spec, new, &mut ctx);
        self.forget(&name, gone);
        self.place(id);
    }

    /// Notes where the pool's endpoints are, and that it has to be finished.
    fn place(&mut self, id: PoolId) {
        let endpoints = self.pools.get(&id).map_or(&[][..], |pool| &pool.endpoints);
        let placed = endpoints.iter().enumerate();
        self.places
            .extend(placed.map(|(index, endpoint)| (endpoint.id, (id, index))));
        self.touched.insert(id);
    }

    /// The configuration has these no more. An operator's word is kept, should one come back by the next reload.
    fn forget(&mut self, pool: &str, gone: Vec<Endpoint>) {
        for endpoint in gone {
            self.places.remove(&endpoint.id);
            let record = Carried::of(pool, &endpoint, self.now);
            let kept = record.order.is_some() || record.weight.is_some();
            if kept && self.carried.len() < CARRIED_MAX {
                self.carried.insert(record.key(), record);
            } else {
                self.commands.push_back(Command::Forget {
                    pool: record.pool,
                    endpoint: record.endpoint,
                });
            }
        }
    }
}

fn new_endpoint(
    index: usize,
    spec: &PoolSpec,
    workers: usize,
    last: &mut u32,
    carried: &mut BTreeMap<String, Carried>,
    now: Now,
) -> Endpoint {
    *last += 1;
    let own = spec.endpoints[index].clone();
    let key = format!("{}/{}", spec.name, own.name);
    let place = pool::place(index, spec.endpoints.len());
    let mut endpoint = Endpoint::new(EndpointId(*last), own, workers, place, now.wall);
    if let Some(record) = carried.remove(&key) {
        record.restore(&mut endpoint, spec, now);
        elsewhere::await_agent(&mut endpoint, now);
    }
    if spec.agent_check.is_none() {
        endpoint.expect_no_agent(now);
    }
    endpoint
}
