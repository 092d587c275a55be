//! What is done to the world: faults, operators, reloads, deaths, and the peace at the end.

use std::sync::Arc;

use evenkeel_core::engine::{Configure, Engine, Event, Order, Running};
use evenkeel_core::settings::{PoolSpec, ServiceSpec};
use evenkeel_core::supervise::{ServiceEvent, ServiceState};
use evenkeel_journal::Ends;

use super::{What, World};
use crate::scene::{Behaviour, Key, Note};
use crate::story::Deed;
use crate::traffic::Lanes;

impl World {
    pub(super) fn act(&mut self, deed: Deed) {
        if self.scene.peace {
            return;
        }
        match deed {
            Deed::Behave(key, behaviour) => {
                self.scene.fleet.insert(key, behaviour);
            }
            Deed::BehaveAll(pool, behaviour) => {
                let spec = &self.scene.pools[&pool];
                let keys = spec
                    .endpoints
                    .iter()
                    .map(|e| (pool.clone(), e.name.clone()));
                self.scene.fleet.extend(keys.map(|key| (key, behaviour)));
            }
            Deed::Flap(key, every, times) => {
                let dead = self.scene.behaviour(&key) == Behaviour::Dead;
                let now = if dead {
                    Behaviour::Works
                } else {
                    Behaviour::Dead
                };
                self.scene.fleet.insert(key.clone(), now);
                if times > 0 {
                    self.plan(every, What::Deed(Deed::Flap(key, every, times - 1)));
                }
            }
            Deed::CutWay(way, long) => self.cut_way(way, long),
            Deed::Silence(pool) => {
                self.silent.insert(pool);
            }
            Deed::Order(key, order) => self.order(&key, order),
            Deed::Weight(key, weight) => self.weigh(&key, weight),
            Deed::Reload => self.reload(self.specs()),
            Deed::Reweigh(key, weight) => {
                let mut specs = self.specs();
                let all = specs.iter_mut().filter(|spec| spec.name == key.0);
                let all = all.flat_map(|spec| &mut spec.endpoints);
                all.filter(|e| e.name == key.1)
                    .for_each(|e| e.weight = weight);
                self.reload(specs);
            }
            Deed::Remove(key) => self.remove(&key),
            Deed::Revert => self.reload(self.story.pools.clone()),
            Deed::Restart => self.restart(),
            Deed::Kill(name) => {
                if let Some(process) = self.processes.get(&name) {
                    let pid = process.pid;
                    self.exits(&name, pid);
                }
            }
            Deed::Ail(name, ailment) => self.ail(name, ailment),
            Deed::ChangeServices => self.change_services(),
            elsewhere => self.act_elsewhere(elsewhere),
        }
    }

    fn change_services(&mut self) {
        for spec in &mut self.services {
            let change = ("CHANGE".into(), self.entries.to_string());
            spec.environment.push(change);
        }
        self.reload(self.specs());
    }

    pub(super) fn specs(&self) -> Vec<PoolSpec> {
        self.scene.pools.values().cloned().collect()
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let mut specs = self.specs();
        for spec in specs.iter_mut().filter(|spec| spec.name == key.0) {
            let standby = spec
                .endpoints
                .iter()
                .any(|e| e.standby.as_ref() == Some(&key.1));
            if spec.endpoints.len() > 1 && !standby {
                spec.endpoints.retain(|e| e.name != key.1);
            }
        }
        self.reload(specs);
    }

    pub(super) fn order(&mut self, key: &Key, order: Order) {
        let Some(endpoint) = self.engine.endpoint_id(&key.0, &key.1) else {
            return;
        };
        match order {
            Order::Ready => self.scene.orders.remove(key),
            order => self.scene.orders.insert(key.clone(), order),
        };
        self.note(&Note::Ordered { key });
        self.feed(Event::Order { endpoint, order });
    }

    pub(super) fn weigh(&mut self, key: &Key, weight: Option<u32>) {
        if let Some(endpoint) = self.engine.endpoint_id(&key.0, &key.1) {
            self.feed(Event::Weight { endpoint, weight });
        }
    }

