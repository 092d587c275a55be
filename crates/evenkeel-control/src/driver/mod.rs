//! The driver: one task that owns the engine. It hands events in, carries out what comes out, and sleeps until the next
//! thing is due. Nothing here decides, and nothing here waits for anything slow: probes, look-ups, files and the store
//! have tasks and threads of their own and report back through one bounded queue.

mod account;
mod actions;
mod agents;
mod beats;
mod certificates;
mod changes;
mod commands;
mod facts;
mod find;
mod incidents;
mod journal;
mod learned;
mod load;
mod looks;
mod notices;
mod operator;
mod paths;
mod recovery;
mod redo;
mod restores;
mod sessions;
mod shutdown;
mod sweep;
mod underway;
mod view;
mod written;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::counters::Histogram;
use evenkeel_core::engine::{AgentSaid, Configure, Engine, Event, Running};
use evenkeel_core::id::{EndpointId, Epoch, PoolId};
use evenkeel_core::incident::Actor;
use evenkeel_core::observe::Failure;
use evenkeel_core::table::PoolTable;
use evenkeel_core::time::{Now, Time};
use evenkeel_journal::Recorder;
use evenkeel_probe::clock::{instant, now};
use evenkeel_schema::Config;
use evenkeel_schema::admin::{ErrorAnswer, RecoveryAnswer, Rejected, RevisionAnswer};
use evenkeel_schema::config::etag;
use evenkeel_store::Durability;
use tokio::sync::{mpsc, oneshot};

use crate::agents::{AgentDoor, SAID_MAX, Said};
use crate::api::Door;
use crate::ask::{Access, Ask, Change, Current, Outcome};
use crate::names::{Names, RESOLVE_EVERY, Resolved};
use crate::prepare::Prepared;
use crate::revisions::Revisions;
use crate::storage::{Loaded, Storage};
use crate::{Host, Input, Start, Tls};

/// Reports of tasks waiting to be handled; a task that finds it full waits, the loop never does.
const REPORTS_MAX: usize = 1024;
/// Events of one kind handled before the loop looks at the others again.
const BATCH: usize = 128;
/// Counters are swept this often: quick enough to notice an endpoint's recovery, cheap enough to forget about.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

pub(crate) use agents::AgentSample;
pub(crate) use facts::Newest;
pub(crate) use sessions::live as live_sessions;

/// What a task brings back.
pub(crate) enum Report {
    Probed(looks::Probed),
    AgentSaid(AgentSaid),
    Ready(evenkeel_core::id::ServiceId, Epoch, evenkeel_probe::Outcome),
    Changed(
        Result<Prepared, ErrorAnswer>,
        Option<u64>,
        Option<ChangeAnswer>,
    ),
    Looked(certificates::Looked),
    Acted(actions::Acted),
    Recovery(recovery::Recovered),
    Restored(Result<RecoveryAnswer, String>),
    Brought(Box<notices::Brought>),
}

type ChangeAnswer = oneshot::Sender<Outcome<RevisionAnswer>>;

/// Everything the loop owns.
pub(crate) struct Driver {
    engine: Engine,
    journal: Recorder,
    host: Arc<dyn Host>,
    file: PathBuf,
    workers: usize,
    config: Arc<Config>,
    tls: Arc<Tls>,
    certificates: certificates::Certificates,
    accounts: account::Accounts,
    notices: notices::Notices,
    door: Arc<Door>,
    revisions: Revisions,
    storage: Storage,
    /// Set while the store has not opened yet.
    loading: Option<oneshot::Receiver<Loaded>>,
    /// Orders given before the store had opened; what it remembers of these endpoints is older.
    ordered: std::collections::BTreeSet<(String, String)>,
    /// How much the records written now may lose.
    durability: Durability,
    /// The newest table of each pool.
    tables: BTreeMap<PoolId, Arc<PoolTable>>,
    /// False until the first `Host::apply`, and while a configuration is taken in: tables are handed over together.
    publishing: bool,
    swept: sweep::Swept,
    sessions: sessions::Stored,
    checks: BTreeMap<EndpointId, Arc<Histogram>>,
    looks: looks::Looks,
    facts: facts::Newest,
    /// Those of other hosts.
    agents: agents::Agents,
    restoring: Option<restores::Restoring>,
    names: Names,
    /// Incidents that are over, by cause, since this process began.
    incidents_by_cause: BTreeMap<&'static str, u64>,
    changes: VecDeque<(Change, Option<ChangeAnswer>)>,
    changing: bool,
    rejected: Option<Rejected>,
    rejected_total: u64,
    started: Now,
    ready: bool,
    phase: shutdown::Phase,
    next_sweep: Time,
    next_resolve: Time,
    own: beats::Own,
    reports: mpsc::Sender<Report>,
}

/// The ends of the queues that the loop reads.
pub(crate) struct Queues {
    pub(crate) failures: mpsc::Receiver<Failure>,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    reports: mpsc::Receiver<Report>,
    resolved: mpsc::Receiver<Resolved>,
    said: mpsc::Receiver<Said>,
}

