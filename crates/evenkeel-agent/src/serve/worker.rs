//! The loop that owns everything an agent has. It hands events to the engine, carries out what comes of them, and never waits for
//! anything slow.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use evenkeel_core::engine::{Command, Configure, Engine, Event, ServiceTransition};
use evenkeel_core::id::{Epoch, ServiceId};
use evenkeel_core::remote::Fences;
use evenkeel_core::rng::Rng;
use evenkeel_core::supervise::{ServiceEvent, ServiceState};
use evenkeel_core::time::Time;
use evenkeel_probe::clock::{instant, now};
use evenkeel_schema::agent::FromAgent;
use evenkeel_schema::{Mistake, explain};
use tokio::sync::mpsc;

use super::fences::Kept;
use super::line::LineSays;
use super::lines::Open;
use super::orders::{Orders, Pending};
use super::tell::Told;
use super::{Did, Host, Input, Start};
use crate::file::{self, Loaded};

/// Reports of tasks waiting to be handled; a task that finds it full waits, the loop never does.
const REPORTS_MAX: usize = 1024;
/// The keeper is told four times a second that this loop turns; it waits 2 s.
const ALIVE_EVERY: Duration = Duration::from_millis(250);
/// One look at whether a service is ready; the engine asks again.
const READY_WITHIN: Duration = Duration::from_secs(1);
/// Beyond the longest stop time-out: for the kill that follows it and the word that it worked.
const STOP_SLACK: Duration = Duration::from_secs(2);
/// For the last words to leave.
const GOODBYE_WITHIN: Duration = Duration::from_millis(500);

/// What a task brings back.
pub(super) enum Report {
    Line(u64, LineSays),
    Ready(ServiceId, Epoch, bool),
    Reloaded(Result<Loaded, Vec<Mistake>>),
    /// The fences are on the disk, or why not.
    Fenced(Pending, io::Result<()>),
    /// An action on files and programs ended.
    Acted(Pending, Result<String, String>),
    Restored(Result<Did, String>),
    /// A recovery point was read back, for the order of this number of this line.
    Verified(u64, u64, Result<String, String>),
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Services end, until then at the latest.
    Stopping(Time),
    Over,
}

/// Everything the loop owns.
pub(super) struct Worker {
    pub(super) engine: Engine,
    pub(super) host: Arc<dyn Host>,
    pub(super) loaded: Loaded,
    file: PathBuf,
    pub(super) lines: BTreeMap<u64, Open>,
    pub(super) last_line: u64,
    /// This life of the agent: whoever says the same number is the same.
    pub(super) instance: u64,
    pub(super) fences: Fences,
    pub(super) kept: Kept,
    /// The newest of all fences, for lines that say hello.
    pub(super) newest: Arc<AtomicU64>,
    pub(super) told: Told,
    pub(super) orders: Orders,
    pub(super) phase: Phase,
    pub(super) rng: Rng,
    next_alive: Time,
    inputs: mpsc::Receiver<Input>,
    pub(super) reports: mpsc::Sender<Report>,
    reports_in: mpsc::Receiver<Report>,
}

impl Worker {
    /// Adopts what runs, starts what does not, and calls.
    pub(super) fn start(start: Start) -> Worker {
        let now = now();
        let kept = Kept::new(&start.loaded.config.agent.state_dir);
        let fences = kept.load(now.wall);
        let (reports, reports_in) = mpsc::channel(REPORTS_MAX);
        let seed = now.at.as_nanos() ^ u64::from(std::process::id()).rotate_left(40);
        let mut worker = Worker {
            // As the balancer's: fences of one host only grow.
            engine: Engine::new(seed, Epoch(now.at.as_nanos())),
            host: start.host,
            loaded: start.loaded,
            file: start.file,
            lines: BTreeMap::new(),
            last_line: 0,
            instance: Rng::new(seed ^ now.wall.0.rotate_left(20)).draw(),
            newest: Arc::new(AtomicU64::new(fences.newest().0)),
            fences,
            kept,
            told: Told::default(),
            orders: Orders::default(),
            phase: Phase::Serving,
            rng: Rng::new(seed).stream("lines"),
            next_alive: now.at,
            inputs: start.inputs,
            reports,
            reports_in,
        };
        worker.event(Event::Running(start.running));
        worker.apply();
        worker.host.ready();
        worker.call_all();
        let agent = &worker.loaded.config.agent;
        let services = worker.loaded.config.services.len();
        tracing::info!("agent {} supervises {services} services", agent.name);
        worker
    }