    pub(super) fn reload(&mut self, pools: Vec<PoolSpec>) {
        let old: Vec<_> = self.scene.pools.values().cloned().collect();
        let here = |engine: &Engine| -> Vec<_> {
            let own = engine.services().filter(|s| s.agent.is_none());
            own.map(|s| ((**s.spec).clone(), s.state)).collect()
        };
        let old_services = here(&self.engine).into_iter().map(|(spec, _)| spec);
        let old_services: Vec<_> = old_services.collect();
        let mut sorted = pools.clone();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        let same = sorted == old && self.services == old_services;
        let mut states = here(&self.engine).into_iter().map(|(_, state)| state);
        let untouched = same && !states.any(|state| state == ServiceState::Failed);
        let commands = self.configure(pools, self.services.clone());
        self.note(&Note::Reloaded {
            same: untouched,
            commands,
        });
    }

    pub(super) fn configure(&mut self, pools: Vec<PoolSpec>, services: Vec<ServiceSpec>) -> usize {
        let named = pools.iter().map(|spec| (spec.name.clone(), spec.clone()));
        self.scene.pools = named.collect();
        let workers = self.story.workers;
        self.feed(Event::Configure(Configure {
            pools,
            services,
            workers,
        }))
    }

    pub(super) fn restart(&mut self) {
        self.scene.process += 1;
        self.summary.restarts += 1;
        self.scene.tables.clear();
        self.lanes = Lanes::default();
        self.keys.clear();
        self.probing.clear();
        self.swept.clear();
        self.replay(Ends::Shutdown);
        self.doors_fall();
        self.door = Default::default();
        self.note(&Note::Restarted);
        let seed = self.story.seed + u64::from(self.scene.process);
        self.engine = Engine::new(seed, self.last_fence);
        self.feed(Event::Carried(self.records.values().cloned().collect()));
        let incidents = self.incidents.values().cloned().collect();
        self.feed(Event::Incidents(incidents));
        let recoveries = self.recoveries.values().cloned().collect();
        self.feed(Event::CarriedRecovery(recoveries));
        let here = self
            .processes
            .iter()
            .filter(|(name, _)| !name.contains('/'));
        let running = here.map(|(name, process)| Running {
            service: name.clone(),
            pid: process.pid,
            restarts: process.restarts,
            age: Some(self.scene.now.at.since(process.begun)),
        });
        let running = running.collect();
        self.feed(Event::Running(running));
        self.configure(self.specs(), self.services.clone());
    }

    /// All faults are over, all orders are taken back, the first configuration is applied again.
    pub(super) fn make_peace(&mut self) {
        self.scene.peace = true;
        self.scene.fleet.clear();
        self.scene.cut.clear();
        self.scene.ailing.clear();
        self.attend();
        for key in self.all_keys() {
            self.weigh(&key, None);
        }
        self.reload(self.story.pools.clone());
    }

    /// A person looks after what needs one.
    pub(super) fn attend(&mut self) {
        for key in self.all_keys() {
            self.order(&key, Order::Ready);
        }
        let failed = self
            .engine
            .services()
            .filter(|s| s.state == ServiceState::Failed);
        for service in failed.map(|s| s.id).collect::<Vec<_>>() {
            let event = ServiceEvent::Reset;
            self.feed(Event::Service { service, event });
        }
        self.attend_agents();
    }

    pub(super) fn all_keys(&self) -> Vec<Key> {
        let of = |spec: &PoolSpec| {
            let keys = spec
                .endpoints
                .iter()
                .map(|e| (spec.name.clone(), e.name.clone()));
            keys.collect::<Vec<_>>()
        };
        self.scene.pools.values().flat_map(of).collect()
    }

    pub(super) fn exits(&mut self, name: &Arc<str>, pid: u32) {
        if self
            .processes
            .get(name)
            .is_none_or(|process| process.pid != pid)
        {
            return;
        }
        self.processes.remove(name);
        self.process_ended(name);
        if let Some((host, service)) = name.split_once('/') {
            return self.exited_there(host, service, pid, "signal KILL");
        }
        if let Some(service) = self.engine.service_id(name) {
            let status = "signal KILL".into();
            let event = ServiceEvent::Exited { pid, status };
            self.feed(Event::Service { service, event });
        }
    }
}
