//! One action under way, from its decision to its proof.
//!
//! ```text
//!  noting → draining → step 1 → step 2 … → proving → cured
//!                        │                    │
//!                        └── it failed ───────┴─▶ undo, if there is one → failed
//! ```
//!
//! It is written down first, so that whoever comes after a crash does not do it twice; and it is proved by new observations, never by an
//! exit code.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::Cause;
use crate::id::{EndpointId, Epoch};
use crate::supervise::ServiceState;
use crate::time::{Now, Time, WallTime};

use super::actions::{Action, Kept, Step};
use super::case::{Behind, Case, Condition};

/// A disk that does not take the note in time does not keep a service from being healed.
const NOTED_WITHIN: Duration = Duration::from_secs(1);
/// Requests under way have so long to be answered before a service is taken away; its own `stop_timeout` comes after that.
const DRAINED_WITHIN: Duration = Duration::from_secs(5);
/// Files and programs of the host.
const HOST_WITHIN: Duration = Duration::from_secs(90);
/// Data is exchanged.
const CONTROL_WITHIN: Duration = Duration::from_secs(900);
/// Beyond a service's own time-outs: for the word that it worked.
const SLACK: Duration = Duration::from_secs(5);
/// Done, it shows within this whether it helped: some checks, or readings of facts.
const PROVED_WITHIN: Duration = Duration::from_secs(8);
/// On its way back (held, in trial) it has so long.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// It must be well for so long: as long as an incident is watched before it closes.
const PROOF: Duration = Duration::from_secs(3);

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// Waits for the word that it is written down.
    Noting { until: Time },
    /// Waits for requests under way.
    Draining { until: Time },
    /// Waits for a step's end.
    Doing {
        step: usize,
        epoch: Epoch,
        until: Time,
    },
    /// Waits for what new observations say.
    Proving {
        until: Time,
        latest: Time,
        well_since: Option<Time>,
    },
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Move {
    /// Nothing but waiting.
    Wait,
    /// Drain it.
    Drain,
    /// Take this step.
    Take(Step),
    /// The steps are done: let it show itself.
    Show,
    /// It did not help, or could not be done: take it back.
    Undo(String),
    /// It is over.
    Over { cured: bool, detail: String },
}

/// An action under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Course {
    pub(crate) incident: u64,
    pub(crate) subject: Arc<str>,
    pub(crate) pool: Arc<str>,
    pub(crate) endpoint: Option<EndpointId>,
    pub(crate) service: Option<Arc<str>>,
    /// An agent supervises the service: it is ordered a whole action, and starts the service again itself.
    elsewhere: bool,
    pub(crate) action: Kept,
    pub(crate) cause: Cause,
    pub(crate) argument: Option<String>,
    pub(crate) since: WallTime,
    pub(crate) why: String,
    pub(crate) stage: Stage,
    /// The process before the present step.
    before: Option<u32>,
    /// What shells said of the steps so far.
    pub(crate) said: Vec<String>,
    /// It is being taken back, because of this.
    undoing: Option<String>,
    /// Is the endpoint drained, or its load lowered, by this?
    pub(crate) withheld: bool,
    pub(crate) relieved: bool,
    /// A person did something about it meanwhile: whether this helped cannot be known any more.
    pub(crate) overtaken: bool,
}

impl Course {
    pub(crate) fn new(
        case: &Case<'_>,
        action: &'static Action,
        cause: Cause,
        why: String,
        argument: Option<String>,
        now: Now,
    ) -> Course {
        Course {
            incident: case.incident,
            subject: case.subject.clone(),
            pool: case.pool.clone(),
            endpoint: case.endpoint,
            service: case.service.as_ref().map(|s| s.name.clone()),
            elsewhere: case.service.as_ref().is_some_and(|s| s.id.is_none()),
            action: Kept(action),
            cause,
            argument,
            since: case.since,
            why,
            stage: Stage::Noting {
                until: now.at + NOTED_WITHIN,
            },
            before: None,
            said: Vec::new(),
            undoing: None,
            withheld: false,
            relieved: false,
            overtaken: false,
        }
    }

