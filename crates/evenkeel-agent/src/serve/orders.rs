//! Orders of balancers. Each is judged here by this host's own word (`allow`, the service's own table) and by its fence, whatever the
//! balancer says; then its fence goes to the disk; then it is carried out, once; and whatever comes of it is answered.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_core::engine::Event;
use evenkeel_core::id::{Epoch, ServiceId};
use evenkeel_core::recover::actions::{Hand, find, supervisors_order};
use evenkeel_core::settings::ServiceSpec;
use evenkeel_core::supervise::{ServiceEvent, ServiceOrder, ServiceState};
use evenkeel_core::time::Time;
use evenkeel_probe::clock::now;
use evenkeel_schema::agent::{FromAgent, Order, VERIFY_DATA, printable};

use super::Did;
use super::points::which;
use super::worker::{Phase, Report, Worker};
use crate::actions;

/// Orders that wait for the disk; a balancer has one action at a time for a pool.
const WAITING_MAX: usize = 64;
/// Beyond a service's own stop time-out, before its data is exchanged.
const STOP_SLACK: Duration = Duration::from_secs(5);

/// An order under way.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// Whose.
    line: u64,
    order: Order,
    spec: Arc<ServiceSpec>,
}

/// Who was told.
enum Reached {
    Process(u32),
    /// The supervisor itself, which had given it up.
    Supervisor,
    Nobody,
}

/// All that are under way.
#[derive(Debug, Default)]
pub(super) struct Orders {
    waiting: VecDeque<Pending>,
    /// The fences are being written.
    writing: bool,
    /// Services something is being done to.
    busy: BTreeSet<String>,
    restoring: Option<Restoring>,
}

#[derive(Debug)]
struct Restoring {
    pending: Pending,
    service: ServiceId,
    until: Time,
    exchanging: bool,
}

impl Orders {
    pub(super) fn next_wakeup(&self) -> Time {
        let waiting = self.restoring.as_ref().filter(|r| !r.exchanging);
        waiting.map_or(Time::NEVER, |r| r.until)
    }
}

impl Worker {
    /// An order arrived.
    pub(super) fn ordered(&mut self, line: u64, mut order: Order) {
        order.why = printable(&order.why);
        if order.action == VERIFY_DATA {
            return self.verify(line, order);
        }
        match self.admit(&order) {
            Ok(spec) => {
                self.orders.busy.insert(order.service.clone());
                let pending = Pending { line, order, spec };
                self.orders.waiting.push_back(pending);
                self.write_fences();
            }
            Err(why) => {
                let node = self.lines.get(&line).map_or("", |open| &open.node);
                let (service, action) = (&order.service, &order.action);
                tracing::warn!(
                    target: "evenkeel::recovery", service, action, node,
                    "{service}: {action}, ordered by {node}, is refused: {why}"
                );
                self.done(line, order.order, Err(why));
            }
        }
    }

    fn admit(&mut self, order: &Order) -> Result<Arc<ServiceSpec>, String> {
        if self.phase != Phase::Serving {
            return Err("the agent is shutting down".into());
        }
        let config = &self.loaded.config;
        let spec = config.services.iter().find(|s| *s.name == *order.service);
        let Some(spec) = spec.cloned() else {
            let host = &config.agent.name;
            return Err(format!("agent {host} has no service {:?}", order.service));
        };
        if !config.agent.allow.contains(&order.action.as_str()) {
            return Err(format!(
                "{} is not allowed on this host: its `allow` has {}",
                order.action,
                config.agent.allow.join(", ")
            ));
        }
        if self.orders.busy.contains(&order.service) {
            return Err(format!("something is being done to {} already", spec.name));
        }
        if self.orders.waiting.len() >= WAITING_MAX {
            return Err("too many orders wait already".into());
        }
        let fence = Epoch(order.fence);
        let admitted = self.fences.admit(&spec.name, fence, now().wall);
        admitted.map_err(|unfit| unfit.to_string())?;
        self.newest.fetch_max(order.fence, Relaxed);
        Ok(Arc::new(spec))
    }

    /// One at a time, so that an older state of them never follows a newer one.
    fn write_fences(&mut self) {
        if self.orders.writing {
            return;
        }
        let Some(pending) = self.orders.waiting.pop_front() else {
            return;
        };
        self.orders.writing = true;
        let (kept, fences, reports) =
            (self.kept.clone(), self.fences.clone(), self.reports.clone());
        tokio::task::spawn_blocking(move || {
            let stored = kept.store(&fences);
            let _ = reports.blocking_send(Report::Fenced(pending, stored));
        });
    }

    pub(super) fn fenced(&mut self, pending: Pending, result: io::Result<()>) {
        self.orders.writing = false;
        match result {
            Ok(()) => self.act(pending),
            Err(error) => {
                let why = format!(
                    "nothing was done, since its fence can't be written to state_dir: {error}"
                );
                self.finish(&pending, Err(why));
            }
        }
        self.write_fences();
    }

