//! What a scenario expects: a figure of a policy, and how far off it may be.

use serde::{Deserialize, Serialize};

use super::{LoadRun, Outcome, Scenario};

/// A figure of an outcome that can be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Mean response time, in seconds, of what was answered.
    Mean,
    /// Half were faster.
    P50,
    /// Nine in ten were faster.
    P90,
    /// 99 in 100 were faster.
    P99,
    /// The slowest.
    Max,
    /// Share of requests that failed in the end.
    Errors,
    /// The largest endpoint's share of all tries, as a multiple of an even one.
    ShareMax,
    /// The first endpoint's share of all tries, as a multiple of an even one.
    ShareFirst,
    /// The share of tries that stayed in their zone.
    ShareNear,
    /// Share of endpoints with a request or more, over time.
    #[serde(rename = "at_least_1")]
    AtLeast1,
    /// With two or more.
    #[serde(rename = "at_least_2")]
    AtLeast2,
    /// With three or more.
    #[serde(rename = "at_least_3")]
    AtLeast3,
    /// With four or more.
    #[serde(rename = "at_least_4")]
    AtLeast4,
}

impl Figure {
    /// As it is written in a scenario.
    pub const fn name(self) -> &'static str {
        match self {
            Figure::Mean => "mean",
            Figure::P50 => "p50",
            Figure::P90 => "p90",
            Figure::P99 => "p99",
            Figure::Max => "max",
            Figure::Errors => "errors",
            Figure::ShareMax => "share_max",
            Figure::ShareFirst => "share_first",
            Figure::ShareNear => "share_near",
            Figure::AtLeast1 => "at_least_1",
            Figure::AtLeast2 => "at_least_2",
            Figure::AtLeast3 => "at_least_3",
            Figure::AtLeast4 => "at_least_4",
        }
    }
}

/// One expectation: a value and how far off it may be, or a bound.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Of which policy.
    pub policy: String,
    /// What of it.
    pub figure: Figure,
    /// What theory says.
    pub value: Option<f64>,
    /// How far off, as a share of it.
    pub within: Option<f64>,
    /// Or an upper bound.
    pub at_most: Option<f64>,
    /// Or a lower one.
    pub at_least: Option<f64>,
    /// The bound is a multiple of what this policy has.
    pub than: Option<String>,
    /// Under which load, if not the scenario's own.
    pub load: Option<f64>,
}

/// How it came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Of which policy.
    pub policy: String,
    /// What of it.
    pub figure: Figure,
    /// Under which load, if that is not the scenario's own.
    pub load: Option<f64>,
    /// In words: what was wanted.
    pub wanted: String,
    /// What was found.
    pub found: f64,
    /// How far off the value it is, as a share of it; where there is only a bound, nothing.
    pub off: Option<f64>,
    /// As expected?
    pub holds: bool,
}

impl Expect {
    /// What is wrong with the expectation itself.
    pub(super) fn mistake(&self) -> Option<String> {
        let value = self.value.is_some() && self.within.is_some_and(|within| within > 0.0);
        let neither = self.value.is_none() && self.within.is_none();
        let whole = match (self.at_most, self.at_least) {
            (None, None) => value && self.than.is_none(),
            (Some(_), None) | (None, Some(_)) => neither,
            _ => false,
        };
        let load = self.load.is_none_or(|load| load.is_finite() && load > 0.0);
        (!whole || !load).then(|| {
            format!(
                "expect of {}: wanted value with within, or at_most, or at_least, which may be multiples of what another has (than); and a load above 0, if any",
                self.policy
            )
        })
    }