    /// When [`Course::go_on`] is next due although nothing happened.
    pub(crate) fn next_wakeup(&self) -> Time {
        match self.stage {
            Stage::Noting { until } | Stage::Draining { until } => until,
            Stage::Doing { until, .. } => until,
            Stage::Proving {
                until, well_since, ..
            } => match well_since {
                Some(since) => since + PROOF,
                None => until,
            },
        }
    }

    /// It is written down.
    pub(crate) fn noted(&mut self, now: Now) {
        if let Stage::Noting { until } = &mut self.stage {
            *until = now.at;
        }
    }

    /// A step of this fence begins; the service is as given.
    pub(crate) fn taken(&mut self, step: usize, epoch: Epoch, service: Option<&Behind>, now: Now) {
        let kind = self.steps()[step];
        self.before = service.and_then(|s| s.pid);
        let until = now.at + limit(kind, service);
        self.stage = Stage::Doing { step, epoch, until };
    }

    /// A shell says how the step of this fence ended.
    pub(crate) fn acted(&mut self, epoch: Epoch, result: Result<String, String>) -> Option<Move> {
        let Stage::Doing {
            step, epoch: of, ..
        } = self.stage
        else {
            return None;
        };
        if of != epoch {
            return None;
        }
        match result {
            Ok(said) => {
                self.said.push(said);
                Some(self.after(step))
            }
            Err(why) => Some(self.vain(why)),
        }
    }

    /// What is to be done now.
    pub(crate) fn go_on(&mut self, case: Option<&Case<'_>>, now: Now) -> Move {
        match self.stage {
            Stage::Noting { until } if now.at < until => Move::Wait,
            Stage::Noting { .. } => self.drain(case, now),
            Stage::Draining { until } => {
                let waiting = case.map_or(0, |case| case.waiting);
                match waiting > 0 && now.at < until {
                    true => Move::Wait,
                    false => Move::Take(self.steps()[0]),
                }
            }
            Stage::Doing { step, until, .. } => self.watch(step, until, case, now),
            Stage::Proving { .. } => self.prove(case, now),
        }
    }

