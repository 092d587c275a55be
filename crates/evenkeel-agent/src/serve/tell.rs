//! What balancers are told: every service once, each change, heartbeats, facts.
//!
//! Nobody waits for a balancer: what does not fit into its queue is not sent. Of heartbeats and facts the next ones say as much; of a
//! change the line is cut, so that everything is told anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::ServiceView;
use evenkeel_core::facts::{Facts, ProcessState};
use evenkeel_core::id::ServiceId;
use evenkeel_core::supervise::ServiceState;
use evenkeel_core::time::Time;
use evenkeel_probe::clock::now;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::BeatState;
use evenkeel_schema::agent::{
    Beat, CareReport, Ended, FactsReport, FromAgent, ServiceBeat, ServiceReport,
};
use tokio::sync::mpsc::error::TrySendError;

use super::points::ToldPoints;
use super::worker::Worker;

/// What was told last, and what is needed to tell more.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The process of each service, as told.
    processes: BTreeMap<Arc<str>, (Option<u32>, u32)>,
    /// The process that ended last, and how.
    ended: BTreeMap<String, Ended>,
    /// Services whose processes stand still: they do not beat.
    frozen: BTreeSet<Arc<str>>,
    /// Recovery points.
    pub(super) points: ToldPoints,
    sequence: u64,
    every: Duration,
    next_beat: Time,
}

impl Told {
    pub(super) fn next_beat(&self) -> Time {
        self.next_beat
    }

    pub(super) fn beat_every(&mut self, every: Duration) {
        self.every = every;
    }

    pub(super) fn ended(&mut self, name: &str, pid: u32, how: &str) {
        let how = how.to_owned();
        self.ended.insert(name.to_owned(), Ended { pid, how });
    }
}

impl Worker {
    /// Everything, to one that has just welcomed us.
    pub(super) fn tell_all(&mut self, line: u64) {
        let services = self.engine.services();
        let all = |view: ServiceView<'_>| ServiceReport {
            points: self.told.points.of(&view),
            ..self.of(&view)
        };
        let services = services.map(all).collect();
        self.say_to(line, &FromAgent::Services { services }, true);
        // It need not wait for the next beat to know that they live.
        let beat = self.lively();
        self.say_to(line, &FromAgent::Beat(beat), false);
    }

    /// Everything, to everybody.
    pub(super) fn tell_everybody(&mut self) {
        for line in self.lines.keys().copied().collect::<Vec<_>>() {
            self.tell_all(line);
        }
    }

    /// One service changed.
    pub(super) fn tell_service(&mut self, service: ServiceId) {
        let Some(view) = self.engine.service(service) else {
            return;
        };
        let name = view.spec.name.clone();
        let process = (view.pid, view.restarts);
        let report = FromAgent::Service(self.of(&view));
        self.told.processes.insert(name, process);
        self.say_sure(&report);
    }

    /// Whoever has got another process without a change of its state.
    pub(super) fn tell_processes(&mut self) {
        let told = &self.told.processes;
        let news =
            |view: &ServiceView<'_>| told.get(&view.spec.name) != Some(&(view.pid, view.restarts));
        let changed: Vec<_> = self.engine.services().filter(news).map(|v| v.id).collect();
        for service in changed {
            self.tell_service(service);
        }
    }

    /// A service as it is; its recovery points as they were told.
    pub(super) fn of(&self, view: &ServiceView<'_>) -> ServiceReport {
        let mut why = view.why.to_owned();
        why.truncate(why.floor_char_boundary(1024));
        ServiceReport {
            name: view.spec.name.to_string(),
            state: view.state.name().into(),
            age_ms: now().wall.0.saturating_sub(view.since.0),
            why,
            pid: view.pid,
            restarts: view.restarts,
            ended: self.told.ended.get(&*view.spec.name).cloned(),
            care: CareReport::new(&view.spec.care),
            points: None,
        }
    }

    /// A heartbeat, when it is due.
    pub(super) fn beat(&mut self, at: Time) {
        if at < self.told.next_beat {
            return;
        }
        self.told.next_beat = at + self.told.every;
        self.told.sequence += 1;
        let beat = FromAgent::Beat(self.lively());
        self.say(&beat);
    }

    fn lively(&self) -> Beat {
        let alive = |view: ServiceView<'_>| {
            let state = match view.state {
                ServiceState::Starting => BeatState::Starting,
                ServiceState::Ready => BeatState::Ready,
                ServiceState::Stopping => BeatState::Stopping,
                _ => return None,
            };
            let beats = view.pid.is_some() && !self.told.frozen.contains(&view.spec.name);
            beats.then(|| ServiceBeat {
                name: view.spec.name.to_string(),
                state,
            })
        };
        let ms = self.told.every.as_millis();
        Beat {
            sequence: self.told.sequence,
            interval_ms: u64::try_from(ms).unwrap_or(u64::MAX),
            services: self.engine.services().filter_map(alive).collect(),
        }
    }

    pub(super) fn tell_facts(&mut self, facts: &Facts) {
        let frozen = facts
            .services
            .iter()
            .filter(|f| matches!(f.process, ProcessState::Stopped | ProcessState::Zombie));
        self.told.frozen = frozen.map(|f| f.name.clone()).collect();
        if self.lines.values().any(|open| open.says.is_some()) {
            let report = FactsReport::new(Stamp(now().wall), facts);
            self.say(&FromAgent::Facts(report));
        }
    }

    /// To everybody who has room.
    pub(super) fn say(&mut self, message: &FromAgent) {
        for line in self.lines.keys().copied().collect::<Vec<_>>() {
            self.say_to(line, message, false);
        }
    }

    /// To everybody, for sure.
    pub(super) fn say_sure(&mut self, message: &FromAgent) {
        for line in self.lines.keys().copied().collect::<Vec<_>>() {
            self.say_to(line, message, true);
        }
    }

    pub(super) fn say_to(&mut self, line: u64, message: &FromAgent, sure: bool) {
        let Some(open) = self.lines.get_mut(&line) else {
            return;
        };
        let Some(says) = &open.says else {
            return;
        };
        if let Err(TrySendError::Full(_)) = says.try_send(message.clone())
            && sure
        {
            tracing::warn!("{} at {} takes too little: cut off", open.node, open.to);
            open.says = None;
        }
    }
}