    pub(super) async fn run(mut self) {
        while self.phase != Phase::Over {
            let wake = instant(self.next_wake());
            tokio::select! {
                Some(input) = self.inputs.recv() => self.input(input),
                Some(report) = self.reports_in.recv() => self.report(report),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.tick();
        }
        self.say_goodbye().await;
    }

    fn next_wake(&self) -> Time {
        let engine = self.engine.next_wakeup().unwrap_or(Time::NEVER);
        engine
            .min(self.next_alive)
            .min(self.told.next_beat())
            .min(self.orders.next_wakeup())
    }

    fn tick(&mut self) {
        let at = now().at;
        if self.next_alive <= at {
            self.next_alive = at + ALIVE_EVERY;
            self.host.alive();
            self.tell_points();
        }
        if self.engine.next_wakeup().is_some_and(|due| due <= at) {
            self.event(Event::Tick);
        }
        self.beat(at);
        self.go_on_restoring(at);
        if let Phase::Stopping(until) = self.phase {
            let running = self.engine.services().filter(|s| s.pid.is_some());
            let running: Vec<_> = running.map(|s| s.spec.name.clone()).collect();
            if running.is_empty() || until <= at {
                for service in running {
                    tracing::error!("service {service} did not end in time");
                }
                self.phase = Phase::Over;
            }
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Reload => self.reload(),
            Input::Shutdown => self.shut_down(),
            Input::Facts(facts) => {
                self.tell_facts(&facts);
                self.event(Event::Facts(facts));
            }
            Input::Service { name, event } => {
                if let ServiceEvent::Exited { pid, status } = &event {
                    self.told.ended(&name, *pid, status);
                }
                match self.engine.service_id(&name) {
                    Some(service) => self.event(Event::Service { service, event }),
                    None => tracing::debug!("{name}: {event:?}, but no such service is known"),
                }
            }
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Line(number, says) => self.line(number, says),
            Report::Ready(service, epoch, passed) => {
                let event = ServiceEvent::ReadyProbed { epoch, passed };
                self.event(Event::Service { service, event });
            }
            Report::Reloaded(result) => self.reloaded(result),
            Report::Fenced(pending, result) => self.fenced(pending, result),
            Report::Acted(pending, result) => self.acted(pending, result),
            Report::Restored(result) => self.restored(result),
            Report::Verified(line, order, result) => self.verified(line, order, result),
        }
    }

    /// Hands one event in, carries out what comes of it, and tells what changed.
    pub(super) fn event(&mut self, event: Event) {
        self.engine.handle(event, now());
        while let Some(command) = self.engine.poll() {
            self.carry_out(command);
        }
        self.tell_processes();
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::StartService { service, epoch } => {
                if let Some(view) = self.engine.service(service) {
                    self.host.start_service(view.spec, epoch);
                }
            }
            Command::SignalService {
                service,
                signal,
                epoch,
                ..
            } => {
                if let Some(view) = self.engine.service(service) {
                    self.host.signal_service(&view.spec.name, signal, epoch);
                }
            }
            Command::ProbeReady { service, epoch } => self.look_ready(service, epoch),
            Command::ServiceChanged(transition) => {
                log(&transition);
                self.tell_service(transition.service);
            }
            // The rest is about pools, of which an agent has none.
            _ => {}
        }
    }