    fn steps(&self) -> &'static [Step] {
        match self.undoing {
            Some(_) => self.action.0.undo,
            None => self.action.0.steps,
        }
    }

    /// One that answers nothing keeps its requests until they run out: the sooner it goes, the sooner they are tried elsewhere.
    fn drain(&mut self, case: Option<&Case<'_>>, now: Now) -> Move {
        let usable = case.is_some_and(|case| case.usable);
        let silent = matches!(self.cause, Cause::ProcessHung | Cause::ProcessDead);
        let Some(_) = self.endpoint.filter(|_| self.action.0.drains) else {
            return Move::Take(self.steps()[0]);
        };
        let wait = if silent && !usable {
            Duration::ZERO
        } else {
            DRAINED_WITHIN
        };
        self.stage = Stage::Draining {
            until: now.at + wait,
        };
        Move::Drain
    }

    fn after(&mut self, step: usize) -> Move {
        let whole = self.elsewhere && self.steps()[step] == Step::Host;
        match self.steps().get(step + 1).filter(|_| !whole) {
            Some(next) => Move::Take(*next),
            None => Move::Show,
        }
    }

    pub(crate) fn next_step(&self) -> usize {
        match self.stage {
            Stage::Doing { step, .. } => step + 1,
            _ => 0,
        }
    }

    fn watch(&mut self, step: usize, until: Time, case: Option<&Case<'_>>, now: Now) -> Move {
        let service = case.and_then(|case| case.service.as_ref());
        let kind = self.steps()[step];
        match kind {
            Step::Watch(_) if case.is_none_or(|c| c.condition == Condition::Well) => {
                return Move::Show;
            }
            Step::Watch(_) if now.at >= until => return self.after(step),
            Step::Restart | Step::Kill | Step::TryAgain => {
                if let Some(done) = self.restarted(kind, service) {
                    return match done {
                        Ok(()) => self.after(step),
                        Err(why) => self.vain(why),
                    };
                }
            }
            Step::Signal(_) | Step::Relief => return self.after(step),
            _ => {}
        }
        match now.at >= until {
            true => self.vain("it did not come to an end in time".to_owned()),
            false => Move::Wait,
        }
    }

    /// Does another process of it serve?
    fn restarted(&self, kind: Step, service: Option<&Behind>) -> Option<Result<(), String>> {
        let Some(service) = service else {
            return Some(Err("the service is gone".to_owned()));
        };
        match service.state {
            ServiceState::Ready if service.pid != self.before || kind == Step::TryAgain => {
                Some(Ok(()))
            }
            ServiceState::Backoff | ServiceState::Failed => {
                Some(Err("it ended again, or did not get ready".to_owned()))
            }
            _ => None,
        }
    }

    /// The steps are done.
    pub(crate) fn show(&mut self, now: Now) {
        self.stage = Stage::Proving {
            until: now.at + PROVED_WITHIN,
            latest: now.at + BACK_WITHIN,
            well_since: None,
        };
    }

    fn prove(&mut self, case: Option<&Case<'_>>, now: Now) -> Move {
        if let Some(why) = self.undoing.clone() {
            return Move::Over {
                cured: false,
                detail: format!("{why}; taken back"),
            };
        }
        let Stage::Proving {
            until,
            latest,
            well_since,
        } = &mut self.stage
        else {
            return Move::Wait;
        };
        // No case: the incident closed, or what it was about is gone.
        match case.map_or(Condition::Well, |case| case.condition) {
            Condition::Well => {
                let since = *well_since.get_or_insert(now.at);
                if case.is_none() || now.at >= since + PROOF {
                    return Move::Over {
                        cured: true,
                        detail: self.said.join("; "),
                    };
                }
                Move::Wait
            }
            Condition::Returning => {
                *well_since = None;
                *until = (now.at + PROVED_WITHIN).min(*latest);
                match now.at >= *latest {
                    true => self.vain("it did not come back in time".to_owned()),
                    false => Move::Wait,
                }
            }
            Condition::Down | Condition::Ailing => {
                *well_since = None;
                match now.at >= *until {
                    true => self.vain("the fault is still there".to_owned()),
                    false => Move::Wait,
                }
            }
        }
    }

    /// It did not help.
    fn vain(&mut self, why: String) -> Move {
        if self.undoing.is_some() {
            let detail = format!("{why} while it was taken back");
            return Move::Over {
                cured: false,
                detail,
            };
        }
        // Only what was done can be undone.
        let done = !self.said.is_empty() && !self.action.0.undo.is_empty();
        match done {
            true => Move::Undo(why),
            false => Move::Over {
                cured: false,
                detail: why,
            },
        }
    }

    /// It is taken back from now on.
    pub(crate) fn undo(&mut self, why: String) -> Step {
        self.undoing = Some(why);
        self.stage = Stage::Draining { until: Time::ZERO };
        self.action.0.undo[0]
    }

    /// Where it is, for people.
    pub(crate) fn stage_words(&self) -> &'static str {
        match (self.stage, &self.undoing) {
            (_, Some(_)) => "being taken back",
            (Stage::Noting { .. }, _) => "about to begin",
            (Stage::Draining { .. }, _) => "draining",
            (Stage::Doing { .. }, _) => "under way",
            (Stage::Proving { .. }, _) => "done, and being watched",
        }
    }
}

fn limit(step: Step, service: Option<&Behind>) -> Duration {
    match step {
        Step::Restart | Step::Kill | Step::TryAgain => {
            let own = service.map_or(Duration::ZERO, |s| {
                s.spec.stop_timeout + s.spec.ready_timeout
            });
            own + SLACK
        }
        Step::Host => HOST_WITHIN,
        Step::Balancer | Step::Control => CONTROL_WITHIN,
        Step::Watch(wait) => wait,
        Step::Signal(_) | Step::Relief => Duration::ZERO,
    }
}
