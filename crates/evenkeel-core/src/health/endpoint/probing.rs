//! Probes: what the check makes of them, and how long one may take that decides a suspicion.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::health::check::Seen;
use crate::health::schedule::Pace;
use crate::health::standing::DecidedBy;
use crate::health::traffic::By;
use crate::id::Epoch;
use crate::observe::Contact;
use crate::settings::{CheckKind, CheckSettings};
use crate::time::{Now, Time};

use super::{Around, Endpoint, Outcome};

/// No probe of a suspect is given less: a scheduler's slice and a lost packet's first repetition.
const FAST_MIN: Duration = Duration::from_millis(100);
/// Times the longest of those remembered.
const PATIENCE: u32 = 3;
/// So many are remembered.
const REMEMBERED: usize = 8;

/// How long the last passed probes took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Durations {
    last: [Duration; REMEMBERED],
    count: usize,
}

impl Durations {
    fn note(&mut self, took: Duration) {
        self.last[self.count % REMEMBERED] = took;
        self.count = self.count.wrapping_add(1);
    }

    /// How long a probe may take of one that is suspected.
    fn fast(&self, timeout: Duration) -> Duration {
        let longest = self.last.iter().max().copied().unwrap_or_default();
        let fast = match self.count {
            0 => timeout,
            _ => longest.saturating_mul(PATIENCE).max(FAST_MIN),
        };
        fast.min(timeout)
    }
}

impl Endpoint {
    /// How long the next probe may take.
    pub(crate) fn probe_timeout(&self, check: &CheckSettings) -> Duration {
        match self.suspicion {
            Some(_) => self.took.fast(check.timeout),
            None => check.timeout,
        }
    }

    pub(super) fn on_probed(
        &mut self,
        epoch: Epoch,
        (passed, contact): (bool, Contact),
        detail: &str,
        starts_until: Option<Time>,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        let Some(took) = self.schedule.ended(epoch, now.at) else {
            return Outcome::default();
        };
        self.probed = true;
        if !self.slept_through(contact) {
            self.path.contacted(contact, now.at);
            let gone = self.follow(around, now);
            if gone != Outcome::default() {
                return gone;
            }
        }
        if passed {
            self.took.note(took);
        }
        let spec = around.spec;
        if !passed && self.our_fault(contact, around) {
            self.schedule.set(Pace::Fast, &spec.check, now.at);
            return Outcome::default();
        }
        if !passed && let Some(evidence) = self.suspicion.clone() {
            self.schedule.set(self.pace(around), &spec.check, now.at);
            return self.convicted(&evidence, detail, around, now);
        }
        if !passed && self.may_still_start(starts_until, now.at) {
            self.schedule.set(Pace::Fast, &spec.check, now.at);
            return self.starts(starts_until, detail);
        }
        let seen = Seen {
            passed,
            detail,
            alone: around.usable == 0,
        };
        let turn = self.check.on(seen, &spec.check, &spec.failover, now.at);
        self.schedule.set(self.pace(around), &spec.check, now.at);
        match turn {
            Some(turn) => {
                self.turned(turn.to, turn.ramps, around, now.at);
                self.settle(turn.why, DecidedBy::Check, now)
            }
            None if passed => self.passed(around, now),
            None => Outcome::default(),
        }
    }

    /// A passed probe speaks against a silence: of a suspect, and of one that was ejected for it.
    fn passed(&mut self, around: &Around<'_>, now: Now) -> Outcome {
        // A tcp check is answered by the kernel of a process that is stopped.
        let convinces = matches!(around.spec.check.kind, CheckKind::Http { .. });
        if convinces && self.suspicion.is_some() {
            return self.acquitted("a probe passed", now);
        }
        let ejected = self.outlier.ejected_until().is_some();
        let passed = self.heard_again.filter(|_| ejected).map(|n| n + 1);
        self.heard_again = passed;
        let enough = passed.is_some_and(|n| n >= around.spec.check.rise.max(1));
        if !enough || !around.spec.failover.failback_auto {
            return Outcome::default();
        }
        self.heard_again = None;
        let ruling = Some(self.outlier.begin_trial(now.at));
        let why = "its probes are answered again";
        self.rule(ruling, By::Trial, why, around, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspects_probe_may_take_three_times_its_longest_but_never_longer_than_any_probe() {
        let ms = Duration::from_millis;
        let mut took = Durations::default();
        assert_eq!(took.fast(ms(1000)), ms(1000));
        took.note(ms(2));
        assert_eq!(took.fast(ms(1000)), ms(100));
        took.note(ms(200));
        assert_eq!(took.fast(ms(1000)), ms(600));
        took.note(ms(500));
        assert_eq!(took.fast(ms(1000)), ms(1000));
        (0..8).for_each(|_| took.note(ms(50)));
        assert_eq!(took.fast(ms(1000)), ms(150));
    }
}