    fn look_ready(&self, service: ServiceId, epoch: Epoch) {
        let Some(view) = self.engine.service(service) else {
            return;
        };
        let (spec, reports) = (view.spec.clone(), self.reports.clone());
        tokio::spawn(async move {
            let outcome = evenkeel_probe::ready(&spec.ready, &spec.directory, READY_WITHIN).await;
            let report = Report::Ready(service, epoch, outcome.passed);
            // A loop that ended wants no report.
            let _ = reports.send(report).await;
        });
    }

    /// Brings the configuration in force to whoever works by it.
    fn apply(&mut self) {
        self.host.applied(&self.loaded.config);
        self.told
            .beat_every(self.loaded.config.agent.heartbeat_interval);
        let services = self.loaded.config.services.clone();
        let known = |name: &str| services.iter().any(|s| &*s.name == name);
        self.fences.retain(known);
        self.event(Event::Configure(Configure {
            pools: Vec::new(),
            services: services.clone(),
            workers: 1,
        }));
    }

    fn reload(&mut self) {
        if self.phase != Phase::Serving {
            return;
        }
        let (file, reports) = (self.file.clone(), self.reports.clone());
        tokio::task::spawn_blocking(move || {
            let _ = reports.blocking_send(Report::Reloaded(file::load(&file)));
        });
    }

    fn reloaded(&mut self, result: Result<Loaded, Vec<Mistake>>) {
        if self.phase != Phase::Serving {
            return;
        }
        let new = match result {
            Ok(new) => new,
            Err(mistakes) => {
                tracing::error!(
                    "reload refused, nothing was changed:\n{}",
                    explain(&mistakes).trim_end()
                );
                return;
            }
        };
        let needed = new.config.restart_needed(&self.loaded.config);
        if !needed.is_empty() {
            let needed: Vec<_> = needed.iter().map(ToString::to_string).collect();
            tracing::error!("reload refused, nothing was changed: {}", needed.join("; "));
            return;
        }
        let same_lines = new.config.agent == self.loaded.config.agent;
        let client = self.loaded.client.take();
        self.loaded = new;
        if same_lines {
            self.loaded.client = client;
        }
        self.apply();
        tracing::info!("reloaded");
        match same_lines {
            true => self.tell_everybody(),
            false => self.call_all(),
        }
    }

    fn shut_down(&mut self) {
        if self.phase != Phase::Serving {
            tracing::warn!("asked to end a second time: ending at once");
            self.phase = Phase::Over;
            return;
        }
        tracing::info!("shutting down: services end");
        let services = self.engine.services();
        let longest = services.map(|s| s.spec.stop_timeout).max();
        let until = now().at + longest.unwrap_or_default() + STOP_SLACK;
        self.phase = Phase::Stopping(until);
        self.event(Event::StopServices);
    }

    async fn say_goodbye(&mut self) {
        let why = "the agent ends".to_owned();
        self.say(&FromAgent::Bye { why });
        // Without a sender a line says what waits, hangs up, and tells that it ended.
        let says = self.lines.values_mut().map(|open| open.says.take());
        let mut connected = says.flatten().count();
        let ended = async {
            while connected > 0
                && let Some(report) = self.reports_in.recv().await
            {
                let over = matches!(report, Report::Line(_, LineSays::Ended { .. }));
                connected -= usize::from(over);
            }
        };
        let _ = tokio::time::timeout(GOODBYE_WITHIN, ended).await;
    }
}

/// "service api-1 ready → backoff: signal KILL (pid 4242, 1 restart)".
fn log(t: &ServiceTransition) {
    let (service, from, to) = (&*t.name, t.from.name(), t.to.name());
    match t.to {
        ServiceState::Failed => {
            tracing::error!(target: "evenkeel::service", service, from, to, "{t}");
        }
        ServiceState::Backoff => {
            tracing::warn!(target: "evenkeel::service", service, from, to, "{t}");
        }
        _ => tracing::info!(target: "evenkeel::service", service, from, to, "{t}"),
    }
}
