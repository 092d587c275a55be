//! All supervised services: hands each input to its machine and what comes of it to the shells.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::facts::{LimitWay, ServiceFacts};
use crate::health::clip;
use crate::id::{Epoch, ServiceId};
use crate::rng::Rng;
use crate::settings::{Ready, ServiceSpec};
use crate::supervise::{Act, Input, Rolling, ServiceEvent, ServiceState, Step, Supervisor};
use crate::time::{Time, WallTime};

use super::command::{Command, ServiceTransition};
use super::context::Context;
use super::event::Running;

/// One service and what people are told of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) machine: Supervisor,
    pub(crate) since: WallTime,
    pub(crate) why: String,
    /// The configuration has it no more: forgotten once it has stopped.
    removed: bool,
    /// The fence of the look for readiness that is under way.
    look: Epoch,
    /// The process that was taken over, and when it began.
    taken_over: Option<(u32, WallTime)>,
}

impl Service {
    /// When its process began, if that was taken over while it ran and was not seen to be ready since.
    pub(crate) fn begun(&self) -> Option<WallTime> {
        let (pid, begun) = self.taken_over?;
        let waits = self.machine.state() == ServiceState::Starting;
        (waits && self.machine.pid() == Some(pid)).then_some(begun)
    }
}

/// All of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Services {
    rng: Rng,
    map: BTreeMap<ServiceId, Service>,
    names: BTreeMap<Arc<str>, ServiceId>,
    last: u32,
    rolling: Rolling,
    /// A graceful end has begun: nothing is started any more.
    ending: bool,
}

impl Services {
    pub(crate) fn new(rng: Rng) -> Services {
        Services {
            rng,
            map: BTreeMap::new(),
            names: BTreeMap::new(),
            last: 0,
            rolling: Rolling::default(),
            ending: false,
        }
    }

    pub(crate) fn id(&self, name: &str) -> Option<ServiceId> {
        self.names.get(name).copied()
    }

