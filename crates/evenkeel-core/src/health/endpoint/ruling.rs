//! What real traffic says, carried out if the pool can bear it.

use std::time::Duration;

use crate::health::outlier::Ruling;
use crate::health::standing::{DecidedBy, clip};
use crate::table::State;
use crate::time::{Now, Time};

use super::{Around, Endpoint, Outcome};

impl Endpoint {
    /// Carries out what the outlier machine came to, if the pool can bear it.
    pub(super) fn rule(
        &mut self,
        ruling: Option<Ruling>,
        why: &str,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        let Some(ruling) = ruling else {
            return Outcome::default();
        };
        let (why, permits) = match ruling {
            Ruling::Eject => match self.eject(around, now.at) {
                Ok(length) => (format!("{why}; ejected for {length:?}"), None),
                Err(obstacle) => return self.not_ejected(why, obstacle, around, now),
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
        let settings = &around.spec.outlier;
        let allowed = settings
            .max_ejection
            .of(around.spec.endpoints.len() as u64)
            .max(1);
        let others_out = around.out - usize::from(self.outlier.out() && around.out > 0);
        let is_up = self.usable() && self.shown.state == State::Up;
        let others_up = around.up - usize::from(is_up && around.up > 0);
        if !settings.enforce {
            return Err("enforce = false");
        }
        if others_out as u64 >= allowed {
            return Err("max_ejection is reached");
        }
        if others_up < settings.min_healthy as usize {
            return Err("min_healthy would not be left");
        }
        self.ramp = None;
        Ok(self.outlier.eject(settings, at))
    }

    fn not_ejected(&mut self, why: &str, obstacle: &str, around: &Around<'_>, now: Now) -> Outcome {
        self.note = clip(format!("would be ejected, but {obstacle}: {why}"));
        let ruling = self.outlier.refused(now.at);
        self.rule(ruling, "its trial goes on", around, now)
    }
}
