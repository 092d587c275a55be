//! What the engine sees, as evidence on the boards of the subjects it is about.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnose::{Class, Evidence, Item, Source};
use crate::engine::{ServiceTransition, Transition};
use crate::id::{EndpointId, Epoch};
use crate::observe::{Failure, FailureKind, TlsFailure};
use crate::supervise::ServiceState;
use crate::time::{Now, Time};

use super::ledger::Ledger;
use super::machine::Input;
use super::subject::Subject;

/// Whom an observation is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    /// One endpoint.
    Endpoint(EndpointId),
    /// A supervised service, and all endpoints it is behind.
    Service(Arc<str>),
    /// Everything on a machine.
    Machine(Arc<str>),
    /// Everything: it is about the balancer itself.
    Everything,
}

/// An observation that a shell made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Of whom.
    pub about: About,
    /// Of what.
    pub evidence: Evidence,
    /// Seen, or looked for and not there.
    pub present: bool,
    /// By whom.
    pub source: Source,
    /// The particulars, for people.
    pub value: String,
}

/// The evidence that a failed try of real traffic is.
pub fn of_failure(kind: FailureKind) -> Evidence {
    match kind {
        FailureKind::Connect => Evidence::ConnectionRefused,
        FailureKind::ConnectTimeout => Evidence::ConnectTimeout,
        FailureKind::Unreachable => Evidence::Unreachable,
        FailureKind::Reset => Evidence::ConnectionReset,
        FailureKind::Timeout => Evidence::NoAnswer,
        FailureKind::Garbage => Evidence::Garbage,
        FailureKind::Status(_) => Evidence::ErrorStatus,
        FailureKind::Tls(TlsFailure::Expired) => Evidence::CertificateExpired,
        FailureKind::Tls(_) => Evidence::TlsFailed,
    }
}

impl Ledger {
    /// Something was seen.
    pub fn observed(&mut self, seen: &Observation, now: Now) {
        for key in self.about(&seen.about) {
            self.note(&key, seen.item(now.at), now.at);
        }
    }

    /// A try failed.
    pub fn failed(&mut self, failure: &Failure, now: Now) {
        let seen = Observation {
            about: About::Endpoint(failure.endpoint),
            evidence: of_failure(failure.kind),
            present: true,
            source: Source::Traffic,
            value: failure.kind.name().to_owned(),
        };
        self.observed(&seen, now);
    }

    /// A probe ended. What exactly it saw comes as an [`Observation`] before it.
    pub fn probed(
        &mut self,
        endpoint: EndpointId,
        epoch: Epoch,
        passed: bool,
        detail: &str,
        now: Now,
    ) {
        let Some(key) = self.endpoints.get(&endpoint).cloned() else {
            return;
        };
        let Some(subject) = self.subjects.get_mut(&key) else {
            return;
        };
        let stranger = answered_by_another(subject, epoch, passed);
        if passed {
            subject.board.retract(Source::Check);
        }
        let timed_out = subject.board.get(Evidence::ConnectTimeout);
        let connects = passed && timed_out.is_none_or(|item| !item.present);
        let item = |evidence, present, value: &str| Item {
            evidence,
            present,
            source: Source::Check,
            at: now.at,
            value: value.to_owned(),
        };
        self.note(&key, item(Evidence::CheckFails, !passed, detail), now.at);
        if connects {
            // What is on the way there would hold the first packet up as well.
            self.note(&key, item(Evidence::ConnectTimeout, false, ""), now.at);
        }
        if stranger {
            let value = "somebody answers although its own process has ended";
            self.note(&key, item(Evidence::PortTaken, true, value), now.at);
        }
    }

    /// The process behind it has ended and no other runs: does somebody else answer at its port? `None` = it runs, or this
    /// probe was sent before it ended.
    pub fn port_taken(&self, endpoint: EndpointId, epoch: Epoch, passed: bool) -> Option<bool> {
        let subject = self.subjects.get(self.endpoints.get(&endpoint)?)?;
        let (fence, _) = subject.ended?;
        (epoch > fence).then(|| {
            answered_by_another(subject, epoch, passed) && (passed || !is_refused(subject))
        })
    }

    /// An endpoint's state changed.
    pub fn changed(&mut self, transition: &Transition) {
        if let Some(key) = self.endpoints.get(&transition.endpoint)
            && let Some(subject) = self.subjects.get_mut(key)
        {
            subject.state_is(transition.to);
            self.touched.insert(key.clone());
        }
    }

    /// A service's state changed; `status` is how its process ended, if that was why.
    pub fn service_changed(
        &mut self,
        transition: &ServiceTransition,
        status: Option<&str>,
        fence: Epoch,
        now: Now,
    ) {
        let (from, to) = (transition.from, transition.to);
        let fell = matches!(to, ServiceState::Backoff | ServiceState::Failed);
        let fell = fell && !matches!(from, ServiceState::Backoff | ServiceState::Failed);
        for key in self
            .services
            .get(&transition.name)
            .cloned()
            .unwrap_or_default()
        {
            let Some(subject) = self.subjects.get_mut(&key) else {
                continue;
            };
            let pid = transition.pid.filter(|_| !fell);
            subject.service_is(to, pid, now.at);
            let mut items = Vec::new();
            if fell && !self.ending {
                items = fallen(subject, transition, status, fence, now.at);
            }
            if to == ServiceState::Ready {
                items.push(supervision(
                    Evidence::NotStarted,
                    false,
                    String::new(),
                    now.at,
                ));
            }
            for item in items {
                self.note(&key, item, now.at);
            }
            self.touched.insert(key);
        }
        self.restarted(transition, fell, now);
    }

