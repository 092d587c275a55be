//! `learned` beside `p2c`, its guard: it must never be worse by more than [`WORSE`], whatever the scenario.

use serde::Serialize;

use super::scenario::Scenario;
use super::{Outcome, run_all};

/// Mean and p99 of `learned` may be so many times those of `p2c`.
pub const WORSE: f64 = 1.05;
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

    /// Means, how many times `p2c`'s that of `learned` is; 1 where nobody was answered.
    pub fn mean(&self) -> f64 {
        ratio(self.learned.mean_s, self.plain.mean_s)
    }

    /// The same of p99.
    pub fn p99(&self) -> f64 {
        ratio(self.learned.p99_s, self.plain.p99_s)
    }

    /// Does it keep its bound? Of errors there may not be more either, but for chance.
    pub fn holds(&self) -> bool {
        let errors = self.learned.error_share <= self.plain.error_share * WORSE + 0.002;
        self.mean() <= WORSE && self.p99() <= WORSE && errors
    }
}

fn ratio(of: f64, to: f64) -> f64 {
    match to > 0.0 {
        true => of / to,
        false => 1.0,
    }
}
