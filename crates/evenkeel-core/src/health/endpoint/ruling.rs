//! What real traffic says, carried out if the pool can bear it.

use std::time::Duration;

use crate::health::outlier::Ruling;
use crate::health::standing::{DecidedBy, clip};
use crate::health::traffic::By;
use crate::time::{Now, Time};

use super::{Around, Endpoint, Outcome};

/// An endpoint that fails without end and is never taken out does not fill the log.
const REMARK_EVERY: Duration = Duration::from_secs(60);

impl Endpoint {
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