    /// Supervision's own restart is an action of the incident.
    fn restarted(&mut self, transition: &ServiceTransition, fell: bool, now: Now) {
        let keys = self.services.get(&transition.name);
        let of = |key: &Arc<str>| Some((key.clone(), self.subjects.get(key)?.incident?));
        let Some((target, id)) = keys.into_iter().flatten().find_map(of) else {
            return;
        };
        let action = "restart";
        let waited = matches!(
            transition.from,
            ServiceState::Backoff | ServiceState::Failed
        );
        let ended = |done, detail: &str| Input::ActionEnded {
            action,
            target: target.clone(),
            done,
            detail: detail.to_owned(),
        };
        // Supervision had given it up: that it is started again is a person's doing, which stands there already.
        let given_up = transition.from == ServiceState::Failed;
        let input = match transition.to {
            ServiceState::Starting if given_up && self.is_asked(id) => return,
            ServiceState::Starting if waited => Input::ActionStarted {
                action,
                target,
                why: "its supervision starts again what ended".to_owned(),
                advised: false,
            },
            ServiceState::Ready => ended(true, ""),
            _ if fell => ended(false, &transition.why),
            _ => return,
        };
        self.tell(id, input, now);
    }

    pub(super) fn note(&mut self, key: &Arc<str>, item: Item, at: Time) {
        let Some(subject) = self.subjects.get_mut(key) else {
            return;
        };
        let news = subject.note(item);
        if news && subject.incident.is_some() {
            self.judge_soon(at);
        }
        self.touched.insert(key.clone());
    }

    /// Other endpoints of the machine of one that fails: whether it is the machine is known as soon as they are looked at.
    pub fn neighbours(&self, endpoint: EndpointId) -> Vec<EndpointId> {
        let key = self.endpoints.get(&endpoint);
        let own = key.and_then(|key| self.subjects.get(key));
        let Some((own, machine)) = own.and_then(|s| Some((s, s.spec.machine.as_ref()?))) else {
            return Vec::new();
        };
        let others = self.subjects.values().filter(|other| {
            let near = other.spec.machine.as_ref() == Some(machine);
            near && other.spec.instance != own.spec.instance && other.state.usable()
        });
        others
            .filter_map(|other| other.spec.endpoint)
            .take(NEIGHBOURS_MAX)
            .collect()
    }

    fn about(&self, about: &About) -> Vec<Arc<str>> {
        match about {
            About::Endpoint(id) => self.endpoints.get(id).into_iter().cloned().collect(),
            About::Service(name) => self.services.get(name).cloned().unwrap_or_default(),
            About::Machine(name) => {
                let there = |s: &&Subject| s.spec.machine.as_ref() == Some(name);
                let found = self.subjects.values().filter(there);
                found.map(|s| s.spec.key.clone()).collect()
            }
            About::Everything => self.subjects.keys().cloned().collect(),
        }
    }
}

/// Looked at at once when one of a machine fails: a handful tells as much as a thousand.
const NEIGHBOURS_MAX: usize = 16;

impl Observation {
    fn item(&self, at: Time) -> Item {
        Item {
            evidence: self.evidence,
            present: self.present,
            source: self.source,
            at,
            value: self.value.clone(),
        }
    }
}

/// Its own process has ended, none has been started since, and a probe sent after that was answered: by somebody else.
fn answered_by_another(subject: &Subject, epoch: Epoch, passed: bool) -> bool {
    let Some((fence, ended)) = subject.ended else {
        return false;
    };
    let spoke = subject.board.items(ended).any(|item| {
        item.source == Source::Check && item.present && item.at > ended && speaks(item.evidence)
    });
    epoch > fence && (passed || spoke)
}

/// Does it show that there is somebody? Whoever hangs up has taken the connection.
fn speaks(evidence: Evidence) -> bool {
    let talks = matches!(evidence.entry().class, Class::Answer | Class::Tls);
    evidence == Evidence::ConnectionReset || (talks && evidence != Evidence::CheckFails)
}

/// Was what its check saw last a refusal? An answer before that was somebody's who is gone.
fn is_refused(subject: &Subject) -> bool {
    let refused = subject.board.get(Evidence::ConnectionRefused);
    let Some(refused) = refused.filter(|item| item.present) else {
        return false;
    };
    let of_check = |item: &&Item| item.source == Source::Check && item.present;
    let mut seen = subject.board.items(Time::ZERO).filter(of_check);
    !seen.any(|item| item.at > refused.at && speaks(item.evidence))
}

/// A service ended, could not be started, or did not get ready.
fn fallen(
    subject: &mut Subject,
    transition: &ServiceTransition,
    status: Option<&str>,
    fence: Epoch,
    at: Time,
) -> Vec<Item> {
    let not_ready = transition.from == ServiceState::Stopping;
    let Some(status) = status.filter(|_| !not_ready) else {
        let why = transition.why.clone();
        return vec![supervision(Evidence::NotStarted, true, why, at)];
    };
    let ends = subject.process_ended(fence, at);
    let killed = status.starts_with("signal");
    let clean = status.ends_with(" 0");
    let value = || status.to_owned();
    let mut items = vec![
        supervision(Evidence::ProcessEnded, true, value(), at),
        supervision(Evidence::Killed, killed, value(), at),
        supervision(Evidence::ExitCode, !killed && !clean, value(), at),
    ];
    if Subject::is_loop(ends) {
        let value = format!("{ends} times within two minutes");
        items.push(supervision(Evidence::RestartLoop, true, value, at));
    }
    items
}

fn supervision(evidence: Evidence, present: bool, value: String, at: Time) -> Item {
    Item {
        evidence,
        present,
        source: Source::Supervision,
        at,
        value,
    }
}
