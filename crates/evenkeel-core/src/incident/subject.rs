//! One subject of faults: an endpoint, or a supervised service that no endpoint names. What it is like now follows from
//! the states of the endpoint and of the service behind it; the evidence lies on its board.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::{Board, Evidence, Item, Source};
use crate::id::{EndpointId, Epoch};
use crate::supervise::ServiceState;
use crate::table::State;
use crate::time::Time;

use super::words::Phase;

/// Serving again, it is watched for this long: longer than the first pauses of a service that ends again and again.
const VERIFY: Duration = Duration::from_secs(3);
/// Who was slow, for this long: who still crawls is found after seven seconds.
const VERIFY_SLOW: Duration = Duration::from_secs(8);
/// One sign alone is forgotten after this.
const SUSPICION: Duration = Duration::from_secs(5);
/// A service that is ready as soon as it runs may need this long until its port answers.
const PATIENCE: Duration = Duration::from_secs(5);
/// Ends within this make a loop …
const LOOP_WITHIN: Duration = Duration::from_secs(120);
/// … if there are this many.
const LOOP_ENDS: usize = 3;

/// What is configured of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectSpec {
    /// `pool/endpoint`, or a service's name.
    pub key: Arc<str>,
    /// The endpoint, if it is one.
    pub endpoint: Option<EndpointId>,
    /// Its pool.
    pub pool: Option<Arc<str>>,
    /// The supervised service behind it.
    pub service: Option<Arc<str>>,
    /// Endpoints with the same are one process: its service, else its address.
    pub instance: Arc<str>,
    /// The machine it is on, where that is known.
    pub machine: Option<Arc<str>>,
    /// The zone it is in, where that is said.
    pub zone: Option<Arc<str>>,
    /// The endpoint's state when it was configured.
    pub state: State,
    /// Are there paths of its disks that evenkeel may make room in?
    pub tended: bool,
    /// Of everything that is configured of it: another one = its configuration changed.
    pub fingerprint: u64,
}

/// What it is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Serves.
    Well,
    /// Serves, but there were signs.
    Suspect,
    /// Does not serve and should.
    Down,
    /// Something of it is on its way back.
    Returning,
    /// Is not meant to serve, or nothing is known of it yet.
    Away,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) spec: SubjectSpec,
    pub(crate) board: Board,
    pub(crate) phase: Phase,
    pub(crate) incident: Option<u64>,
    pub(crate) first_sign: Option<Time>,
    last_sign: Time,
    pub(crate) state: State,
    pub(crate) service: Option<ServiceState>,
    pub(crate) pid: Option<u32>,
    /// Something is being done to it.
    pub(crate) treated: bool,
    /// When that ended last.
    pub(crate) settled: Time,
    /// It serves, and will not for long: why.
    pub(crate) ailing: Option<String>,
    /// It was so since it was normal last.
    ailed: bool,
    /// It served under what is configured now.
    pub(crate) served: bool,
    /// Its present process was seen to answer requests, well or not: it had said that it was ready.
    answered: bool,
    ready_at: Time,
    verify_until: Time,
    /// The fence and time of its process' last end, while no other runs.
    pub(crate) ended: Option<(Epoch, Time)>,
    ends: VecDeque<Time>,
}

impl Subject {
    pub(crate) fn new(spec: SubjectSpec) -> Subject {
        Subject {
            board: Board::default(),
            phase: Phase::Normal,
            incident: None,
            first_sign: None,
            last_sign: Time::ZERO,
            state: spec.state,
            service: None,
            pid: None,
            treated: false,
            settled: Time::ZERO,
            ailing: None,
            ailed: false,
            served: spec.state == State::Up,
            answered: false,
            ready_at: Time::ZERO,
            verify_until: Time::NEVER,
            ended: None,
            ends: VecDeque::new(),
            spec,
        }
    }

