//! The operator's word: it covers what was found, and stays until it is taken back.

use crate::health::schedule::Pace;
use crate::health::standing::{DecidedBy, Order, Standing, clip};
use crate::health::traffic::By;
use crate::prevent::Reliever;
use crate::table::State;
use crate::time::{Now, Time, WallTime};

use super::{Around, Endpoint, Outcome};

impl Endpoint {
    /// An operator's word from before a restart.
    pub fn restore_operator(&mut self, order: Option<Order>, weight: Option<u32>, wall: WallTime) {
        self.weight = weight;
        self.order = order.filter(|&order| order != Order::Ready);
        if self.order == Some(Order::Maintenance) {
            self.schedule.stop();
        }
        self.show(Now {
            at: Time::ZERO,
            wall,
        });
    }

    pub(super) fn on_order(&mut self, order: Order, around: &Around<'_>, now: Now) -> Outcome {
        let wanted = Some(order).filter(|&order| order != Order::Ready);
        let before = std::mem::replace(&mut self.order, wanted);
        let (covered, shown) = (before.is_some(), self.shown.state);
        let mut outcome = Outcome::default();
        self.unsuspected();
        if before == Some(Order::Maintenance) && wanted != before {
            self.forget(now.at);
            self.ramps_next = true;
            self.schedule.set(Pace::Now, &around.spec.check, now.at);
            self.settle(
                "not seen since its maintenance".into(),
                DecidedBy::Operator,
                now,
            );
        }
        match order {
            Order::Maintenance => {
                self.schedule.stop();
            }
            Order::Ready => {
                outcome = self.agree(around, now);
                self.path.agree();
                let gone = self.follow(around, now);
                outcome.permits = outcome.permits.or(gone.permits);
            }
            Order::Draining => {}
        }
        self.show(now);
        if covered && self.order.is_none() {
            self.shown.since = now.wall;
            self.shown.why = clip(format!("an operator said ready; {}", self.found.why));
        }
        Outcome {
            shown: (shown != self.shown.state).then_some((shown, self.shown.state)),
            row: true,
            record: true,
            ..outcome
        }
    }

    /// A person says ready: where failback is manual, that is what it waited for.
    fn agree(&mut self, around: &Around<'_>, now: Now) -> Outcome {
        let spec = around.spec;
        if spec.failover.failback_auto {
            return Outcome::default();
        }
        if self.outlier.ejected_until().is_some() {
            let ruling = Some(self.outlier.begin_trial(now.at));
            let why = "an operator said ready";
            return self.rule(ruling, By::Trial, why, around, now);
        }
        let beats = self.agree_on_beats(around, now.at);
        match self.check.agree(&spec.check, &spec.failover, now.at) {
            Some(turn) => {
                self.turned(turn.to, turn.ramps, around, now.at);
                let why = format!("an operator said ready; {}", turn.why);
                self.settle(why, DecidedBy::Operator, now)
            }
            None => match beats {
                Some(turn) => self.beat_turned(turn, around, now),
                None => Outcome::default(),
            },
        }
    }

    pub(super) fn on_weight(&mut self, weight: Option<u32>) -> Outcome {
        let changed = weight != self.weight;
        self.weight = weight;
        Outcome {
            row: changed,
            record: changed,
            ..Outcome::default()
        }
    }

    /// The recovery's word: it covers what was found where that would be given work, and an operator's word covers both.
    pub(super) fn on_withhold(
        &mut self,
        why: Option<&str>,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        let before = self.shown.state;
        let was = std::mem::replace(&mut self.withheld, why.map(str::to_owned));
        self.unsuspected();
        // It comes back with another process: its share grows as after any other return.
        if was.is_some() && why.is_none() && self.found.state.usable() {
            self.begin_ramp(around, now.at);
        }
        self.show(now);
        Outcome {
            shown: (before != self.shown.state).then_some((before, self.shown.state)),
            row: true,
            ..Outcome::default()
        }
    }

    pub(super) fn on_relief(&mut self, by: Reliever, wanted: Option<(u32, &str)>) -> Outcome {
        Outcome {
            row: self.relief.ask(by, wanted),
            ..Outcome::default()
        }
    }

    /// What traffic said of the process before it is void: some passed probes, and a trial decides.
    pub(super) fn on_renewed(&mut self, around: &Around<'_>, now: Now) -> Outcome {
        self.note.clear();
        if self.outlier.ejected_until().is_some() {
            self.heard_again = Some(0);
        }
        self.hurry(Pace::Now, around, now)
    }

    /// Covers what was found with the operator's word, or the recovery's.
    pub(super) fn show(&mut self, now: Now) {
        let (state, why, by) = match (self.order, &self.withheld) {
            (Some(Order::Draining), _) => (
                State::Draining,
                "an operator said draining".to_owned(),
                DecidedBy::Operator,
            ),
            (Some(Order::Maintenance), _) => (
                State::Maintenance,
                "an operator said maintenance".to_owned(),
                DecidedBy::Operator,
            ),
            (_, Some(why)) if self.found.state.usable() => {
                (State::Draining, why.clone(), DecidedBy::Recovery)
            }
            _ => {
                self.shown = self.found.clone();
                return;
            }
        };
        if self.shown.state != state || self.shown.by != by {
            self.shown = Standing {
                state,
                since: now.wall,
                why: clip(why),
                by,
            };
        }
    }
}
