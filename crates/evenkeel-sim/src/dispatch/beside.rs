//! `learned` beside `p2c`, its guard: it must never be worse by more than [`WORSE`], whatever the scenario.
//!
//! Compared is the time until a request was answered or had failed in the end, and the share that failed. Were it the time of what was
//! answered only, a policy that gets slow answers where the other one loses them would be the worse of the two.

use serde::Serialize;

use super::scenario::Scenario;
use super::{Outcome, run_all};

/// Mean and p99 of `learned` may be so many times those of `p2c`, and so its share of errors.
pub const WORSE: f64 = 1.05;
/// So many errors more are nobody's doing.
pub const CHANCE: f64 = 0.002;
/// The two of them.
const NAMES: [&str; 2] = ["p2c", "learned"];

/// How the two did in one scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// `p2c`.
    pub plain: Outcome,
    /// `learned`.
    pub learned: Outcome,
}

impl Beside {
    /// Runs both, for so many requests after the warm-up at most.
    pub fn run(scenario: &Scenario, requests: f64, seed: u64) -> Result<Beside, String> {
        let mut scenario = scenario.clone();
        let run = &scenario.run;
        let rate = scenario.requests() / run.seconds;
        scenario.run.seconds = run.seconds.min(run.warm_up + requests / rate);
        let outcomes = run_all(&scenario, &NAMES.map(String::from), seed, &|_| {})?;
        match <[Outcome; 2]>::try_from(outcomes) {
            Ok([plain, learned]) => Ok(Beside { plain, learned }),
            Err(_) => Err("two policies were run, and there are not two outcomes".into()),
        }
    }

    /// Means, how many times `p2c`'s that of `learned` is; 1 where nobody waited.
    pub fn mean(&self) -> f64 {
        ratio(self.learned.wait_mean_s, self.plain.wait_mean_s)
    }

    /// The same of p99.
    pub fn p99(&self) -> f64 {
        ratio(self.learned.wait_p99_s, self.plain.wait_p99_s)
    }

    /// Does it keep its bound?
    pub fn holds(&self) -> bool {
        let errors = extra_errors(&self.learned, &self.plain) <= 0.0;
        self.mean() <= WORSE && self.p99() <= WORSE && errors
    }
}

/// How far its share of errors is above what it may be.
pub(super) fn extra_errors(learned: &Outcome, plain: &Outcome) -> f64 {
    learned.error_share - plain.error_share * WORSE - CHANCE
}

fn ratio(of: f64, to: f64) -> f64 {
    match to > 0.0 {
        true => of / to,
        false => 1.0,
    }
}
