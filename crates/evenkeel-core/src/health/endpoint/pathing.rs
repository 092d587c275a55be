//! By which of its addresses it is reached: what is seen goes to the path's machine, what that wishes is carried out.
//!
//! Naming other addresses is the permission to use them, so `allow` is not asked; `mode` of the pool's recovery is. A fault
//! that was the path's is no fault of the endpoint: what check and traffic found over the old address is forgotten with it.

use std::time::Duration;

use crate::address::{Address, Target};
use crate::failover::path::{CarriedPath, Rules};
use crate::health::check::{Check, Seen, Verdict};
use crate::health::schedule::Pace;
use crate::health::standing::{DecidedBy, clip};
use crate::id::Epoch;
use crate::settings::{PoolSpec, RecoveryMode};
use crate::table::State;
use crate::time::{Now, Time};

use super::probing::Durations;
use super::{Around, Endpoint, Outcome};

impl Endpoint {
    /// Another address than the first was in use before a restart.
    pub(crate) fn restore_path(&mut self, carried: CarriedPath) {
        self.path.restore(carried);
        self.address = self.path.address().cloned();
        match self.address {
            Some(_) => self.schedule.begin(),
            None => self.schedule.stop(),
        }
    }

    /// A probe of an address that is not in use ended.
    pub(super) fn on_elsewhere(
        &mut self,
        epoch: Epoch,
        passed: bool,
        detail: &str,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        let detail = clip(detail.to_owned());
        self.path
            .probed(epoch, passed, &detail, rules(around.spec), now.at);
        self.follow(around, now)
    }

    /// One of its names was resolved.
    pub(super) fn on_resolved(
        &mut self,
        target: &Target,
        address: &Address,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        let before = self.address.is_some();
        if !self.path.resolved(target, address, now) {
            return Outcome::default();
        }
        self.address = Some(address.clone());
        if before {
            self.forget(now.at);
        }
        self.schedule
            .set(self.pace(around), &around.spec.check, now.at);
        self.hurry(Pace::Now, around, now);
        let mut outcome = self.settle(format!("resolved to {address}"), DecidedBy::Config, now);
        outcome.row = true;
        outcome
    }

    /// One of its names could not be resolved.
    pub(super) fn on_unresolved(
        &mut self,
        target: &Target,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        self.path.unresolved(target, now.at);
        self.follow(around, now)
    }

    /// Goes to another of its addresses, if that is wished for and may be done.
    pub(super) fn follow(&mut self, around: &Around<'_>, now: Now) -> Outcome {
        let Some(to) = self.path.wish(rules(around.spec), now.at) else {
            return Outcome::default();
        };
        match around.spec.recovery.mode {
            RecoveryMode::Act => self.go(to, around, now),
            RecoveryMode::Advise if self.path.advise() => {
                let (ways, _) = self.path.ways();
                let to = ways[to].target();
                self.say(
                    format!("would be reached by {to}, but recovery only advises"),
                    now.at,
                )
            }
            RecoveryMode::Advise | RecoveryMode::Off => Outcome::default(),
        }
    }

    fn go(&mut self, to: usize, around: &Around<'_>, now: Now) -> Outcome {
        let change = self.path.change(to, rules(around.spec), now);
        self.address = self.path.address().cloned();
        self.schedule.abandon();
        let pace = match self.pace(around) {
            Pace::Never => Pace::Never,
            _ => Pace::Now,
        };
        self.schedule.set(pace, &around.spec.check, now.at);
        self.took = Durations::default();
        let mut outcome = Outcome::default();
        if !change.back {
            outcome = self.absolved(&change.why, around, now);
        }
        self.change = Some(change);
        outcome.row = true;
        outcome.record = true;
        outcome
    }

    /// The path was at fault: what was found over it says nothing of the endpoint, and its check has just passed.
    fn absolved(&mut self, why: &str, around: &Around<'_>, now: Now) -> Outcome {
        self.unsuspected();
        if self.ejected_in_doubt || !self.outlier.out() {
            self.outlier.clear(now.at);
        }
        self.note.clear();
        self.check = match self.check.verdict() {
            Verdict::Up => Check::restored(Verdict::Up, true),
            Verdict::Unknown | Verdict::Down => Check::new(),
        };
        let seen = Seen {
            passed: true,
            detail: why,
            alone: false,
        };
        let (check, failover) = (&around.spec.check, &around.spec.failover);
        if let Some(turn) = self.check.on(seen, check, failover, now.at) {
            self.turned(turn.to, turn.ramps, around, now.at);
        }
        self.settle(why.to_owned(), DecidedBy::Check, now)
    }

    /// May failures still come that were made over an address which is in use no more?
    pub(crate) fn has_late_failures(&self, spec: &PoolSpec, at: Time) -> bool {
        let longest = spec.transport.connect_timeout + spec.retry.per_try_timeout;
        self.path.changed_within(longest, at)
    }

    /// When a probe of another address is due; never for one that is not looked at.
    pub(super) fn path_wakeup(&self) -> Time {
        match self.shown.state {
            State::Maintenance => Time::NEVER,
            _ => self.path.next_wakeup(),
        }
    }

    /// The next address to be probed beside the one in use.
    pub(crate) fn send_elsewhere(
        &mut self,
        epoch: impl FnOnce() -> Epoch,
        timeout: Duration,
        now: Time,
    ) -> Option<(Epoch, Address)> {
        if self.path_wakeup() > now {
            return None;
        }
        let epoch = epoch();
        let address = self.path.send(epoch, timeout, now)?;
        Some((epoch, address))
    }
}

pub(crate) fn rules(spec: &PoolSpec) -> Rules<'_> {
    Rules {
        check: &spec.check,
        failover: &spec.failover,
    }
}
