//! Error budgets and burn alerts, as the Google SRE workbook (ch. 5) has them: how many times faster than allowed is the
//! budget being spent, over a long and a short window at once. The long one says that it matters, the short one that it
//! still goes on, so an alert also ends soon after its cause.
//!
//! Bad is time the pool was down and requests that were answered with a failure, whichever is worse: a pool without traffic
//! still goes down, and one whose checks pass may still answer 500. Time before the account began counts as good, for both.
//! Planned and unknown time spends nothing.
//!
//! A budget can't be spent faster than by failing all the time: 1 / (1 − A) times as fast as allowed, which for objectives
//! below 93 % is less than 14.4. The workbook says that the parameters have to be tuned then; here a rule never asks for more
//! than nine tenths of the worst there can be, so a total outage pages within 54 minutes whatever the objective.

use std::time::Duration;

use super::history::nanos;
use crate::settings::Nines;
use crate::time::WallTime;

/// One alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `page`: somebody has to look now. `ticket`: within days.
    pub severity: &'static str,
    /// Times as fast as the budget allows, in tenths.
    pub burn_tenths: u64,
    /// It matters…
    pub long: Duration,
    /// … and still goes on.
    pub short: Duration,
}

impl Rule {
    /// Times as fast as the budget allows.
    pub fn burn(&self) -> f64 {
        self.burn_tenths as f64 / 10.0
    }

    /// The same where the objective leaves room for it, else nine tenths of the fastest there is.
    pub fn burn_at(&self, objective: Nines) -> f64 {
        let budget = f64::from(objective.budget_ppb().max(1)) / f64::from(Nines::WHOLE);
        self.burn().min(WORST_TENTHS as f64 / 10.0 / budget)
    }

    /// How much may be bad, of [`WHOLE_WINDOW`].
    fn allowed(&self, objective: Nines) -> u128 {
        let allowed = u128::from(self.burn_tenths) * u128::from(objective.budget_ppb());
        allowed.min(WHOLE_WINDOW / 10 * u128::from(WORST_TENTHS))
    }
}

/// Bad all the time.
const WHOLE_WINDOW: u128 = 10 * Nines::WHOLE as u128;
/// So many tenths of the worst there can be are as bad as any rule may ask for.
const WORST_TENTHS: u64 = 9;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The workbook's three, worst first: 2 % of 30 days' budget in an hour, 5 % in six, 10 % in three days.
pub const RULES: [Rule; 3] = [
    Rule {
        severity: "page",
        burn_tenths: 144,
        long: HOUR,
        short: MINUTE.saturating_mul(5),
    },
    Rule {
        severity: "page",
        burn_tenths: 60,
        long: HOUR.saturating_mul(6),
        short: MINUTE.saturating_mul(30),
    },
    Rule {
        severity: "ticket",
        burn_tenths: 10,
        long: DAY.saturating_mul(3),
        short: HOUR.saturating_mul(6),
    },
];

/// The longest window of a rule: history is kept at least so long.
pub const LONGEST: Duration = DAY.saturating_mul(3);
/// The window of the one burn rate that is shown: the fastest alert's.
pub const SHOWN: Duration = HOUR;
/// Fewer failed requests than this in the long window alert nobody: one failure of ten requests at night is 10 %, and no
/// outage. Time still counts.
pub const BAD_REQUESTS_MIN: u64 = 10;

/// What was bad in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// The window, in nanoseconds.
    pub window_ns: u64,
    /// How much of it the account has existed.
    pub observed_ns: u64,
    /// Down.
    pub down_ns: u64,
    /// Requests.
    pub requests: u64,
    /// Of those, failed.
    pub bad: u64,
}

impl Spent {
    /// Of a window, with what is in it.
    pub(super) fn new(window: Duration, observed_ns: u64, down_ns: u64, counts: [u64; 2]) -> Spent {
        let [good, bad] = counts;
        Spent {
            window_ns: nanos(window),
            observed_ns: observed_ns.min(nanos(window)),
            down_ns,
            requests: good.saturating_add(bad),
            bad,
        }
    }

