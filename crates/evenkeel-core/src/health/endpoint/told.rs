//! What an endpoint's agent says of it, put together with what was seen.

use crate::health::check::Verdict;
use crate::health::standing::DecidedBy;
use crate::id::Epoch;
use crate::prevent::Reliever;
use crate::settings::AgentCheckSettings;
use crate::table::State;
use crate::time::Now;

use super::{Around, Endpoint, Outcome};

impl Endpoint {
    /// A look at its agent ended.
    pub(super) fn on_agent_said(
        &mut self,
        epoch: Epoch,
        answer: Result<&str, &str>,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        let Some(settings) = &around.spec.agent_check else {
            return Outcome::default();
        };
        let limit = self.agent.limit();
        if !self.agent.on(epoch, answer, settings, now.at, now.wall) {
            return Outcome::default();
        }
        let mut outcome = self.follow_agent(around, now);
        outcome.row |= self.agent.limit() != limit;
        let percent = self.agent.percent().filter(|&percent| percent > 0);
        let why = percent.map(|percent| format!("its agent says {percent}%"));
        let wanted = percent.zip(why.as_deref()).map(|(p, why)| (p * 10, why));
        outcome.row |= self.relief.ask(Reliever::AgentCheck, wanted);
        outcome
    }

    fn follow_agent(&mut self, around: &Around<'_>, now: Now) -> Outcome {
        let (before, by) = (self.found.state, self.found.by);
        let state = self.find();
        // It took back that it is down, and so say its checks.
        let lifted = state == State::Down && by == DecidedBy::AgentCheck && !self.agent_decides();
        if lifted {
            let why = "its agent says up, but it is not".to_owned();
            let by = match self.check.verdict() {
                Verdict::Down => DecidedBy::Check,
                _ => DecidedBy::Outlier,
            };
            return self.settle(why, by, now);
        }
        if state == before {
            return Outcome::default();
        }
        let outcome = self.settle(self.agent.why(), DecidedBy::AgentCheck, now);
        if !before.usable() && before != State::Unknown && self.found.state == State::Up {
            self.begin_ramp(around, now.at);
        }
        outcome
    }

    /// Is its state what it is because of its agent's word?
    pub(crate) fn agent_decides(&self) -> bool {
        let seen = self.seen();
        self.agent.covers(seen) != seen
    }

    /// It has no agent, whatever one said before a restart.
    pub(crate) fn expect_no_agent(&mut self, now: Now) {
        self.agent.forget();
        if self.found.by == DecidedBy::AgentCheck {
            self.found.state = self.find();
            self.show(now);
        }
    }

    /// Other settings than before, or none: another agent, of which nothing is known.
    pub(crate) fn expect_agent(
        &mut self,
        before: Option<&AgentCheckSettings>,
        now: Option<&AgentCheckSettings>,
    ) {
        if before.map(|s| s.port) != now.map(|s| s.port) {
            self.agent.forget();
            self.relief.ask(Reliever::AgentCheck, None);
        }
    }
}
