//! One endpoint: what its parts say, put together into the one state everybody sees.
//!
//! Two standings are kept: what check and traffic *found*, and what is *shown*, where an operator's word covers the
//! former. So nothing is lost while an operator holds an endpoint out, and a restart carries the findings.
//!
//! A fault that the check can see is the check's: when it says down, an ejection by real traffic ends, and the way back
//! is rise, hold and ramp. An endpoint whose checks pass while its traffic fails comes back by trial. Down by its heartbeat
//! it is down whatever its checks say, and comes back when both agree.

mod beating;
mod operator;
mod pathing;
mod probing;
mod ruling;
mod sign;
mod starting;
mod suspicion;
mod told;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::counters::EndpointShared;
use crate::failover::path::{Change, Path};
use crate::id::EndpointId;
use crate::prevent::{Relief, Reliever};
use crate::settings::{EndpointSpec, PoolSpec};
use crate::table::{Ramp, State};
use crate::time::{Now, Time, WallTime};

use super::agent_check::AgentCheck;
use super::check::{Check, Verdict};
use super::heartbeat::Heartbeat;
use super::outlier::Outlier;
use super::schedule::{Pace, Schedule};
use super::standing::{DecidedBy, Order, Standing, clip};
use super::traffic::{By, NO_BURDEN};
use super::usage::Usage;
pub(crate) use pathing::rules;
use probing::Durations;
pub use sign::Sign;

/// Counters are read every 100 ms while anything waits.
const READ_WITHIN: Duration = Duration::from_millis(500);

/// What an endpoint needs to know of its pool.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The pool's settings.
    pub spec: &'a PoolSpec,
    /// Endpoints that may be given ordinary work, this one included.
    pub usable: usize,
    /// Of these, the ones up and neither in trial nor under suspicion.
    pub up: usize,
    /// Endpoints ejected, in trial or under suspicion.
    pub out: usize,
    /// This machine reaches nobody: what is not reached from here is no fault of an endpoint's.
    pub cut: bool,
}

/// What came of a sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The state everybody sees changed: from, to.
    pub shown: Option<(State, State)>,
    /// Its row in the table changed.
    pub row: bool,
    /// What a restart carries changed.
    pub record: bool,
    /// Its trial is to be given this many requests.
    pub permits: Option<u32>,
    /// There is something to be said of it that is no change of state: `said`.
    pub said: bool,
}

/// An endpoint and all that is known of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) spec: EndpointSpec,
    /// The one in use, resolved.
    pub(crate) address: Option<Address>,
    pub(crate) path: Path,
    /// Another address came into use, and nobody was told yet.
    pub(crate) change: Option<Change>,
    /// It was ejected while there was doubt about its path.
    ejected_in_doubt: bool,
    #[serde(with = "crate::keep::shared")]
    pub(crate) shared: Arc<EndpointShared>,
    pub(crate) check: Check,
    pub(crate) agent: AgentCheck,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) outlier: Outlier,
    pub(crate) schedule: Schedule,
    pub(crate) order: Option<Order>,
    /// The recovery holds it out, because of this.
    pub(crate) withheld: Option<String>,
    pub(crate) weight: Option<u32>,
    pub(crate) ramp: Option<Ramp>,
    /// Why it gets less than its weight for now.
    pub(crate) relief: Relief,
    pub(crate) found: Standing,
    pub(crate) shown: Standing,
    /// Was a probe of it answered since this process began?
    pub(crate) probed: bool,
    /// What would have been done but was not: an ejection not enforced, or refused by the pool.
    pub(crate) note: String,
    /// The evidence, while it is silent with requests in flight.
    pub(crate) suspicion: Option<String>,
    /// Which rule of real traffic ejected it last.
    pub(crate) ejected_by: Option<By>,
    /// What was last to be said of it beside changes of state.
    pub(crate) said: String,
    said_at: Time,
    /// How much heavier its tries in flight count, in thousandths.
    pub(crate) burden: u32,
    /// How much of it is used.
    pub(crate) usage: Usage,
    /// How often each rule took it out.
    pub(crate) ejections: [u64; By::ALL.len()],
    /// How often each rule would have.
    pub(crate) spared: [u64; By::ALL.len()],
    /// How long its passed checks took.
    took: Durations,
    /// Ejected for its silence, probes included; so many have passed since.
    heard_again: Option<u32>,
    /// Its new service does not answer yet, and may take until then.
    pub(crate) starting: Option<Time>,
    /// Its next rise ramps, even from unknown: it comes back from maintenance.
    ramps_next: bool,
    /// Requests that waited for it when its counters were read last, and when that was.
    pub(crate) waiting: (u64, Time),
    /// The end of our own last pause, and until when traffic's time-outs are put down to it.
    excused: (Time, Time),
}

/// How it stands before its first probe.
fn unseen(resolved: bool, wall: WallTime) -> Standing {
    let why = match resolved {
        true => "not seen yet",
        false => "its name is not resolved yet",
    };
    Standing {
        state: State::Unknown,
        since: wall,
        why: why.into(),
        by: DecidedBy::Config,
    }
}

