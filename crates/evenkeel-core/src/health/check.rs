//! The verdict of the active check.
//!
//! ```text
//!  unknown ── the first result decides at once ──▶ up or down
//!  up ── fall failures in a row ──▶ down
//!  down ── rise passes in a row, and the hold is over, and where failback is manual a person agreed ──▶ up
//! ```
//!
//! After a restart of the balancer an endpoint known to be down stays so until a probe passes; that one decides, because
//! how long it had been passing before nobody remembers.

use serde::{Deserialize, Serialize};

use crate::failover::hold::Hold;
use crate::settings::{CheckSettings, FailoverSettings};
use crate::time::Time;

/// What the check says.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Verdict {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It serves.
    Up,
    /// It does not.
    Down,
}

/// One result.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// As expected?
    pub passed: bool,
    /// What was seen.
    pub detail: &'a str,
    /// Is nobody in the pool usable?
    pub alone: bool,
}

/// A new verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The verdict now.
    pub to: Verdict,
    /// Why.
    pub why: String,
    /// Does it come back slowly? Not at its very first result, and not where there is nobody else.
    pub ramps: bool,
}

/// The machine of one endpoint's check.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Check {
    verdict: Verdict,
    /// Results in a row that speak against the verdict.
    against: u32,
    /// The next result decides alone.
    decisive: bool,
    hold: Hold,
    /// A person agreed to the return.
    agreed: bool,
    /// Since it went down it has passed often enough to serve: what keeps it down is a hold, or a person.
    recovered: bool,
    /// Failures in a row since then.
    lapses: u32,
}

impl Check {
    /// Never seen.
    pub fn new() -> Check {
        Check {
            decisive: true,
            ..Check::default()
        }
    }

    /// As it was before a restart.
    pub fn restored(verdict: Verdict, failback_auto: bool) -> Check {
        let decisive = match verdict {
            Verdict::Unknown => true,
            Verdict::Up => false,
            Verdict::Down => failback_auto,
        };
        Check {
            verdict,
            decisive,
            // It may have been well and waited for a person: nobody remembers.
            recovered: verdict == Verdict::Down,
            ..Check::default()
        }
    }

    /// What it says.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Results in a row that speak against the verdict.
    pub fn against(&self) -> u32 {
        self.against
    }

    /// May the verdict be about to change?
    pub fn changing(&self) -> bool {
        self.against > 0 || self.verdict == Verdict::Unknown
    }

    /// Is it down no more but for the hold or a person? A single failure does not change that, as it does not while it is up.
    pub fn returning(&self) -> bool {
        self.verdict == Verdict::Down && (self.against > 0 || self.recovered)
    }

    /// When the hold is over, while it is down and passes.
    pub fn held_until(&self, failover: &FailoverSettings) -> Option<Time> {
        self.hold.until(failover.hold)
    }

    /// Has a person still to agree?
    pub fn awaits_person(&self, failover: &FailoverSettings) -> bool {
        self.verdict == Verdict::Down && !failover.failback_auto && !self.agreed
    }

    /// Takes one result in.
    pub fn on(
        &mut self,
        seen: Seen<'_>,
        settings: &CheckSettings,
        failover: &FailoverSettings,
        now: Time,
    ) -> Option<Turn> {
        if self.verdict == Verdict::Down {
            self.hold.on(seen.passed, seen.alone, now);
            self.remember(seen.passed, settings);
        }
        if std::mem::take(&mut self.decisive) {
            return self.first(seen);
        }
        if seen.passed == (self.verdict == Verdict::Up) {
            self.against = 0;
            return None;
        }
        self.against = self.against.saturating_add(1);
        match self.verdict {
            Verdict::Up => self.fall(seen, settings),
            _ => self.rise(settings, failover, now),
        }
    }

    fn remember(&mut self, passed: bool, settings: &CheckSettings) {
        if passed {
            self.lapses = 0;
            self.recovered |= self.against.saturating_add(1) >= settings.rise;
            return;
        }
        self.lapses = self.lapses.saturating_add(1);
        self.recovered &= self.lapses < settings.fall;
    }

    /// A person says: ready. With manual failback it comes back, at once if it passes already.
    pub fn agree(
        &mut self,
        settings: &CheckSettings,
        failover: &FailoverSettings,
        now: Time,
    ) -> Option<Turn> {
        if self.verdict != Verdict::Down || failover.failback_auto {
            return None;
        }
        self.agreed = true;
        self.rise(settings, failover, now)
    }

    fn first(&mut self, seen: Seen<'_>) -> Option<Turn> {
        let (to, word) = match seen.passed {
            true => (Verdict::Up, "passed"),
            false => (Verdict::Down, "failed"),
        };
        self.against = 0;
        let changed = std::mem::replace(&mut self.verdict, to) != to;
        changed.then(|| Turn {
            to,
            why: format!("the first check {word}: {}", seen.detail),
            ramps: false,
        })
    }