impl Driver {
    /// Takes everything in and serves the first configuration: when this returns, the data plane has it.
    ///
    /// Fences of one node only grow: its clock is ahead of all decisions of every process before this one.
    pub(crate) async fn start(
        start: Start,
        asks: mpsc::Receiver<Ask>,
        door: Arc<Door>,
    ) -> std::io::Result<(Driver, Queues)> {
        let started = now();
        let (storage, loading) = Storage::start(start.config.node.state_dir.clone(), start.resume)?;
        let (reports, reports_in) = mpsc::channel(REPORTS_MAX);
        let (resolved, resolved_in) = mpsc::channel(REPORTS_MAX);
        let (said_in, said) = mpsc::channel(SAID_MAX);
        let queues = Queues {
            failures: start.failures,
            inputs: start.inputs,
            asks,
            reports: reports_in,
            resolved: resolved_in,
            said,
        };
        let driver = Driver {
            engine: Engine::new(started.at.as_nanos(), Epoch(started.at.as_nanos())),
            journal: Recorder::beside(&start.config.node.state_dir, started.at.as_nanos()),
            host: start.host,
            file: start.file,
            workers: start.workers,
            config: start.config,
            certificates: certificates::Certificates::new(start.tls.certificates(), started.at),
            tls: Arc::new(start.tls),
            accounts: account::Accounts::default(),
            notices: notices::Notices::new(started.at.as_nanos()),
            door,
            revisions: Revisions::default(),
            storage,
            loading: Some(loading),
            ordered: std::collections::BTreeSet::new(),
            durability: Durability::Relaxed,
            tables: BTreeMap::new(),
            publishing: false,
            swept: sweep::Swept::default(),
            sessions: sessions::Stored::default(),
            checks: BTreeMap::new(),
            looks: looks::Looks::new(reports.clone()),
            facts: facts::Newest::default(),
            agents: agents::Agents::new(Arc::new(AgentDoor::new(said_in))),
            restoring: None,
            names: Names::new(resolved),
            incidents_by_cause: BTreeMap::new(),
            changes: VecDeque::new(),
            changing: false,
            rejected: None,
            rejected_total: 0,
            started,
            ready: false,
            phase: shutdown::Phase::Serving,
            next_sweep: started.at,
            next_resolve: started.at,
            own: beats::Own::new(),
            reports,
        };
        Ok((driver.begun(start.resume, start.running).await, queues))
    }

    /// Remembers, adopts what runs, and serves.
    async fn begun(mut self, resume: bool, running: Vec<Running>) -> Driver {
        self.load_first(resume).await;
        self.event(Event::Running(running));
        self.configure();
        tracing::info!("serving revision {}", self.revisions.current());
        self
    }

    /// Runs until a shutdown is complete.
    pub(crate) async fn run(mut self, mut queues: Queues) {
        let mut failures = Vec::with_capacity(BATCH);
        while !self.phase.over() {
            let wake = tokio::time::sleep_until(instant(self.next_wake()));
            tokio::select! {
                Some(input) = queues.inputs.recv() => self.input(input),
                n = queues.failures.recv_many(&mut failures, BATCH), if !queues.failures.is_closed() || !queues.failures.is_empty() => {
                    debug_assert_eq!(n, failures.len());
                    for failure in failures.drain(..) {
                        self.event(Event::Failed(failure));
                    }
                }
                Some(report) = queues.reports.recv() => self.report(report),
                Some(resolved) = queues.resolved.recv() => self.resolved(resolved),
                Some(said) = queues.said.recv() => self.agent_said(said),
                Some(ask) = queues.asks.recv() => self.answer(ask),
                Ok(loaded) = async { self.loading.as_mut().expect("only polled while it is there").await }, if self.loading.is_some() => {
                    self.loading = None;
                    self.loaded_late(loaded);
                }
                () = wake => {}
            }
            self.tick();
            self.journal.flush();
        }
        self.journal.close();
        self.close_accounts();
        self.store_last_sessions().await;
        self.store_all().await;
    }

    /// When something is due at the latest.
    fn next_wake(&self) -> Time {
        let engine = self.engine.next_wakeup().unwrap_or(Time::NEVER);
        let phase = self.phase.next_wake();
        engine
            .min(self.next_sweep)
            .min(self.next_resolve)
            .min(self.certificates.next_look())
            .min(self.next_restore())
            .min(self.accounts.next_wakeup())
            .min(self.agents.next_wakeup())
            .min(self.notices.next_wakeup())
            .min(phase)
    }

