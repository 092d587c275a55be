//! The life of one supervised service.
//!
//! ```text
//!  stopped → starting → ready → stopping → stopped
//!               │ ▲       │         │
//!               ▼ │       ▼         ▼
//!              backoff ◀── it ended, or was not ready in time
//!               │
//!               ▼
//!              failed: started too often in too short a time; needs a person
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::settings::{Ready, ServiceSpec};
use crate::time::Time;

use super::backoff;
use super::words::{Act, Change, Input, ServiceEvent, ServiceState, Step};

/// Between two looks at whether a starting service is ready: a restart should not be seen to take longer than it does.
const READY_AGAIN: Duration = Duration::from_millis(100);
/// A look whose answer never came is made again after this.
const READY_LOST: Duration = Duration::from_secs(5);
/// Ready for this long, a service is over its trouble: its next death is a first one again.
const HEALTHY: Duration = Duration::from_secs(10);
/// Ready by its own check, it may need this long until it answers the pool's, which asks more: caches are filled, databases
/// connected to. As long as an incident waits for it.
const SETTLES: Duration = Duration::from_secs(5);
const KILL: i32 = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Goal {
    Run,
    Stop,
    Restart,
}

/// The machine of one service.
#[derive(Debug, Serialize, Deserialize)]
pub struct Supervisor {
    pub(super) spec: Arc<ServiceSpec>,
    rng: Rng,
    pub(super) state: ServiceState,
    goal: Goal,
    pub(super) pid: Option<u32>,
    pub(super) restarts: u32,
    /// Starts within the window of the restart limit, oldest first; never more than the limit.
    starts: VecDeque<Time>,
    /// Deaths in a row without a healthy time between.
    pub(super) deaths: u32,
    since: Time,
    /// When the present state has taken too long; `NEVER` where it may last.
    pub(super) deadline: Time,
    /// When to look for readiness again.
    look_at: Time,
    /// The process runs an older specification.
    outdated: bool,
    /// Readings in a row above its `memory_max`.
    pub(super) over: u32,
    /// It ends because somebody who may wanted it started again, for this reason.
    pub(super) told: Option<String>,
    /// Another process answers at its port since then.
    pub(super) taken_since: Option<Time>,
    /// Somebody exchanges something of it: it is not started until that is done.
    pub(super) held: bool,
}

impl Supervisor {
    /// Stopped, nothing known. `rng` is its own stream.
    pub fn new(spec: Arc<ServiceSpec>, rng: Rng) -> Supervisor {
        Supervisor {
            spec,
            rng,
            state: ServiceState::Stopped,
            goal: Goal::Stop,
            pid: None,
            restarts: 0,
            starts: VecDeque::new(),
            deaths: 0,
            since: Time::ZERO,
            deadline: Time::NEVER,
            look_at: Time::NEVER,
            outdated: false,
            over: 0,
            told: None,
            taken_since: None,
            held: false,
        }
    }

    /// Its state.
    pub fn state(&self) -> ServiceState {
        self.state
    }

    /// Its process, where one runs.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Until when it may take to serve, where it is started for the first time. One that has a check of its own whether it is
    /// ready has until that passes and a little more; for one that has none, its time for getting ready is the measure.
    pub fn starts_until(&self) -> Option<Time> {
        let until = match (self.state, &self.spec.ready) {
            _ if self.restarts > 0 => return None,
            (ServiceState::Starting, _) => self.deadline,
            (ServiceState::Ready, Ready::None) => self.since + self.spec.ready_timeout,
            (ServiceState::Ready, _) => self.since + SETTLES,
            _ => return None,
        };
        Some(until)
    }

    /// What is configured now.
    pub fn spec(&self) -> &Arc<ServiceSpec> {
        &self.spec
    }

    /// Does its process run an older specification?
    pub fn outdated(&self) -> bool {
        self.outdated
    }

    /// A reload brings another specification. Only what a process is started with makes the running one outdated.
    pub fn respecify(&mut self, spec: Arc<ServiceSpec>) {
        let started_with = |s: &ServiceSpec| {
            let limits = (s.care.memory_max, s.care.cpu_max);
            let parts = (&s.command, &s.directory, &s.environment, &s.user, limits);
            format!("{parts:?}")
        };
        let alive = self.pid.is_some() || self.state == ServiceState::Starting;
        if alive && started_with(&spec) != started_with(&self.spec) {
            self.outdated = true;
        }
        self.spec = spec;
    }