    /// What it is like.
    pub(crate) fn stand(&self, now: Time) -> Stand {
        if self.treated {
            return Stand::Returning;
        }
        if matches!(self.state, State::Draining | State::Maintenance) {
            return Stand::Away;
        }
        let on_its_way = match self.incident {
            Some(_) => Stand::Returning,
            None => Stand::Away,
        };
        match (self.service, self.state) {
            (Some(ServiceState::Backoff | ServiceState::Failed), _) => Stand::Down,
            (Some(service), _) if service != ServiceState::Ready => on_its_way,
            (_, State::Unknown) => on_its_way,
            (_, State::Trial) if self.incident.is_some() => Stand::Returning,
            (_, State::Down) if now < self.patient_until() => Stand::Suspect,
            (_, State::Down) => Stand::Down,
            _ if self.ailing.is_some() || self.suspicious(now) => Stand::Suspect,
            _ => Stand::Well,
        }
    }

    /// Its process, where that lives all through its trouble. That the one after a crash lives says nothing of the crash, until it
    /// should have served for a while.
    pub(crate) fn lives(&self, now: Time) -> Option<u32> {
        let crashed = self.board.get(Evidence::ProcessEnded);
        let crashed = crashed.is_some_and(|item| item.present);
        let settled = !crashed || now >= self.ready_at + PATIENCE;
        let ready = self.service == Some(ServiceState::Ready);
        self.pid.filter(|_| ready && settled)
    }

    /// Is its own process known to be stopped? Then that is why, whatever others show.
    pub(crate) fn is_stopped(&self) -> bool {
        let stopped = self.board.get(Evidence::ProcessStopped);
        stopped.is_some_and(|item| item.present)
    }

    /// May it be compared with: does it serve, or should it?
    pub(crate) fn observable(&self, now: Time) -> bool {
        self.stand(now) != Stand::Away
    }

    /// Takes an observation in. Does it say anything new?
    pub(crate) fn note(&mut self, item: Item) -> bool {
        self.answered |= item.present && answers(&item);
        if item.present && item.evidence.entry().class.is_symptom() {
            self.first_sign.get_or_insert(item.at);
            self.last_sign = item.at;
        }
        self.board.note(item)
    }

    /// Its state changed. Who was seen to serve gets no more patience, signs of its start or not.
    pub(crate) fn state_is(&mut self, to: State) {
        self.state = to;
        let runs = self.service.is_none_or(|s| s == ServiceState::Ready);
        self.served |= to == State::Up && runs;
    }

    /// The state of the service behind it changed. Returns whether its process ends again and again.
    pub(crate) fn service_is(&mut self, to: ServiceState, pid: Option<u32>, now: Time) {
        self.service = Some(to);
        self.pid = pid;
        if matches!(to, ServiceState::Starting | ServiceState::Ready) {
            self.ended = None;
        }
        if to == ServiceState::Ready {
            self.ready_at = now;
        }
        if to == ServiceState::Starting {
            (self.served, self.answered) = (false, false);
        }
    }

    /// Its process ended when it should not have. How often it did of late.
    pub(crate) fn process_ended(&mut self, fence: Epoch, now: Time) -> usize {
        self.ended = Some((fence, now));
        self.ends.push_back(now);
        while self.ends.len() > LOOP_ENDS
            || self
                .ends
                .front()
                .is_some_and(|at| now.since(*at) > LOOP_WITHIN)
        {
            self.ends.pop_front();
        }
        self.ends.len()
    }

    /// Is that a loop?
    pub(crate) fn is_loop(ends: usize) -> bool {
        ends >= LOOP_ENDS
    }

    /// Where it is now on its way through the incident it is part of.
    pub(crate) fn next_phase(&mut self, now: Time) -> Phase {
        let phase = match (self.stand(now), self.phase) {
            (Stand::Down, _) => Phase::Down,
            (Stand::Suspect, _) if self.ails() => Phase::Suspected,
            (Stand::Returning, _) => Phase::Recovering,
            (Stand::Away, _) => Phase::Normal,
            (_, Phase::Verifying) if now >= self.verify_until => Phase::Normal,
            (_, Phase::Verifying | Phase::Down | Phase::Recovering) => Phase::Verifying,
            (Stand::Suspect, _) => Phase::Suspected,
            (Stand::Well, Phase::Suspected) if self.ailed => Phase::Verifying,
            (Stand::Well, _) => Phase::Normal,
        };
        if phase == Phase::Verifying && self.phase != Phase::Verifying {
            self.verify_until = now + self.verified_after(now);
        }
        self.phase = phase;
        phase
    }