    fn fall(&mut self, seen: Seen<'_>, settings: &CheckSettings) -> Option<Turn> {
        if self.against < settings.fall {
            return None;
        }
        let n = std::mem::take(&mut self.against);
        self.verdict = Verdict::Down;
        self.hold = Hold::default();
        self.agreed = false;
        self.recovered = false;
        self.lapses = 0;
        Some(Turn {
            to: Verdict::Down,
            why: format!("{n} of {} checks failed: {}", settings.fall, seen.detail),
            ramps: false,
        })
    }

    fn rise(
        &mut self,
        settings: &CheckSettings,
        failover: &FailoverSettings,
        now: Time,
    ) -> Option<Turn> {
        let held = self
            .hold
            .until(failover.hold)
            .is_none_or(|until| now < until);
        if self.against < settings.rise.max(1) || held || self.awaits_person(failover) {
            return None;
        }
        let ramps = !self.hold.waived();
        let rise = settings.rise;
        self.against = 0;
        self.verdict = Verdict::Up;
        self.hold = Hold::default();
        Some(Turn {
            to: Verdict::Up,
            why: match failover.hold.is_zero() || !ramps {
                true => format!("{rise} of {rise} checks passed"),
                false => format!(
                    "{rise} of {rise} checks passed, and all for {:?}",
                    failover.hold
                ),
            },
            ramps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Bench {
        check: Check,
        settings: CheckSettings,
        failover: FailoverSettings,
        ms: u64,
    }

    fn bench(hold_s: u64) -> Bench {
        Bench {
            check: Check::new(),
            settings: CheckSettings::default(),
            failover: FailoverSettings {
                hold: Duration::from_secs(hold_s),
                ..Default::default()
            },
            ms: 0,
        }
    }

    impl Bench {
        /// One result each half second.
        fn see(&mut self, passed: bool, alone: bool) -> Verdict {
            self.ms += 500;
            let seen = Seen {
                passed,
                detail: "",
                alone,
            };
            let now = Time::from_millis(self.ms);
            self.check.on(seen, &self.settings, &self.failover, now);
            self.check.verdict()
        }
    }

    #[test]
    fn the_first_result_decides_at_once() {
        assert_eq!(bench(10).see(true, false), Verdict::Up);
        assert_eq!(bench(10).see(false, false), Verdict::Down);
    }

    #[test]
    fn three_failures_in_a_row_bring_it_down_and_two_are_forgotten() {
        let mut b = bench(0);
        let seen = [true, false, false, true, false, false, false];
        let verdicts: Vec<_> = seen.map(|passed| b.see(passed, false)).into();
        assert_eq!(verdicts[..6], [Verdict::Up; 6]);
        assert_eq!(verdicts[6], Verdict::Down);
    }

    #[test]
    fn it_comes_back_after_rise_and_hold() {
        let mut b = bench(2);
        b.see(false, false);
        // Passing since 1.0 s; the hold is over at 3.0 s.
        let verdicts: Vec<_> = (0..5).map(|_| b.see(true, false)).collect();
        assert_eq!(verdicts[..4], [Verdict::Down; 4]);
        assert_eq!(verdicts[4], Verdict::Up);
    }

    #[test]
    fn with_nobody_else_usable_rise_is_enough() {
        let mut b = bench(10);
        b.see(false, true);
        assert_eq!(b.see(true, true), Verdict::Down);
        assert_eq!(b.see(true, true), Verdict::Up);
    }

    #[test]
    fn who_waits_for_a_person_is_no_new_fault_at_a_single_failure() {
        let mut b = bench(0);
        b.failover.failback_auto = false;
        let mut after = |results: &[bool]| {
            for passed in results {
                b.see(*passed, false);
            }
            b.check.returning()
        };
        assert!(!after(&[true, false, false, false]));
        assert!(after(&[true, true, true]));
        assert!(after(&[false, false]), "it passed before, and may again");
        assert!(!after(&[false]), "now it has fallen again");
    }

    #[test]
    fn manual_failback_waits_for_a_person() {
        let mut b = bench(0);
        b.failover.failback_auto = false;
        b.see(false, false);
        assert!((0..20).all(|_| b.see(true, false) == Verdict::Down));
        assert!(b.check.awaits_person(&b.failover));
        let now = Time::from_millis(b.ms);
        let turn = b.check.agree(&b.settings, &b.failover, now);
        assert_eq!(turn.map(|turn| turn.to), Some(Verdict::Up));
    }

    #[test]
    fn known_to_be_down_before_a_restart_it_is_down_until_a_probe_passes() {
        let mut b = bench(10);
        b.check = Check::restored(Verdict::Down, true);
        assert_eq!(b.check.verdict(), Verdict::Down);
        assert_eq!(b.see(true, false), Verdict::Up);
        b.check = Check::restored(Verdict::Down, true);
        b.see(false, false);
        assert_eq!(b.see(true, false), Verdict::Down);
    }
}