impl Endpoint {
    /// Never seen; probed at once, later in its `place` of the interval (in thousandths).
    pub fn new(
        id: EndpointId,
        spec: EndpointSpec,
        workers: usize,
        place: u32,
        wall: WallTime,
    ) -> Endpoint {
        let path = Path::new(&spec, wall);
        let address = path.address().cloned();
        let found = unseen(address.is_some(), wall);
        let mut schedule = Schedule::new(place);
        if address.is_none() {
            schedule.stop();
        }
        Endpoint {
            id,
            address,
            path,
            change: None,
            ejected_in_doubt: false,
            shared: Arc::new(EndpointShared::new(workers)),
            check: Check::new(),
            agent: AgentCheck::new(place),
            heartbeat: Heartbeat::default(),
            outlier: Outlier::default(),
            schedule,
            order: None,
            withheld: None,
            weight: None,
            ramp: None,
            relief: Relief::default(),
            shown: found.clone(),
            found,
            probed: false,
            note: String::new(),
            suspicion: None,
            ejected_by: None,
            said: String::new(),
            said_at: Time::ZERO,
            burden: NO_BURDEN,
            usage: Usage::default(),
            ejections: Default::default(),
            spared: Default::default(),
            took: Durations::default(),
            heard_again: None,
            starting: None,
            ramps_next: false,
            waiting: (0, Time::ZERO),
            excused: (Time::ZERO, Time::ZERO),
            spec,
        }
    }

    /// What was found before a restart. `ejected_until` is on this process' clock.
    pub fn restore(&mut self, found: Standing, ejected: Option<(Time, u32)>, failback_auto: bool) {
        let verdict = match found.state {
            State::Down if matches!(found.by, DecidedBy::Heartbeat | DecidedBy::AgentCheck) => {
                Verdict::Unknown
            }
            State::Down if ejected.is_none() => Verdict::Down,
            State::Down | State::Up | State::Trial => Verdict::Up,
            _ => Verdict::Unknown,
        };
        self.check = Check::restored(verdict, failback_auto);
        if let Some((until, ejections)) = ejected {
            self.outlier = Outlier::restored(until, ejections);
        }
        if found.by == DecidedBy::AgentCheck && !found.state.usable() {
            self.agent.carry(found.state, &found.why);
        }
        self.found = found;
        self.found.state = self.find();
        self.shown = self.found.clone();
    }

    /// A reload brings another specification. With another address it is the same endpoint with nothing known.
    pub fn respecify(&mut self, spec: EndpointSpec, around: &Around<'_>, now: Now) -> Outcome {
        let moved = !self.path.respecify(&spec, now);
        self.spec = spec;
        if moved {
            self.address = self.path.address().cloned();
            self.forget(now.at);
        }
        let pace = if moved { Pace::Now } else { self.pace(around) };
        self.schedule.set(pace, &around.spec.check, now.at);
        let mut outcome = self.settle("its configuration changed".into(), DecidedBy::Config, now);
        outcome.row = true;
        outcome
    }

    /// Its weight: the operator's, else the configured one.
    pub fn weight(&self) -> u32 {
        self.weight.unwrap_or(self.spec.weight)
    }

    /// May it be given ordinary work?
    pub fn usable(&self) -> bool {
        self.shown.state.usable() && self.weight() > 0 && self.address.is_some()
    }

    /// Requests that wait for it. Counters that were not read of late did not move, and nothing waited.
    pub(crate) fn waiting(&self, at: Time) -> u64 {
        let (waiting, read) = self.waiting;
        if at.since(read) <= READ_WITHIN {
            waiting
        } else {
            0
        }
    }

    /// Is it on its way back: passing its checks, heard again where they found nothing, or in trial?
    pub(crate) fn returning(&self) -> bool {
        let heard = self.heartbeat.returning() && self.check.verdict() != Verdict::Down;
        heard
            || self.check.returning()
            || self.heard_again.is_some_and(|n| n > 0)
            || self.outlier.trial().is_some()
    }

    /// When [`Sign::Tick`] is next due.
    pub fn next_wakeup(&self) -> Time {
        let own = self.schedule.next_wakeup().min(self.outlier.next_wakeup());
        own.min(self.heartbeat.next_wakeup())
            .min(self.path_wakeup())
    }

