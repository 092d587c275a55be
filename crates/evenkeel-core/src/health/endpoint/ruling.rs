//! What real traffic says, failure by failure and sweep by sweep, carried out if the pool can bear it.

use std::time::Duration;

use crate::health::check::Verdict;
use crate::health::outlier::Ruling;
use crate::health::schedule::Pace;
use crate::health::standing::{DecidedBy, clip};
use crate::health::traffic::By;
use crate::observe::Failure;
use crate::table::State;
use crate::time::{Now, Time};

use super::{Around, Endpoint, Outcome};

/// An endpoint that fails without end and is never taken out does not fill the log.
const REMARK_EVERY: Duration = Duration::from_secs(60);

impl Endpoint {
    pub(super) fn on_failed(
        &mut self,
        failure: &Failure,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        if failure.path != self.path.id() {
            return Outcome::default(); // over an address that is in use no more
        }
        if !self.is_excused(now.at) {
            self.path.tried(failure.kind, now.at);
            let gone = self.follow(around, now);
            if gone != Outcome::default() {
                return gone;
            }
        }
        if self.found.state == State::Down || self.found.state == State::Unknown {
            return Outcome::default();
        }
        self.hurry(Pace::Fast, around, now);
        if self.traffic_excused(failure.kind, around, now.at) {
            return Outcome::default();
        }
        let ruling = self.outlier.failed(failure, &around.spec.outlier);
        let kind = failure.kind.name();
        let (by, why) = match self.outlier.trial() {
            Some(_) => (By::Trial, format!("a request of its trial failed: {kind}")),
            None => (
                By::Consecutive,
                format!("{} failures in a row: {kind}", failure.run),
            ),
        };
        self.rule(ruling, by, &why, around, now)
    }

    pub(super) fn on_swept(
        &mut self,
        successes: u64,
        failures: u64,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        // After a pause of our own only failures that are told one by one count: these do not say how they failed.
        // The same holds for a while after another address came into use.
        let vague = now.at < self.excused.1 || self.has_late_failures(around.spec, now.at);
        let failures = if vague { 0 } else { failures };
        if successes > 0 && failures == 0 {
            self.note.clear();
        }
        if self.check.verdict() != Verdict::Up {
            // It answers although the check says down: the check should look again.
            if successes > 0 {
                self.hurry(Pace::Fast, around, now);
            }
            return Outcome::default();
        }
        let ruling = self
            .outlier
            .swept(successes, failures, &around.spec.outlier, now.at);
        let (by, why) = match ruling {
            Some(Ruling::Good) => (By::Trial, "all requests of its trial were answered"),
            _ if self.outlier.trial().is_some() => (By::Trial, "a request of its trial failed"),
            _ => (By::Consecutive, "failures in a row and no answer between"),
        };
        self.rule(ruling, by, why, around, now)
    }

    /// Carries out what the outlier machine came to, if the pool can bear it.
    pub(super) fn rule(
        &mut self,
        ruling: Option<Ruling>,
        by: By,
        why: &str,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        let Some(ruling) = ruling else {
            return Outcome::default();
        };
        let (why, permits) = match ruling {
            Ruling::Eject => match self.eject(around, now.at) {
                Ok(length) => {
                    self.ejections[by as usize] += 1;
                    self.ejected_by = Some(by);
                    (format!("{why}; ejected for {length:?}"), None)
                }
                Err(obstacle) => return self.not_ejected(by, why, obstacle, around, now),
            },
            Ruling::Trial(permits) => (format!("{permits} requests decide"), Some(permits)),
            Ruling::Good => {
                self.begin_ramp(around, now.at);
                (why.to_string(), None)
            }
        };
        let outcome = self.settle(why, DecidedBy::Outlier, now);
        Outcome { permits, ..outcome }
    }

    fn eject(&mut self, around: &Around<'_>, at: Time) -> Result<Duration, &'static str> {
        self.spare(around)?;
        self.unsuspected();
        self.ramp = None;
        self.ejected_in_doubt = self.path.in_doubt();
        Ok(self.outlier.eject(&around.spec.outlier, at))
    }

    /// Can the pool spare it? If not, why not.
    pub(super) fn spare(&self, around: &Around<'_>) -> Result<(), &'static str> {
        let settings = &around.spec.outlier;
        let allowed = settings
            .max_ejection
            .of(around.spec.endpoints.len() as u64)
            .max(1);
        let others_out = around.out - usize::from(self.out() && around.out > 0);
        let others_up = around.up - usize::from(self.up() && around.up > 0);
        if !settings.enforce {
            return Err("enforce = false");
        }
        if others_out as u64 >= allowed {
            return Err("max_ejection is reached");
        }
        if others_up < settings.min_healthy as usize {
            return Err("min_healthy would not be left");
        }
        Ok(())
    }

    fn not_ejected(
        &mut self,
        by: By,
        why: &str,
        obstacle: &str,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        self.spared[by as usize] += 1;
        let suspected = self.unsuspected();
        let said = self.remark(format!("would be ejected, but {obstacle}: {why}"), now.at);
        let ruling = self.outlier.refused(now.at);
        let outcome = self.rule(ruling, by, "its trial goes on", around, now);
        Outcome {
            said,
            row: outcome.row || suspected,
            ..outcome
        }
    }

    /// Notes what was not done. True if it should be said aloud, too: not more than once a minute.
    pub(super) fn remark(&mut self, text: String, at: Time) -> bool {
        self.note = clip(text);
        let aloud = self.said.is_empty() || at.since(self.said_at) >= REMARK_EVERY;
        if aloud {
            self.said.clone_from(&self.note);
            self.said_at = at;
        }
        aloud
    }
}
