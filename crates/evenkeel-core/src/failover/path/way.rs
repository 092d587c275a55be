//! One address of an endpoint: where it is, when it is looked at, and since when it has been well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Target};
use crate::id::Epoch;
use crate::time::Time;

/// Beyond the probe's own time-out: an answer that is later than this was lost on the way.
const GRACE: Duration = Duration::from_secs(1);
/// The hold of one that relapsed doubles at most so often …
const RELAPSES_MAX: u32 = 12;
/// … and never beyond this: once an hour a person may be surprised.
const HOLD_MAX: Duration = Duration::from_secs(3600);
/// Gone again within so many times of what it had been held for: that was a relapse.
const RELAPSE_WITHIN: u32 = 10;

/// What a look at one that is not in use showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Look {
    /// Nobody has looked yet.
    Unseen,
    /// Its check passed there.
    Answers(String),
    /// It did not.
    Fails(String),
}

/// A probe under way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Under {
    epoch: Epoch,
    sent: Time,
    lost: Time,
}

/// One address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Way {
    pub(super) target: Target,
    pub(super) address: Option<Address>,
    pub(super) look: Look,
    due: Time,
    under: Option<Under>,
    /// When its last passed probe was sent.
    passed: Option<Time>,
    /// Since when all its probes passed, and how many did.
    well: Option<(Time, u32)>,
    /// When traffic came back to it, and after what hold.
    back: Option<(Time, Duration)>,
    relapses: u32,
}

impl Way {
    pub(super) fn new(target: Target) -> Way {
        Way {
            address: target.fixed().cloned(),
            target,
            look: Look::Unseen,
            due: Time::ZERO,
            under: None,
            passed: None,
            well: None,
            back: None,
            relapses: 0,
        }
    }

    /// As configured.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Resolved, where it could be.
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// What the last look at it showed, while it was not in use.
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// Nothing is known of it; `true` if that is another address than before.
    pub(super) fn moves(&mut self, to: &Address) -> bool {
        if self.address.as_ref() == Some(to) {
            return false;
        }
        let target = self.target.clone();
        *self = Way {
            address: Some(to.clone()),
            ..Way::new(target)
        };
        true
    }

    /// When there is something to do: a probe to be sent, or one to be given up.
    pub(super) fn wakeup(&self) -> Time {
        match &self.address {
            None => Time::NEVER,
            Some(_) => self.under.map_or(self.due, |under| under.lost),
        }
    }

    pub(super) fn send(&mut self, epoch: Epoch, timeout: Duration, now: Time) {
        self.under = Some(Under {
            epoch,
            sent: now,
            lost: now + timeout + GRACE,
        });
    }

    pub(super) fn awaits(&self, epoch: Epoch) -> bool {
        self.under.is_some_and(|under| under.epoch == epoch)
    }

    /// The probe under way ended. Returns when it was sent.
    pub(super) fn ended(&mut self, passed: bool, detail: &str, now: Time) -> Time {
        let sent = self.under.take().map_or(now, |under| under.sent);
        let detail = detail.to_owned();
        if passed {
            let (since, many) = self.well.unwrap_or((now, 0));
            self.well = Some((since, many.saturating_add(1)));
            self.passed = Some(sent);
            self.look = Look::Answers(detail);
        } else {
            self.well = None;
            self.passed = None;
            self.look = Look::Fails(detail);
        }
        sent
    }

    /// The next probe is at this time; at once if that is past.
    pub(super) fn due_at(&mut self, at: Time) {
        self.due = at;
    }

    /// Look now. One under way that was sent before this tells what was, so its end makes another due.
    pub(super) fn hurry(&mut self, now: Time) {
        self.due = self.due.min(now);
    }

    /// Did a probe pass that was sent at this time or later?
    pub(super) fn passed_since(&self, at: Time) -> bool {
        self.passed.is_some_and(|sent| sent >= at)
    }

    /// Did its last probe pass?
    pub(super) fn is_well(&self) -> bool {
        self.well.is_some()
    }

    /// For so long it must be well before traffic comes back to it.
    pub(super) fn hold(&self, base: Duration) -> Duration {
        base.saturating_mul(1 << self.relapses).min(HOLD_MAX)
    }

    /// Since when has it been well, if enough probes passed in a row?
    pub(super) fn well_since(&self, rise: u32) -> Option<Time> {
        let (since, many) = self.well?;
        (many >= rise.max(1)).then_some(since)
    }

    /// It comes into use, because it is an earlier one and was held for so long (`None`: because the other failed).
    pub(super) fn enters(&mut self, held: Option<Duration>, now: Time) {
        self.under = None;
        self.due = Time::NEVER;
        self.back = held.map(|held| (now, held));
    }

    /// It goes out of use.
    pub(super) fn leaves(&mut self, cut: bool, due: Time, now: Time) {
        if let Some((at, held)) = self.back.take()
            && cut
        {
            let soon = now.since(at) < held.saturating_mul(RELAPSE_WITHIN);
            self.relapses = match soon {
                true => (self.relapses + 1).min(RELAPSES_MAX),
                false => 0,
            };
        }
        self.well = None;
        self.passed = None;
        self.under = None;
        self.due = due;
    }
}