    /// Takes one sign in.
    pub fn on(&mut self, sign: Sign<'_>, around: &Around<'_>, now: Now) -> Outcome {
        match sign {
            Sign::Probed {
                epoch,
                passed,
                contact,
                detail,
                starts_until,
            } => self.on_probed(epoch, (passed, contact), detail, starts_until, around, now),
            Sign::AgentSaid { epoch, answer } => self.on_agent_said(epoch, answer, around, now),
            Sign::Beat(beat) => self.on_beat(beat, around, now),
            Sign::Silent => self.on_silent(around, now),
            Sign::Unattended => self.on_unattended(),
            Sign::Excused(pause) => self.on_excused(pause, now),
            Sign::Failed(failure) => self.on_failed(failure, around, now),
            Sign::Swept {
                successes,
                failures,
            } => self.on_swept(successes, failures, around, now),
            Sign::Found(finding) => self.on_found(finding, around, now),
            Sign::Elsewhere {
                epoch,
                passed,
                detail,
            } => self.on_elsewhere(epoch, passed, detail, around, now),
            Sign::Resolved(target, address) => self.on_resolved(target, address, around, now),
            Sign::Unresolved(target) => self.on_unresolved(target, around, now),
            Sign::Order(order) => self.on_order(order, around, now),
            Sign::Weight(weight) => self.on_weight(weight),
            Sign::Relieve(by, wanted) => self.on_relief(by, wanted),
            Sign::Look => {
                self.path.hurry(now.at);
                self.hurry(Pace::Now, around, now)
            }
            Sign::Withhold(why) => self.on_withhold(why, around, now),
            Sign::Renewed => self.on_renewed(around, now),
            Sign::Alone => self.hurry(Pace::Fast, around, now),
            Sign::Tick => {
                let waits = !around.spec.failover.failback_auto;
                let ruling = self.outlier.tick(waits, now.at);
                let why = "no request of its trial failed";
                self.rule(ruling, By::Trial, why, around, now)
            }
        }
    }

    fn hurry(&mut self, pace: Pace, around: &Around<'_>, now: Now) -> Outcome {
        self.schedule.hurry(pace, &around.spec.check, now.at);
        Outcome::default()
    }

    /// The check's verdict changed.
    fn turned(&mut self, to: Verdict, ramps: bool, around: &Around<'_>, at: Time) {
        self.outlier.clear(at);
        self.unsuspected();
        self.note.clear();
        self.starting = None;
        self.ramp = None;
        if to == Verdict::Up && (ramps || std::mem::take(&mut self.ramps_next)) {
            self.begin_ramp(around, at);
        }
    }

    /// Alone it has to carry everything anyhow, and others that come back with it shall not get nine times less.
    fn begin_ramp(&mut self, around: &Around<'_>, at: Time) {
        let window = around.spec.failover.ramp;
        let others = around.usable - usize::from(self.usable() && around.usable > 0);
        if others > 0 && !window.is_zero() {
            self.ramp = Some(Ramp {
                started: at,
                window,
            });
        }
    }

    /// Nothing is known of it any more.
    fn forget(&mut self, at: Time) {
        self.check = Check::new();
        self.outlier.clear(at);
        self.unsuspected();
        self.schedule.abandon();
        self.starting = None;
        self.ramp = None;
        self.note.clear();
        self.heartbeat.forget();
        self.agent.forget();
        self.relief.ask(Reliever::AgentCheck, None);
    }

    fn pace(&self, around: &Around<'_>) -> Pace {
        if self.address.is_none() || self.order == Some(Order::Maintenance) {
            Pace::Never
        } else if self.check.changing() || self.heard_again.is_some() || around.usable == 0 {
            Pace::Fast
        } else {
            Pace::Settled
        }
    }

    /// What was seen, and what its agent says.
    fn find(&self) -> State {
        self.agent.covers(self.seen())
    }

    /// What heartbeat, check and traffic say together.
    fn seen(&self) -> State {
        match self.check.verdict() {
            _ if self.address.is_none() => State::Unknown,
            _ if self.heartbeat.verdict() == Verdict::Down => State::Down,
            _ if self.heartbeat.declines().is_some() => State::Draining,
            Verdict::Unknown => State::Unknown,
            Verdict::Down => State::Down,
            Verdict::Up if self.outlier.ejected_until().is_some() => State::Down,
            Verdict::Up if self.outlier.trial().is_some() => State::Trial,
            Verdict::Up => State::Up,
        }
    }

    /// Puts the parts together again after one of them changed.
    fn settle(&mut self, why: String, by: DecidedBy, now: Now) -> Outcome {
        let state = self.find();
        let (why, by) = match by {
            DecidedBy::AgentCheck => (why, by),
            _ if self.agent_decides() => (self.agent.why(), DecidedBy::AgentCheck),
            _ => self.to_blame(why, by),
        };
        if state == self.found.state {
            return self.explain(why, by);
        }
        self.found = Standing {
            state,
            since: now.wall,
            why: clip(why),
            by,
        };
        let before = self.shown.state;
        self.show(now);
        Outcome {
            shown: (before != self.shown.state).then_some((before, self.shown.state)),
            row: true,
            record: true,
            ..Outcome::default()
        }
    }

    /// The state stays and its reason is another one: ejected before, now down by its check.
    fn explain(&mut self, why: String, by: DecidedBy) -> Outcome {
        let changed = by != self.found.by && self.found.state == State::Down;
        if changed {
            let covered = self.shown.state != self.found.state;
            self.found.why = clip(why);
            self.found.by = by;
            if !covered {
                self.shown = self.found.clone();
            }
        }
        Outcome {
            record: changed,
            ..Outcome::default()
        }
    }
}