    fn verified_after(&self, now: Time) -> Duration {
        let slow = |item: &Item| item.present && item.evidence == Evidence::SlowAnswers;
        match self.board.items(now).any(slow) {
            true => VERIFY_SLOW,
            false => VERIFY,
        }
    }

    /// Is it about to stop serving?
    pub(crate) fn ails(&self) -> bool {
        self.ailing.is_some()
    }

    /// What is read of it says that it will not serve for long, or not any more. Does that change anything?
    pub(crate) fn ail(&mut self, why: Option<String>, now: Time) -> bool {
        let changed = why.is_some() != self.ailing.is_some();
        if why.is_some() {
            self.first_sign.get_or_insert(now);
            self.ailed = true;
        }
        self.ailing = why;
        changed
    }

    /// It is out of trouble. How its process ended then is no sign of what comes later.
    pub(crate) fn forget_signs(&mut self) {
        self.ailed = false;
        self.first_sign = None;
        self.board.retract(Source::Supervision);
        self.verify_until = Time::NEVER;
    }

    /// When it may be something else by itself.
    pub(crate) fn next_wakeup(&self, now: Time) -> Time {
        let mut next = Time::NEVER;
        if self.phase == Phase::Verifying {
            next = next.min(self.verify_until);
        }
        if self.suspicious(now) && self.phase != Phase::Verifying {
            next = next.min(self.last_sign + SUSPICION);
        }
        if self.state == State::Down && now < self.patient_until() {
            next = next.min(self.patient_until());
        }
        next
    }

    fn suspicious(&self, now: Time) -> bool {
        self.first_sign.is_some() && now < self.last_sign + SUSPICION
    }

    fn patient_until(&self) -> Time {
        match self.service {
            Some(_) if !self.served && !self.answered && self.incident.is_none() => {
                self.ready_at + PATIENCE
            }
            _ => Time::ZERO,
        }
    }
}

/// Does whoever shows this answer what is sent to it? An error as the answer to a check is how many say that they are not ready
/// yet; requests come only to one that has passed its check.
fn answers(item: &Item) -> bool {
    use Evidence::{ErrorStatus, Garbage, WrongAnswer};
    let spoke = matches!(item.evidence, ErrorStatus | WrongAnswer | Garbage);
    spoke && item.source == Source::Traffic
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its process runs since the beginning; its check fails.
    fn starting() -> Subject {
        let mut subject = Subject::new(SubjectSpec {
            key: "app/a1".into(),
            endpoint: None,
            pool: None,
            service: Some("a1".into()),
            instance: "a1".into(),
            machine: None,
            zone: None,
            state: State::Unknown,
            tended: false,
            fingerprint: 0,
        });
        subject.service_is(ServiceState::Starting, None, Time::ZERO);
        subject.service_is(ServiceState::Ready, Some(1), Time::ZERO);
        subject.state_is(State::Down);
        subject
    }

    #[test]
    fn that_the_process_after_a_crash_lives_says_nothing_of_the_crash() {
        let mut subject = starting();
        let soon = Time::from_millis(1_000);
        assert_eq!(subject.lives(soon), Some(1));
        let ended = Item {
            evidence: Evidence::ProcessEnded,
            source: Source::Supervision,
            ..errs(Source::Check, soon)
        };
        subject.note(ended);
        subject.service_is(ServiceState::Backoff, None, soon);
        assert_eq!(subject.lives(soon), None);
        subject.service_is(ServiceState::Ready, Some(2), soon);
        assert_eq!(subject.lives(soon), None);
        assert_eq!(subject.lives(soon + PATIENCE), Some(2));
    }

    fn errs(source: Source, at: Time) -> Item {
        Item {
            evidence: Evidence::ErrorStatus,
            present: true,
            source,
            at,
            value: String::new(),
        }
    }

    #[test]
    fn a_check_that_is_answered_with_an_error_at_the_start_is_waited_for_and_requests_are_not() {
        let soon = Time::from_millis(2_000);
        let mut subject = starting();
        subject.note(errs(Source::Check, soon));
        assert_eq!(subject.stand(soon), Stand::Suspect);
        assert_eq!(subject.stand(Time::from_millis(5_001)), Stand::Down);

        let mut subject = starting();
        subject.note(errs(Source::Traffic, soon));
        assert_eq!(subject.stand(soon), Stand::Down);
    }
}