    pub(crate) fn service(&self, id: ServiceId) -> Option<&Service> {
        self.map.get(&id)
    }

    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ServiceId, &Service)> {
        let known = |id: &ServiceId| self.map.get(id).map(|service| (*id, service));
        self.names.values().filter_map(known)
    }

    pub(crate) fn next_wakeup(&self) -> Time {
        let wakeups = self
            .map
            .values()
            .map(|service| service.machine.next_wakeup());
        wakeups.min().unwrap_or(Time::NEVER)
    }

    /// Every service of the configuration runs, every other one ends, changed ones are restarted one after the other.
    pub(crate) fn configure(
        &mut self,
        specs: Vec<ServiceSpec>,
        running: BTreeMap<Arc<str>, Running>,
        ctx: &mut Context<'_>,
    ) {
        let wanted: BTreeMap<_, _> = specs.into_iter().map(|s| (s.name.clone(), s)).collect();
        for (name, found) in &running {
            if !wanted.contains_key(name) && !self.names.contains_key(name) {
                let id = self.add(unconfigured(name), ctx);
                self.adopt(id, found, ctx);
            }
        }
        self.remove_all_but(&wanted, ctx);
        for (name, spec) in wanted {
            let Some(id) = self.id(&name) else {
                let id = self.add(spec, ctx);
                match running.get(&name) {
                    Some(found) => self.adopt(id, found, ctx),
                    None if self.ending => {}
                    None => self.on(id, Input::Run, ctx),
                }
                continue;
            };
            self.respecify(id, spec, ctx);
        }
        self.roll(ctx);
    }

    /// One thing happened to one of them.
    pub(crate) fn event(&mut self, id: ServiceId, event: ServiceEvent, ctx: &mut Context<'_>) {
        let Some(service) = self.map.get(&id) else {
            return;
        };
        if let ServiceEvent::ReadyProbed { epoch, .. } = event
            && epoch != service.look
        {
            return;
        }
        if self.ending && event == ServiceEvent::Reset {
            return;
        }
        self.on(id, Input::Event(event), ctx);
        self.roll(ctx);
    }

    /// Somebody else answers at the port of one that has ended, or nobody does any more.
    pub(crate) fn port(&mut self, id: ServiceId, taken: bool, ctx: &mut Context<'_>) {
        if !self.ending {
            self.on(id, Input::Port { taken }, ctx);
            self.roll(ctx);
        }
    }

    /// What a service's machine is told of its facts: its memory, where nothing but evenkeel holds it to its limit.
    pub(crate) fn watched(&self, facts: &ServiceFacts) -> Option<(ServiceId, ServiceEvent)> {
        let id = self.id(&facts.name)?;
        let limit = facts.memory_limit.as_ref()?;
        // Facts of a process that has been replaced since say nothing of the present one.
        let same = self.map.get(&id)?.machine.pid() == Some(facts.pid);
        let bytes = facts.memory_bytes.saturating_add(facts.swap_bytes);
        let event = ServiceEvent::Memory { bytes };
        (same && limit.way == LimitWay::Watched).then_some((id, event))
    }

    pub(crate) fn tick(&mut self, ctx: &mut Context<'_>) {
        let due = |service: &&Service| service.machine.next_wakeup() <= ctx.now.at;
        if self.map.values().find(due).is_none() {
            return;
        }
        for id in self.map.keys().copied().collect::<Vec<_>>() {
            self.on(id, Input::Tick, ctx);
        }
        self.roll(ctx);
    }

    /// A graceful end.
    pub(crate) fn stop_all(&mut self, ctx: &mut Context<'_>) {
        self.ending = true;
        self.rolling.clear();
        for id in self.map.keys().copied().collect::<Vec<_>>() {
            self.on(id, Input::Stop, ctx);
        }
    }

    fn add(&mut self, spec: ServiceSpec, ctx: &Context<'_>) -> ServiceId {
        self.last += 1;
        let id = ServiceId(self.last);
        let rng = self.rng.stream(&spec.name);
        self.names.insert(spec.name.clone(), id);
        let service = Service {
            machine: Supervisor::new(Arc::new(spec), rng),
            since: ctx.now.wall,
            why: String::new(),
            removed: false,
            look: Epoch::default(),
            taken_over: None,
        };
        self.map.insert(id, service);
        id
    }

    fn adopt(&mut self, id: ServiceId, found: &Running, ctx: &mut Context<'_>) {
        let (pid, restarts) = (found.pid, found.restarts);
        if let Some(service) = self.map.get_mut(&id) {
            let begun = |age: Duration| {
                let ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                (pid, WallTime(ctx.now.wall.0.saturating_sub(ms)))
            };
            service.taken_over = found.age.map(begun);
        }
        self.on(id, Input::Adopt { pid, restarts }, ctx);
    }

    fn respecify(&mut self, id: ServiceId, spec: ServiceSpec, ctx: &mut Context<'_>) {
        if let Some(service) = self.map.get_mut(&id) {
            service.removed = false;
            service.machine.respecify(Arc::new(spec));
            if service.machine.outdated() {
                self.rolling.add(id);
            }
        }
        if !self.ending {
            self.on(id, Input::Run, ctx);
        }
    }

    fn remove_all_but(&mut self, wanted: &BTreeMap<Arc<str>, ServiceSpec>, ctx: &mut Context<'_>) {
        let gone = |(name, _): &(&Arc<str>, &ServiceId)| !wanted.contains_key(*name);
        let gone: Vec<_> = self.names.iter().filter(gone).map(|(_, id)| *id).collect();
        for id in gone {
            if let Some(service) = self.map.get_mut(&id) {
                service.removed = true;
            }
            self.on(id, Input::Stop, ctx);
            self.forget_stopped(id);
        }
    }

    fn forget_stopped(&mut self, id: ServiceId) {
        let gone =
            |service: &Service| service.removed && service.machine.state() == ServiceState::Stopped;
        if self.map.get(&id).is_some_and(gone)
            && let Some(service) = self.map.remove(&id)
        {
            self.names.remove(&service.machine.spec().name);
        }
    }

    /// The next changed service, once the one before serves again or is given up.
    fn roll(&mut self, ctx: &mut Context<'_>) {
        let settled = |map: &BTreeMap<ServiceId, Service>, id: ServiceId| {
            map.get(&id).is_none_or(|service| {
                let at_rest = [
                    ServiceState::Ready,
                    ServiceState::Failed,
                    ServiceState::Stopped,
                ];
                at_rest.contains(&service.machine.state())
            })
        };
        while let Some(id) = self.rolling.next(|id| settled(&self.map, id)) {
            if self.map.get(&id).is_some_and(|s| s.machine.outdated()) {
                self.on(id, Input::Restart, ctx);
            }
        }
    }

    fn on(&mut self, id: ServiceId, input: Input, ctx: &mut Context<'_>) {
        let Some(service) = self.map.get_mut(&id) else {
            return;
        };
        let before = service.machine.pid();
        let Some(Step { change, act }) = service.machine.on(input, ctx.now.at) else {
            return;
        };
        if let Some(change) = change {
            service.since = ctx.now.wall;
            service.why = clip(change.why);
            ctx.command(Command::ServiceChanged(ServiceTransition {
                service: id,
                name: service.machine.spec().name.clone(),
                from: change.from,
                to: change.to,
                since: service.since,
                why: service.why.clone(),
                pid: service.machine.pid().or(before),
                restarts: service.machine.restarts(),
            }));
        }
        if let Some(act) = act {
            service.act(id, act, ctx);
        }
        self.forget_stopped(id);
    }
}

impl Service {
    fn act(&mut self, service: ServiceId, act: Act, ctx: &mut Context<'_>) {
        let epoch = ctx.fences.next();
        match (act, self.machine.pid()) {
            (Act::Start, _) => ctx.command(Command::StartService { service, epoch }),
            (Act::Signal(signal), Some(pid)) => ctx.command(Command::SignalService {
                service,
                pid,
                signal,
                epoch,
            }),
            (Act::Signal(_), None) => {}
            (Act::ProbeReady, _) => {
                self.look = epoch;
                ctx.command(Command::ProbeReady { service, epoch });
            }
        }
    }
}

/// For a service that no configuration here knows. One that runs here is only stopped, as systemd stops by default but sooner.
pub(super) fn unconfigured(name: &Arc<str>) -> ServiceSpec {
    ServiceSpec {
        name: name.clone(),
        command: Vec::new(),
        directory: std::path::PathBuf::from("/"),
        environment: Vec::new(),
        user: None,
        ready: Ready::None,
        ready_timeout: Duration::from_secs(30),
        stop_signal: 15,
        stop_timeout: Duration::from_secs(10),
        restart_starts: 1,
        restart_within: Duration::from_secs(60),
        care: Default::default(),
    }
}
