//! What comparison with the others found, carried out: an ejection by the same machine as any, or a suspicion.
//!
//! A suspect stays in its state and gets no new work while anybody else can take it. That is only done where somebody else
//! is up, and within the pool's limits for ejections: too many suspects are one fault of something else.

use crate::health::outlier::Ruling;
use crate::health::schedule::Pace;
use crate::health::standing::clip;
use crate::health::traffic::{By, Finding, Place, Sentence};
use crate::table::State;
use crate::time::{Now, Time};

use super::{Around, Endpoint, Outcome};

impl Endpoint {
    /// How it stands among the others.
    pub(crate) fn place(&self) -> Place {
        match self.suspicion {
            _ if self.shown.state != State::Up => Place::Out,
            Some(_) => Place::Suspected,
            None => Place::Judged,
        }
    }

    /// Is it coming back slowly?
    pub(crate) fn ramps(&self, at: Time) -> bool {
        let ramp = self.ramp.as_ref();
        ramp.is_some_and(|ramp| !crate::failover::ramp::ended(ramp, at))
    }

    /// Up, and not under suspicion.
    pub(crate) fn up(&self) -> bool {
        self.usable() && self.shown.state == State::Up && self.suspicion.is_none()
    }

    /// Ejected, in trial or under suspicion.
    pub(crate) fn out(&self) -> bool {
        self.outlier.out() || self.suspicion.is_some()
    }

    pub(super) fn on_found(&mut self, finding: &Finding, around: &Around<'_>, now: Now) -> Outcome {
        match finding.sentence {
            _ if self.place() == Place::Out => Outcome::default(),
            Sentence::Suspect => self.suspect(&finding.why, around, now),
            Sentence::Acquit => self.acquitted(&finding.why, now),
            Sentence::Eject(by) => self.rule(Some(Ruling::Eject), by, &finding.why, around, now),
        }
    }

    fn suspect(&mut self, why: &str, around: &Around<'_>, now: Now) -> Outcome {
        let alone = match around.up - usize::from(self.up() && around.up > 0) {
            0 => Err("nobody else is up"),
            _ => Ok(()),
        };
        if let Err(obstacle) = self.spare(around).and(alone) {
            self.spared[By::Stall as usize] += 1;
            let text = format!("would be suspected, but {obstacle}: {why}");
            return Outcome {
                said: self.remark(text, now.at),
                ..Outcome::default()
            };
        }
        self.suspicion = Some(clip(why.to_owned()));
        self.path.silent(now.at);
        // What is under way was given more time than there is now.
        self.schedule.abandon();
        self.schedule.set(Pace::Now, &around.spec.check, now.at);
        self.say(format!("suspected, a probe decides: {why}"), now.at)
    }

    /// Its silence is over, or was no sign of anything.
    pub(super) fn acquitted(&mut self, why: &str, now: Now) -> Outcome {
        match self.unsuspected() {
            true => self.say(format!("no longer suspected: {why}"), now.at),
            false => Outcome::default(),
        }
    }

    /// The probe that was to decide failed.
    pub(super) fn convicted(
        &mut self,
        evidence: &str,
        detail: &str,
        around: &Around<'_>,
        now: Now,
    ) -> Outcome {
        let why = format!("{evidence}; its probe failed too: {detail}");
        let outcome = self.rule(Some(Ruling::Eject), By::Stall, &why, around, now);
        if self.outlier.ejected_until().is_some() {
            self.heard_again = Some(0);
            self.schedule
                .set(self.pace(around), &around.spec.check, now.at);
        }
        outcome
    }

    /// No suspicion any more; was there one?
    pub(super) fn unsuspected(&mut self) -> bool {
        self.heard_again = None;
        self.suspicion.take().is_some()
    }

    pub(super) fn say(&mut self, text: String, at: Time) -> Outcome {
        self.said = clip(text);
        self.said_at = at;
        Outcome {
            row: true,
            said: true,
            ..Outcome::default()
        }
    }
}