    /// Does everything that is due.
    fn tick(&mut self) {
        let now = now();
        self.turn(now);
        let at = now.at;
        if self.engine.next_wakeup().is_some_and(|due| due <= at) {
            self.event(Event::Tick);
        }
        if self.next_sweep <= at {
            self.next_sweep = at + SWEEP_EVERY;
            self.sweep(at);
            self.storage.flush();
            self.store_sessions(at);
        }
        if self.next_resolve <= at {
            self.next_resolve = at + RESOLVE_EVERY;
            self.look_up_names();
        }
        if self.accounts.next_wakeup() <= at {
            self.tick_accounts(at);
        }
        self.look_at_certificates(at);
        self.go_on_restoring(at);
        self.tick_agents(at);
        self.go_on_notices(now);
        self.advance_shutdown(at);
    }

    /// Hands one event in and carries out all that comes of it.
    fn event(&mut self, event: Event) {
        let now = now();
        self.turn(now);
        self.journal.handle(&mut self.engine, event, now);
        self.carry_out();
    }

    /// Brings the configuration in force into the engine and the data plane.
    fn configure(&mut self) {
        self.publishing = false;
        self.event(Event::Configure(Configure {
            pools: self.config.pools.clone(),
            services: self.config.services.clone(),
            workers: self.workers,
        }));
        self.hand_over();
        self.publishing = true;
        self.configure_accounts();
        self.configure_agents();
        self.configure_notices();
        self.forget_gone();
        self.look_up_names();
    }

    /// Gives the data plane all of the configuration in force.
    fn hand_over(&self) {
        let tables = self.tables.values().cloned().collect();
        let revision = self.revisions.current();
        self.host.apply(&self.config, &self.tls, revision, tables);
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Reload => self.ask_change(Change::Reload, None),
            Input::Shutdown => self.begin_shutdown(),
            Input::Facts(facts) => self.took_facts(facts),
            Input::Service { name, event } => match self.engine.service_id(&name) {
                Some(service) => self.event(Event::Service { service, event }),
                None => tracing::debug!("{name}: {event:?}, but no such service is known"),
            },
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Probed(probed) => self.probed(probed),
            Report::AgentSaid(said) => self.event(Event::AgentSaid(said)),
            Report::Ready(service, epoch, outcome) => self.looked_ready(service, epoch, &outcome),
            Report::Changed(result, revision, answer) => self.changed(result, revision, answer),
            Report::Acted(acted) => self.acted(acted),
            Report::Recovery(recovered) => self.recovered(recovered),
            Report::Restored(result) => self.restored(result),
            Report::Looked(looked) => self.looked_at_certificates(looked),
            Report::Brought(brought) => self.brought(*brought),
        }
    }

    /// Answers a question; whoever asked may have gone, which is no matter.
    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Status(answer) => drop(answer.send(self.status())),
            Ask::Metrics(answer) => drop(answer.send(self.sample())),
            Ask::Availability(pool, what_if, answer) => {
                let what_if = what_if.as_ref();
                drop(answer.send(self.availability(&pool, what_if)));
            }
            Ask::Availabilities(what_if, answer) => {
                drop(answer.send(self.availabilities(what_if.as_ref())));
            }
            Ask::Ready(answer) => drop(answer.send(self.readiness())),
            Ask::Config(answer) => drop(answer.send(self.current())),
            Ask::Revisions(answer) => drop(answer.send(self.revisions.list())),
            Ask::Access(answer) => drop(answer.send(self.access())),
            Ask::Order {
                pool,
                endpoint,
                state,
                answer,
            } => {
                let done = self.order(&pool, &endpoint, state);
                self.answer_once_written(answer, done);
            }
            Ask::Weight {
                pool,
                endpoint,
                weight,
                answer,
            } => {
                let done = self.weight(&pool, &endpoint, weight);
                self.answer_once_written(answer, done);
            }
            Ask::Beats(beats, answer) => drop(answer.send(self.beats(&beats))),
            Ask::Incidents(answer) => drop(answer.send(self.incidents())),
            Ask::Incident(id, answer) => drop(answer.send(self.incident(id))),
            Ask::Label { id, said, answer } => {
                let done = self.label(id, said);
                self.answer_once_written(answer, done);
            }
            Ask::Change(change, answer) => self.ask_change(change, Some(answer)),
            Ask::Notify(pool, answer) => self.notify_test(&pool, answer),
            Ask::RecoveryPoints(answer) => drop(answer.send(self.recovery_points())),
            Ask::Act {
                service,
                request,
                answer,
            } => self.act(service, request, answer),
            Ask::Verify {
                service,
                id,
                answer,
            } => self.verify(service, id, answer),
            Ask::Restore {
                service,
                id,
                answer,
            } => self.restore(service, id, Actor::Operator, answer),
        }
    }

    fn current(&self) -> Current {
        Current {
            text: self.config.text.clone(),
            etag: etag(&self.config.text),
        }
    }

    fn access(&self) -> Access {
        Access {
            token: self.config.admin.token.clone(),
            client_ca: self
                .config
                .admin
                .tls
                .as_ref()
                .is_some_and(|tls| tls.client_ca.is_some()),
            node: self.config.node.name.clone(),
        }
    }
}