    /// When [`Input::Tick`] is next due.
    pub fn next_wakeup(&self) -> Time {
        self.deadline.min(self.look_at)
    }

    /// Takes one input in.
    pub fn on(&mut self, input: Input, now: Time) -> Option<Step> {
        match input {
            Input::Run => self.run("is configured", now),
            Input::Adopt { pid, restarts } => self.adopt(pid, restarts, now),
            Input::Stop => self.stop(Goal::Stop, "was told to stop", now),
            Input::Restart => self.restart(now),
            Input::Port { taken } => self.port(taken, now),
            Input::Event(event) => self.event(event, now),
            Input::Tick => self.tick(now),
        }
    }

    fn event(&mut self, event: ServiceEvent, now: Time) -> Option<Step> {
        match event {
            ServiceEvent::Started { pid } => self.started(pid, now),
            ServiceEvent::StartFailed { why } => {
                let waiting = self.state == ServiceState::Starting && self.pid.is_none();
                waiting.then(|| self.ended(format!("could not be started: {why}"), now))
            }
            ServiceEvent::Exited { pid, status } => {
                (self.pid == Some(pid)).then(|| self.ended(format!("ended: {status}"), now))
            }
            ServiceEvent::ReadyProbed { passed, .. } => self.ready_probed(passed, now),
            ServiceEvent::Told { order, why } => self.told(order, &why, now),
            ServiceEvent::Memory { bytes } => self.memory(bytes, now),
            ServiceEvent::Reset => (self.state == ServiceState::Failed)
                .then(|| self.begin("was told to try again".into(), true, now)),
        }
    }

    pub(super) fn run(&mut self, why: &str, now: Time) -> Option<Step> {
        if self.held {
            return None;
        }
        match (self.state, self.goal) {
            (ServiceState::Stopped | ServiceState::Failed, _) => {
                Some(self.begin(why.into(), true, now))
            }
            (_, Goal::Stop) => {
                self.goal = Goal::Restart;
                None
            }
            _ => None,
        }
    }

    fn adopt(&mut self, pid: u32, restarts: u32, now: Time) -> Option<Step> {
        self.goal = Goal::Run;
        self.pid = Some(pid);
        self.restarts = restarts;
        self.starts.push_back(now);
        self.since = now;
        let why = "ran already".to_owned();
        self.await_readiness(why, now)
    }

    fn restart(&mut self, now: Time) -> Option<Step> {
        match self.state {
            ServiceState::Starting | ServiceState::Ready => {
                self.stop(Goal::Restart, "its configuration changed", now)
            }
            ServiceState::Failed => self.run("is configured", now),
            _ => None,
        }
    }

    pub(super) fn stop(&mut self, goal: Goal, why: &str, now: Time) -> Option<Step> {
        self.goal = goal;
        match (self.state, self.pid) {
            (ServiceState::Starting | ServiceState::Ready, Some(_)) => {
                self.deadline = now + self.spec.stop_timeout;
                self.look_at = Time::NEVER;
                let signal = Act::Signal(self.spec.stop_signal);
                Some(self.enter(ServiceState::Stopping, why.into(), Some(signal), now))
            }
            (ServiceState::Backoff | ServiceState::Failed, _) => {
                self.deadline = Time::NEVER;
                Some(self.enter(ServiceState::Stopped, why.into(), None, now))
            }
            // Not started yet (its number is still to come), already stopping, or stopped.
            _ => None,
        }
    }

    /// Starts it, unless that was done too often. `fresh` forgets what was before.
    pub(super) fn begin(&mut self, why: String, fresh: bool, now: Time) -> Step {
        if fresh {
            self.starts.clear();
            self.deaths = 0;
        }
        self.goal = Goal::Run;
        self.pid = None;
        self.outdated = false;
        self.over = 0;
        self.taken_since = None;
        self.starts.push_back(now);
        self.deadline = now + self.spec.ready_timeout;
        self.look_at = Time::NEVER;
        self.enter(ServiceState::Starting, why, Some(Act::Start), now)
    }

