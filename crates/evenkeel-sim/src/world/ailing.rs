//! What ails a service and what a machine's facts show of it; and heartbeats, which those that live send.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::{Beat, Event};
use evenkeel_core::facts::{
    DiskFacts, Facts, Limit, LimitWay, MachineFacts, ProcessState, ServiceFacts,
};

use super::{What, World};
use crate::scene::{Ailing, Ailment, Behaviour, Key};

/// Facts are read this often.
const FACTS: Duration = Duration::from_secs(1);
/// What a service may use.
const MEMORY_MAX: u64 = 512 << 20;
/// What a healthy one uses.
const MEMORY_USED: u64 = 150 << 20;
/// A leak fills the rest in twenty seconds.
const LEAK_A_SECOND: u64 = (MEMORY_MAX - MEMORY_USED) / 20;
/// A disk of its own.
const DISK: u64 = 1 << 30;

impl World {
    pub(super) fn plan_signs(&mut self) {
        self.plan(FACTS, What::Facts);
        for pool in self.story.pools.clone() {
            if pool.heartbeat.is_some() {
                let there = |service: &Arc<str>| service.contains('/');
                for endpoint in &pool.endpoints {
                    if endpoint.service.as_ref().is_some_and(there) {
                        continue; // its agent says so
                    }
                    let first = self.ms(1, 900);
                    let key = (pool.name.clone(), endpoint.name.clone());
                    self.plan(first, What::Beats(key));
                }
            }
        }
    }

    /// It ails from now on.
    pub(super) fn ail(&mut self, service: Arc<str>, ailment: Ailment) {
        let since = self.scene.now.at;
        self.scene.ailing.insert(service, Ailing { ailment, since });
    }

    /// A new process has nothing of what ailed the old one but what lies outside of it.
    pub(super) fn process_ended(&mut self, service: &str) {
        let now = self.scene.now.at;
        if let Some(ailing) = self.scene.ailing.get_mut(service) {
            match ailing.ailment {
                Ailment::Leak => ailing.since = now,
                Ailment::Hot | Ailment::Stuck => drop(self.scene.ailing.remove(service)),
                Ailment::DiskFull | Ailment::BadRelease => {}
            }
        }
    }

    pub(super) fn ails(&self, service: &str) -> Option<Behaviour> {
        Some(match self.scene.ailing.get(service)?.ailment {
            Ailment::Leak => return None,
            Ailment::Hot => Behaviour::Flaky,
            Ailment::Stuck => Behaviour::Hung,
            Ailment::DiskFull | Ailment::BadRelease => Behaviour::Erroring,
        })
    }

    pub(super) fn read_facts(&mut self) {
        self.plan(FACTS, What::Facts);
        let here = self.facts_on(None);
        self.feed(Event::Facts(Arc::new(here.0)));
        let mut full = here.1;
        for host in self.hosts.keys().cloned().collect::<Vec<_>>() {
            let (there, more) = self.facts_on(Some(&host));
            self.tell_facts(&host, &there);
            self.agent_event(&host, Event::Facts(Arc::new(there)));
            full.extend(more);
        }
        for (name, pid) in full {
            *self.out_of_memory.entry(name.clone()).or_default() += 1;
            self.exits(&name, pid);
        }
    }

    /// Of the balancer's own machine, or of a host; and whom the kernel is about to end.
    fn facts_on(&mut self, host: Option<&str>) -> (Facts, Vec<(Arc<str>, u32)>) {
        let processes = self.processes.iter();
        let on = processes.filter(|(name, _)| name.split_once('/').map(|(on, _)| on) == host);
        let running: Vec<_> = on.map(|(n, p)| (n.clone(), p.pid)).collect();
        let mut services = Vec::new();
        let mut full = Vec::new();
        for (name, pid) in running {
            let facts = self.facts_of(&name, pid);
            if facts.memory_bytes >= MEMORY_MAX {
                full.push((name, pid));
            }
            services.push(facts);
        }
        let machine = MachineFacts {
            cores: 8,
            cpu_millicores: Some(1000),
            memory_bytes: Some(16 << 30),
            memory_available_bytes: Some(8 << 30),
            load_centi: Some(100),
            ..MachineFacts::default()
        };
        (Facts { machine, services }, full)
    }

    fn facts_of(&mut self, full: &Arc<str>, pid: u32) -> ServiceFacts {
        let name: Arc<str> = full
            .split_once('/')
            .map_or(full.clone(), |(_, name)| name.into());
        let ailing = self.scene.ailing.get(full).copied();
        let is = |ailment| ailing.is_some_and(|ailing| ailing.ailment == ailment);
        let leaked = match ailing {
            Some(Ailing {
                ailment: Ailment::Leak,
                since,
            }) => self.scene.now.at.since(since).as_secs() * LEAK_A_SECOND,
            _ => 0,
        };
        let noise = self.rng.below(8 << 20);
        // A healthy one is busy for a moment now and then.
        let busy = is(Ailment::Hot) || self.rng.chance(1, 60);
        let cpu = if busy {
            950 + self.rng.below(50)
        } else {
            100 + self.rng.below(300)
        };
        let free = if is(Ailment::DiskFull) { 0 } else { DISK / 2 };
        let limit = |max| Limit {
            max,
            way: LimitWay::Cgroup2,
            why: String::new(),
        };
        ServiceFacts {
            pid,
            process: ProcessState::Sleeping,
            processes: 1,
            threads: 4,
            cpu_millicores: u32::try_from(cpu).ok(),
            throttled_permille: Some(if busy { 500 } else { 0 }),
            waiting_permille: None,
            memory_bytes: (MEMORY_USED + noise + leaked).min(MEMORY_MAX),
            swap_bytes: 0,
            descriptors: Some(20),
            descriptors_max: Some(1024),
            oom_kills: Some(self.out_of_memory.get(full).copied().unwrap_or(0)),
            memory_limit: Some(limit(MEMORY_MAX)),
            cpu_limit: Some(limit(1000)),
            disks: vec![DiskFacts {
                path: format!("/data/{name}").into(),
                bytes: DISK,
                free_bytes: free,
                inodes: 10_000,
                free_inodes: 9_000,
            }],
            release: Some(if is(Ailment::BadRelease) { "v2" } else { "v1" }.into()),
            name,
        }
    }

    /// One heartbeat, unless it is lost on the way or there is nobody to send it.
    pub(super) fn beats(&mut self, key: Key) {
        let spec = self.scene.pools.get(&key.0);
        let Some(interval) = spec
            .and_then(|spec| spec.heartbeat.as_ref())
            .map(|h| h.interval)
        else {
            return;
        };
        // What is lost on a calm way is sent again by the kernel, a fifth of a second later.
        let hundredth = self.rng.chance(1, 100);
        let late = if hundredth && self.scene.calm { 200 } else { 0 };
        let jitter = self.ms(late, late + 80);
        self.plan(
            interval - Duration::from_millis(40) + jitter,
            What::Beats(key.clone()),
        );
        let lives = !matches!(self.effective(&key), Behaviour::Dead | Behaviour::Hung);
        let lost = hundredth && !self.scene.calm;
        let Some(endpoint) = self
            .engine
            .endpoint_id(&key.0, &key.1)
            .filter(|_| lives && !lost)
        else {
            return;
        };
        let sequence = self.beaten.entry(key).or_default();
        *sequence += 1;
        let beat = Beat {
            sequence: *sequence,
            utilization: Some(0.3),
            ..Beat::default()
        };
        self.feed(Event::Beat { endpoint, beat });
    }
}