    /// Does it hold of what came out under its load? `None` if the policy, or the one it is held against, was not run.
    pub fn judge(&self, outcomes: &[Outcome]) -> Option<Verdict> {
        let of = |name: &str| outcomes.iter().find(|outcome| outcome.policy == name);
        let outcome = of(&self.policy)?;
        let found = outcome.figure(self.figure);
        let (unit, times) = match &self.than {
            Some(other) => {
                let unit = of(other)?.figure(self.figure);
                (unit, format!(" × {unit:.5} of `{other}`"))
            }
            None => (1.0, String::new()),
        };
        let most = self.at_most.unwrap_or(f64::INFINITY);
        let (wanted, off, within) = match (self.value, self.within, self.at_least) {
            (Some(value), Some(within), _) => {
                let off = found / value - 1.0;
                let wanted = format!("{value} ± {:.1} %", within * 100.0);
                (wanted, Some(off), off.abs() <= within)
            }
            (.., Some(least)) => {
                let wanted = format!("≥ {least}{times}");
                (wanted, None, found >= least * unit)
            }
            _ => (format!("≤ {most}{times}"), None, found <= most * unit),
        };
        Some(Verdict {
            policy: self.policy.clone(),
            figure: self.figure,
            load: self.load,
            wanted,
            found,
            off,
            holds: within && outcome.overloaded_s.is_none(),
        })
    }
}

/// An expectation that nothing was run for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unchecked {
    /// Of which policy.
    pub policy: String,
    /// What of it.
    pub figure: Figure,
    /// Under which load, if that is not the scenario's own.
    pub load: Option<f64>,
    /// Why it was not checked.
    pub why: String,
}

/// What a scenario expects, held against what was run: each under its load, be that the scenario's own or one asked for.
pub fn check(scenario: &Scenario, runs: &[LoadRun]) -> (Vec<Verdict>, Vec<Unchecked>) {
    let mut verdicts = Vec::new();
    let mut unchecked = Vec::new();
    for expect in &scenario.expect {
        let load = expect.load.or(scenario.arrival.load);
        let run = runs.iter().find(|run| run.load == load);
        let why = match run.map(|run| expect.judge(&run.outcomes)) {
            Some(Some(verdict)) => {
                verdicts.push(verdict);
                continue;
            }
            Some(None) => "its policy, or the one it is held against, was not run".to_owned(),
            None => match load {
                Some(load) => format!("it is of load {load}, which was not run"),
                None => "it is of the scenario's own rate, which was not run".to_owned(),
            },
        };
        unchecked.push(Unchecked {
            policy: expect.policy.clone(),
            figure: expect.figure,
            load: expect.load,
            why,
        });
    }
    (verdicts, unchecked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{policies, run_all};

    const SCENARIO: &str = r#"
summary = "two"
policies = ["random", "round_robin"]
[run]
seconds = 2
[arrival]
load = 0.5
[work]
mean_s = 0.01
[[endpoints]]
count = 2
[[expect]]
policy = "random"
figure = "errors"
at_most = 0.0
[[expect]]
policy = "round_robin"
figure = "errors"
at_most = 0.0
load = 0.7
"#;

    fn checked(loads: &[Option<f64>], asked: &[&str]) -> (usize, Vec<String>) {
        let scenario = Scenario::parse(SCENARIO).unwrap();
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        let policies = policies(&scenario, &asked).unwrap();
        let run = |load: &Option<f64>| {
            let scenario = scenario.under(*load).unwrap();
            LoadRun {
                load: scenario.arrival.load,
                outcomes: run_all(&scenario, &policies, 1, &|_| {}).unwrap(),
            }
        };
        let runs: Vec<LoadRun> = loads.iter().map(run).collect();
        let (verdicts, unchecked) = check(&scenario, &runs);
        (
            verdicts.len(),
            unchecked.into_iter().map(|u| u.why).collect(),
        )
    }

    #[test]
    fn what_is_expected_is_checked_under_its_load_or_said_not_to_be() {
        assert_eq!(checked(&[None, Some(0.7)], &[]), (2, Vec::new()));
        // Asked for by name, the scenario's own load is itself.
        let (held, why) = checked(&[Some(0.5), Some(0.9)], &[]);
        assert_eq!((held, why.len()), (1, 1));
        assert!(why[0].contains("load 0.7"), "{why:?}");
        let (held, why) = checked(&[None, Some(0.7)], &["round_robin"]);
        assert_eq!((held, why.len()), (1, 1));
        assert!(why[0].contains("policy"), "{why:?}");
    }
}