    fn act(&mut self, pending: Pending) {
        let Order {
            service,
            action,
            argument,
            why,
            ..
        } = pending.order.clone();
        tracing::warn!(target: "evenkeel::recovery", service, action, "{service}: {action}, ordered: {why}");
        let known = find(&action);
        match known.map(|known| (known.hand(), known.part.summary)) {
            Some((Hand::Supervisor, summary)) => {
                let told = self.tell_supervisor(&service, &action, &why);
                let done = match told {
                    Reached::Process(pid) => format!("process {pid} was told: {summary}"),
                    Reached::Supervisor => "it had been given up, and is tried again".into(),
                    Reached::Nobody => "it does not run: nothing was done".into(),
                };
                self.finish(&pending, Ok(done.into()));
            }
            Some((Hand::Host, _)) if action == "restore_data" => self.begin_restoring(pending),
            Some((Hand::Host, _)) => {
                let allow = &self.loaded.config.agent.allow;
                let allow: Vec<String> = allow.iter().map(|a| (*a).to_owned()).collect();
                let reports = self.reports.clone();
                tokio::task::spawn_blocking(move || {
                    let argument = argument.as_deref();
                    let result = actions::carry_out(&action, &pending.spec, argument, &allow);
                    let _ = reports.blocking_send(Report::Acted(pending, result));
                });
            }
            _ => self.finish(&pending, Err(format!("{action} is not done by an agent"))),
        }
    }

    /// Tells the supervisor. One that had given the service up tries again.
    fn tell_supervisor(&mut self, service: &str, action: &str, why: &str) -> Reached {
        let id = self.engine.service_id(service);
        let view = id.and_then(|id| self.engine.service(id));
        let Some((id, pid, state)) = view.map(|view| (view.id, view.pid, view.state)) else {
            return Reached::Nobody;
        };
        let order = supervisors_order(action);
        if state == ServiceState::Failed && !matches!(order, ServiceOrder::Signal(_)) {
            let event = ServiceEvent::Reset;
            self.event(Event::Service { service: id, event });
            return Reached::Supervisor;
        }
        self.tell(id, order, format!("{action}: {why}"));
        pid.map_or(Reached::Nobody, Reached::Process)
    }

    fn tell(&mut self, service: ServiceId, order: ServiceOrder, why: String) {
        let event = ServiceEvent::Told { order, why };
        self.event(Event::Service { service, event });
    }

    pub(super) fn acted(&mut self, pending: Pending, result: Result<String, String>) {
        let Order {
            service, action, ..
        } = &pending.order;
        // Another release serves only from a new start on.
        if action == "rollback_release" && result.is_ok() {
            let (service, action) = (service.clone(), action.clone());
            self.tell_supervisor(&service, &action, "another release is in place");
        }
        self.finish(&pending, result.map(Did::from));
    }

    fn begin_restoring(&mut self, pending: Pending) {
        if self.orders.restoring.is_some() {
            let why = "another restoration is under way".to_owned();
            return self.finish(&pending, Err(why));
        }
        if pending.spec.care.data.is_none() {
            let why = format!("service {} has no data to restore", pending.spec.name);
            return self.finish(&pending, Err(why));
        }
        let Some(service) = self.engine.service_id(&pending.order.service) else {
            return self.finish(&pending, Err("it is gone".into()));
        };
        let until = now().at + pending.spec.stop_timeout + STOP_SLACK;
        self.tell(service, ServiceOrder::Hold, "its data is restored".into());
        self.orders.restoring = Some(Restoring {
            pending,
            service,
            until,
            exchanging: false,
        });
    }

    /// Exchanges the data once the service has ended.
    pub(super) fn go_on_restoring(&mut self, at: Time) {
        let Some(restoring) = self.orders.restoring.as_mut().filter(|r| !r.exchanging) else {
            return;
        };
        let state = self.engine.service(restoring.service).map(|s| s.state);
        if state.is_none_or(|state| state == ServiceState::Stopped) {
            restoring.exchanging = true;
            let (host, reports) = (self.host.clone(), self.reports.clone());
            let order = restoring.pending.order.clone();
            tokio::task::spawn_blocking(move || {
                let restored = host.restore(&order.service, &which(&order));
                let _ = reports.blocking_send(Report::Restored(restored));
            });
        } else if restoring.until <= at {
            self.restored(Err("the service did not end in time".into()));
        }
    }

    pub(super) fn restored(&mut self, result: Result<Did, String>) {
        let Some(restoring) = self.orders.restoring.take() else {
            return;
        };
        let why = match &result {
            Ok(_) => "its data was restored",
            Err(_) => "its data could not be restored",
        };
        self.tell(restoring.service, ServiceOrder::Release, why.into());
        self.finish(&restoring.pending, result);
    }

    fn finish(&mut self, pending: &Pending, result: Result<Did, String>) {
        let Order {
            order,
            service,
            action,
            ..
        } = &pending.order;
        self.orders.busy.remove(service);
        match &result {
            Ok(Did { words, .. }) => {
                tracing::warn!(target: "evenkeel::recovery", service, action, "{service}: {action}: {words}");
            }
            Err(why) => {
                tracing::error!(target: "evenkeel::recovery", service, action, "{service}: {action} failed: {why}");
            }
        }
        self.done(pending.line, *order, result);
    }

    pub(super) fn done(&mut self, line: u64, order: u64, result: Result<Did, String>) {
        let done = result.is_ok();
        let Did {
            mut words,
            kept_aside,
        } = result.unwrap_or_else(Did::from);
        words.truncate(words.floor_char_boundary(2048));
        let done = FromAgent::Done {
            order,
            done,
            words,
            kept_aside: kept_aside.map(|path| path.display().to_string()),
            fence: self.newest.load(Relaxed),
        };
        self.say_to(line, &done, true);
    }
}
