//! An endpoint's heartbeats, and the faults that are not its own: what we slept through, and what nobody could be reached
//! for.

use std::net::IpAddr;
use std::time::Duration;

use crate::detect::{self, Pause};
use crate::health::check::{Turn, Verdict};
use crate::health::heartbeat::{Beat, Rules, Says};
use crate::health::schedule::Pace;
use crate::health::standing::DecidedBy;
use crate::observe::{Contact, FailureKind};
use crate::settings::HeartbeatSettings;
use crate::table::State;
use crate::time::{Now, Time};

use super::{Around, Endpoint, Outcome};

impl Endpoint {
    /// It says that it lives. Where its pool expects no heartbeat nobody listens.
    pub(super) fn on_beat(&mut self, beat: &Beat, around: &Around<'_>, now: Now) -> Outcome {
        let Some(rules) = rules(around) else {
            return Outcome::default();
        };
        let down = self.heartbeat.verdict() == Verdict::Down;
        let heard = self.heartbeat.on(beat, rules, now.at, now.wall);
        let mut outcome = match heard.turn {
            Some(turn) if down => self.beat_turned(turn, around, now),
            _ => self.listen(around, now),
        };
        outcome.record |= heard.news;
        outcome
    }

    /// It was silent for too long: down, and its check looks at once.
    pub(super) fn on_silent(&mut self, around: &Around<'_>, now: Now) -> Outcome {
        let Some(rules) = rules(around) else {
            return Outcome::default();
        };
        if self.is_cut(around) {
            // Nothing gets through. When something does again, this silence is excused.
            let again = Pause {
                length: Duration::ZERO,
                quiet_until: now.at + around.spec.check.interval,
            };
            return self.on_excused(&again, now);
        }
        let Some(turn) = self.heartbeat.silent(rules, now.at) else {
            return Outcome::default();
        };
        self.schedule.hurry(Pace::Now, &around.spec.check, now.at);
        self.beat_turned(turn, around, now)
    }

    /// Whoever carried its beats said goodbye: its silence from now on says nothing. One that was down for it before stays so.
    pub(super) fn on_unattended(&mut self) -> Outcome {
        if self.heartbeat.verdict() != Verdict::Down {
            self.heartbeat.forget();
        }
        Outcome {
            record: true,
            ..Outcome::default()
        }
    }

    /// We were away: nothing that ran out meanwhile counts.
    pub(super) fn on_excused(&mut self, pause: &Pause, now: Now) -> Outcome {
        self.heartbeat.excuse(pause.length, pause.quiet_until);
        if !pause.length.is_zero() {
            self.excused = (now.at, pause.quiet_until);
        }
        Outcome::default()
    }

    /// Is a failed probe with this contact to be put down to us?
    pub(super) fn our_fault(&self, contact: Contact, around: &Around<'_>) -> bool {
        self.slept_through(contact) || (!contact.reached() && self.is_cut(around))
    }

    /// Did the probe under way run out of time while we did not run?
    pub(crate) fn slept_through(&self, contact: Contact) -> bool {
        let sent = self.schedule.last().unwrap_or(Time::ZERO);
        contact.ran_out() && sent < self.excused.0
    }

    /// Were we away a moment ago, so that what ran out meanwhile says nothing?
    pub(crate) fn is_excused(&self, at: Time) -> bool {
        at < self.excused.1
    }

    /// Is a failed try of a client's to be put down to us?
    pub(super) fn traffic_excused(&self, kind: FailureKind, around: &Around<'_>, at: Time) -> bool {
        let ran_out = matches!(kind, FailureKind::ConnectTimeout | FailureKind::Timeout);
        let unreached = matches!(
            kind,
            FailureKind::ConnectTimeout | FailureKind::Connect | FailureKind::Unreachable
        );
        (ran_out && self.is_excused(at)) || (unreached && self.is_cut(around))
    }

    /// Whose word is it, where several say down? The check's passing is no reason for being down by the heartbeat, nor the
    /// other way round.
    pub(super) fn to_blame(&self, why: String, by: DecidedBy) -> (String, DecidedBy) {
        let silent = self.heartbeat.verdict() == Verdict::Down;
        let failing = self.check.verdict() == Verdict::Down;
        match by {
            DecidedBy::Check if silent && !failing => {
                (self.heartbeat.why().to_owned(), DecidedBy::Heartbeat)
            }
            DecidedBy::Heartbeat if failing && !silent => {
                (format!("{why}, but its checks fail"), DecidedBy::Check)
            }
            _ => (why, by),
        }
    }

    /// Other settings than before, or none.
    pub(crate) fn expect_beats(&mut self, settings: Option<&HeartbeatSettings>, at: Time) {
        self.heartbeat.respecify(settings, at);
    }

    /// A person says ready: where failback is manual, that is what the heartbeat's return waited for.
    pub(super) fn agree_on_beats(&mut self, around: &Around<'_>, at: Time) -> Option<Turn> {
        self.heartbeat.agree(rules(around)?, at)
    }

    pub(super) fn beat_turned(&mut self, turn: Turn, around: &Around<'_>, now: Now) -> Outcome {
        if self.check.verdict() == Verdict::Up || turn.to == Verdict::Down {
            self.turned(turn.to, turn.ramps, around, now.at);
        }
        self.settle(turn.why, DecidedBy::Heartbeat, now)
    }

    /// What it says of itself may be something else than before.
    fn listen(&mut self, around: &Around<'_>, now: Now) -> Outcome {
        let before = self.found.state;
        if self.find() == before {
            return Outcome::default();
        }
        let says = self.heartbeat.declines().unwrap_or(Says::Ready).name();
        let outcome = self.settle(
            format!("its heartbeat says {says}"),
            DecidedBy::Heartbeat,
            now,
        );
        if before == State::Draining && self.found.state == State::Up {
            self.begin_ramp(around, now.at);
        }
        outcome
    }

    /// Is it one of those that cannot be reached because nobody can?
    fn is_cut(&self, around: &Around<'_>) -> bool {
        around.cut && self.machine().is_some()
    }

    /// The machine it is on, if that is another one than ours.
    pub(crate) fn machine(&self) -> Option<IpAddr> {
        detect::machine(self.address.as_ref()?)
    }
}

fn rules<'a>(around: &Around<'a>) -> Option<Rules<'a>> {
    Some(Rules {
        settings: around.spec.heartbeat.as_ref()?,
        check: &around.spec.check,
        failover: &around.spec.failover,
        alone: around.usable == 0,
    })
}