    /// How many times as fast as allowed the budget was spent in this window: by time or by requests, whichever is worse.
    pub fn burn(&self, objective: Nines) -> f64 {
        let budget = f64::from(objective.budget_ppb().max(1)) / f64::from(Nines::WHOLE);
        self.bad_share() / budget
    }

    /// What is left of the budget if this is the objective's own window; less than 0 = overspent.
    pub fn budget_left(&self, objective: Nines) -> f64 {
        1.0 - self.burn(objective)
    }

    fn bad_share(&self) -> f64 {
        let window = self.window_ns.max(1) as f64;
        let time = self.down_ns as f64 / window;
        let requests = self.bad as f64 / self.requests.max(1) as f64;
        time.max(requests * self.observed_ns as f64 / window)
    }

    /// Has the burn reached the rule's? In whole numbers, so that it is so at an exact moment.
    fn reaches(&self, rule: &Rule, objective: Nines, bad_min: u64) -> bool {
        let allowed = rule.allowed(objective);
        let scaled = |bad: u64| u128::from(bad) * WHOLE_WINDOW;
        let by_time = scaled(self.down_ns) >= allowed * u128::from(self.window_ns);
        by_time || (self.bad >= bad_min && self.burn(objective) >= rule.burn_at(objective))
    }

    /// For how much longer it must be down until the rule's burn is reached, if nothing leaves the window.
    fn missing(&self, rule: &Rule, objective: Nines) -> Duration {
        let allowed = rule.allowed(objective);
        let needed = (allowed * u128::from(self.window_ns)).div_ceil(WHOLE_WINDOW);
        let missing = needed.saturating_sub(u128::from(self.down_ns));
        Duration::from_nanos(u64::try_from(missing).unwrap_or(u64::MAX))
    }
}

/// An alert began or ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnChange {
    /// Which.
    pub rule: &'static Rule,
    /// Began, or ended?
    pub firing: bool,
    /// The burn over the long window.
    pub long: f64,
    /// The burn over the short window.
    pub short: f64,
    /// Since when it had been firing, when it ends; else now.
    pub since: WallTime,
}

/// An alert that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Which.
    pub rule: &'static Rule,
    /// Since when.
    pub since: WallTime,
}

/// The alerts of one pool.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    since: [Option<WallTime>; RULES.len()],
}

impl Alerts {
    /// Looks at every rule; `spent` tells what was bad in a window.
    pub fn look(
        &mut self,
        objective: Nines,
        now: WallTime,
        spent: impl Fn(Duration) -> Spent,
    ) -> Vec<BurnChange> {
        let mut changes = Vec::new();
        for (rule, since) in RULES.iter().zip(&mut self.since) {
            let (long, short) = (spent(rule.long), spent(rule.short));
            // The short one only asks whether it goes on: that there were enough failures the long one has seen.
            let firing = long.reaches(rule, objective, BAD_REQUESTS_MIN)
                && short.reaches(rule, objective, 1);
            if firing == since.is_some() {
                continue;
            }
            changes.push(BurnChange {
                rule,
                firing,
                long: long.burn(objective),
                short: short.burn(objective),
                since: since.unwrap_or(now),
            });
            *since = firing.then_some(now);
        }
        changes
    }

    /// Those that go on, worst first.
    pub fn firing(&self) -> impl Iterator<Item = Firing> {
        let rules = RULES.iter().zip(self.since);
        rules.filter_map(|(rule, since)| {
            let since = since?;
            Some(Firing { rule, since })
        })
    }

    /// How long a pool that is down must stay so until the next alert begins.
    pub fn next(&self, objective: Nines, spent: impl Fn(Duration) -> Spent) -> Option<Duration> {
        let quiet = RULES.iter().zip(self.since).filter(|(_, s)| s.is_none());
        let missing = quiet.map(|(rule, _)| {
            let missing = |window| spent(window).missing(rule, objective);
            missing(rule.long).max(missing(rule.short))
        });
        missing.min()
    }
}
