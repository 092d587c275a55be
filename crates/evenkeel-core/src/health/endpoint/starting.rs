//! One whose service was just started for the first time: that its port does not answer yet is no fault.
//!
//! Until its first passed check, or until the service should have been able to serve, it is `unknown` to people: neither
//! down nor an incident, and what is unknown is counted as that. Traffic treats it as down all the while, for what is known
//! not to answer gets nothing that another can have. The first check that passes decides at once, without hold or ramp.

use crate::health::check::{Check, Verdict};
use crate::health::standing::{DecidedBy, Standing, clip};
use crate::table::State;
use crate::time::{Now, Time};

use super::{Endpoint, Outcome};

impl Endpoint {
    /// A check failed; its service, if it is a new one, may take until then. Is it to be waited for?
    pub(super) fn may_still_start(&self, starts_until: Option<Time>, at: Time) -> bool {
        let until = starts_until.unwrap_or(Time::ZERO);
        self.check.verdict() == Verdict::Unknown && at < until
    }

    pub(super) fn starts(&mut self, until: Option<Time>, detail: &str) -> Outcome {
        let row = self.starting.is_none();
        self.starting = until;
        if self.found.state == State::Unknown {
            let covered = self.shown != self.found;
            self.found.why = clip(format!("its service is starting: {detail}"));
            self.found.by = DecidedBy::Check;
            if !covered {
                self.shown = self.found.clone();
            }
        }
        Outcome {
            row,
            ..Outcome::default()
        }
    }

    /// How traffic is to treat it.
    pub(crate) fn traffic_state(&self) -> State {
        match self.shown.state {
            State::Unknown if self.starting.is_some() => State::Down,
            state => state,
        }
    }

    /// The process that was seen to serve, before evenkeel itself was started anew, is none of this one's.
    pub(crate) fn begin_anew(&mut self, now: Now) {
        if !matches!(self.found.state, State::Up | State::Trial) {
            return;
        }
        self.check = Check::new();
        self.outlier.clear(now.at);
        self.found = Standing {
            state: self.find(),
            since: now.wall,
            why: "its service is started".into(),
            by: DecidedBy::Config,
        };
        self.show(now);
    }
}