    fn started(&mut self, pid: u32, now: Time) -> Option<Step> {
        if self.state != ServiceState::Starting || self.pid.is_some() {
            return None;
        }
        self.pid = Some(pid);
        if self.goal != Goal::Run {
            return self.stop(self.goal, "was told to stop while it started", now);
        }
        self.await_readiness(format!("runs as process {pid}"), now)
    }

    fn await_readiness(&mut self, why: String, now: Time) -> Option<Step> {
        if self.spec.ready == Ready::None {
            return Some(self.serve(why, now));
        }
        self.deadline = now + self.spec.ready_timeout;
        self.look_at = now + READY_LOST;
        Some(match self.state {
            ServiceState::Starting => Step {
                change: None,
                act: Some(Act::ProbeReady),
            },
            _ => self.enter(ServiceState::Starting, why, Some(Act::ProbeReady), now),
        })
    }

    fn ready_probed(&mut self, passed: bool, now: Time) -> Option<Step> {
        if self.state != ServiceState::Starting || self.pid.is_none() {
            return None;
        }
        if passed {
            return Some(self.serve("is ready".into(), now));
        }
        self.look_at = now + READY_AGAIN;
        None
    }

    fn serve(&mut self, why: String, now: Time) -> Step {
        self.deadline = Time::NEVER;
        self.look_at = Time::NEVER;
        self.enter(ServiceState::Ready, why, None, now)
    }

    /// Its process is gone.
    fn ended(&mut self, why: String, now: Time) -> Step {
        self.pid = None;
        self.look_at = Time::NEVER;
        self.deadline = Time::NEVER;
        match self.goal {
            Goal::Stop => self.enter(ServiceState::Stopped, why, None, now),
            Goal::Restart => {
                self.restarts = self.restarts.saturating_add(1);
                let why = self.told.take();
                let why = why.unwrap_or_else(|| "its configuration changed".into());
                self.begin(why, true, now)
            }
            Goal::Run => self.wait_or_give_up(why, now),
        }
    }

    fn wait_or_give_up(&mut self, why: String, now: Time) -> Step {
        if self.state == ServiceState::Ready && now.since(self.since) >= HEALTHY {
            self.deaths = 0;
        }
        self.deaths = self.deaths.saturating_add(1);
        let wait = backoff::wait(self.deaths, &mut self.rng);
        let within = self.spec.restart_within;
        while self
            .starts
            .front()
            .is_some_and(|&start| (now + wait).since(start) >= within)
        {
            self.starts.pop_front();
        }
        if self.starts.len() >= self.spec.restart_starts.max(1) as usize {
            let why = format!(
                "{why}; started {} times within {within:?}, needs a person: mend it, then reload",
                self.starts.len()
            );
            return self.enter(ServiceState::Failed, why, None, now);
        }
        self.deadline = now + wait;
        let why = format!("{why}; is started again in {wait:?}");
        self.enter(ServiceState::Backoff, why, None, now)
    }

    fn tick(&mut self, now: Time) -> Option<Step> {
        if now >= self.deadline {
            return self.overdue(now);
        }
        (now >= self.look_at).then(|| {
            self.look_at = now + READY_LOST;
            Step {
                change: None,
                act: Some(Act::ProbeReady),
            }
        })
    }

    fn overdue(&mut self, now: Time) -> Option<Step> {
        match self.state {
            ServiceState::Starting if self.pid.is_none() => {
                Some(self.ended("was asked for but never began".into(), now))
            }
            ServiceState::Starting => {
                let why = format!("was not ready within {:?}", self.spec.ready_timeout);
                self.stop(Goal::Run, &why, now)
            }
            ServiceState::Stopping => {
                self.deadline = now + self.spec.stop_timeout.max(Duration::from_secs(1));
                Some(Step {
                    change: None,
                    act: Some(Act::Signal(KILL)),
                })
            }
            ServiceState::Backoff => {
                self.restarts = self.restarts.saturating_add(1);
                Some(self.begin("is started again".into(), false, now))
            }
            _ => {
                self.deadline = Time::NEVER;
                None
            }
        }
    }

    pub(super) fn enter(
        &mut self,
        to: ServiceState,
        why: String,
        act: Option<Act>,
        now: Time,
    ) -> Step {
        let from = std::mem::replace(&mut self.state, to);
        self.since = now;
        Step {
            change: Some(Change { from, to, why }),
            act,
        }
    }
}
