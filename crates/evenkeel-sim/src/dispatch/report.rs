//! Every shipped scenario that expects something, and how that came out: the page `bench/DISPATCH.md`.

use std::fmt::Write;

use super::beside::{Beside, WORSE};
use super::scenario::Scenario;
use super::shipped::SHIPPED;
use super::{Outcome, Verdict, policies, run_all};

/// The page, and what does not hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Markdown.
    pub text: String,
    /// A line for each expectation that is broken.
    pub broken: Vec<String>,
}

const HEAD: &str = "# Dispatch

Made by `cargo xtask score dispatch`: the pickers that serve traffic, on simulated endpoints, beside what is known exactly. The same seed gives the same figures.
It fails where an expectation is broken. `evenkeel simulate NAME` runs one of them.
";

/// Computes it; `told` hears which scenario comes next.
pub fn report(told: &dyn Fn(&str)) -> Result<Report, String> {
    let mut report = Report {
        text: HEAD.to_owned(),
        ..Report::default()
    };
    for shipped in SHIPPED {
        let named = |wrong| format!("{}: {wrong}", shipped.name);
        let scenario = shipped.scenario().map_err(named)?;
        if scenario.expect.is_empty() {
            continue;
        }
        told(shipped.name);
        let judged = judge(&scenario).map_err(named)?;
        report.tell(shipped.name, &scenario, &judged);
    }
    report.beside(told)?;
    Ok(report)
}

/// How what a scenario expects came out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// Of all policies, under all loads.
    pub requests: u64,
    /// In the order in which it is expected.
    pub verdicts: Vec<Verdict>,
}

/// Runs a scenario under each load of which it expects something.
pub fn judge(scenario: &Scenario) -> Result<Judged, String> {
    let policies = policies(scenario, &[])?;
    let mut judged = Judged::default();
    for load in scenario.loads() {
        let under = scenario.under(load)?;
        let expected = || scenario.expect.iter().filter(move |e| e.load == load);
        let concerns = |policy: &&String| {
            expected().any(|e| e.policy == **policy || e.than.as_ref() == Some(*policy))
        };
        let concerned: Vec<String> = policies.iter().filter(concerns).cloned().collect();
        let outcomes = run_all(&under, &concerned, scenario.run.seed, &|_| {})?;
        judged
            .verdicts
            .extend(expected().filter_map(|e| e.judge(&outcomes)));
        judged.requests += outcomes.iter().map(|o| o.answered + o.errors).sum::<u64>();
    }
    Ok(judged)
}

/// Requests of each of the two in each scenario, and seeds of which the worst counts.
const BESIDE_REQUESTS: f64 = 300_000.0;
const BESIDE_SEEDS: u64 = 3;

impl Report {
    /// `learned` beside its guard, in every shipped scenario.
    fn beside(&mut self, told: &dyn Fn(&str)) -> Result<(), String> {
        let percent = (WORSE - 1.0) * 100.0;
        let _ = writeln!(
            self.text,
            "\n## `learned` beside `p2c`\n\nIn no scenario may the mean or p99 of the time until a request was answered or had failed be worse by more than {percent:.0} %, or the share that failed. Of {BESIDE_SEEDS} seeds the one that is worst for it, with {BESIDE_REQUESTS:.0} requests at most.\n\n| scenario | `p2c` mean, p99 in s | errors | `learned` mean, p99 in s | errors | mean | p99 |\n| --- | --- | --- | --- | --- | --- | --- |"
        );
        for shipped in SHIPPED {
            told(shipped.name);
            let scenario = shipped.scenario()?;
            let mut worst: Option<Beside> = None;
            for seed in 1..=BESIDE_SEEDS {
                let beside = Beside::run(&scenario, BESIDE_REQUESTS, seed)?;
                let bad = |of: &Beside| of.mean().max(of.p99());
                if worst.as_ref().is_none_or(|worst| bad(worst) < bad(&beside)) {
                    worst = Some(beside);
                }
            }
            if let Some(worst) = worst {
                self.tell_beside(shipped.name, &worst);
            }
        }
        Ok(())
    }

    fn tell_beside(&mut self, name: &str, beside: &Beside) {
        let figures = |of: &Outcome| {
            let (mean, p99, errors) = (of.wait_mean_s, of.wait_p99_s, of.error_share);
            format!("{mean:.4}, {p99:.4} | {errors:.4}")
        };
        let off = |ratio: f64| (ratio - 1.0) * 100.0;
        let line = format!(
            "| `{name}` | {} | {} | {:+.1} % | {:+.1} %{} |",
            figures(&beside.plain),
            figures(&beside.learned),
            off(beside.mean()),
            off(beside.p99()),
            if beside.holds() { "" } else { " **broken**" },
        );
        let _ = writeln!(self.text, "{line}");
        if !beside.holds() {
            self.broken.push(line);
        }
    }

    fn tell(&mut self, name: &str, scenario: &Scenario, judged: &Judged) {
        let text = &mut self.text;
        let _ = writeln!(text, "\n## `{name}`\n\n{}.", scenario.summary);
        if !scenario.source.is_empty() {
            let _ = writeln!(text, "{}.", scenario.source);
        }
        let seed = scenario.run.seed;
        let requests = judged.requests;
        let _ = writeln!(
            text,
            "Seed {seed}, {requests} requests.\n\n| policy | figure | expected | found | off |\n| --- | --- | --- | --- | --- |"
        );
        for verdict in &judged.verdicts {
            let load = verdict.load.map(|load| format!(" at load {load}"));
            let off = verdict.off.map(|off| format!("{:+.2} %", off * 100.0));
            let line = format!(
                "| `{}` | {}{} | {} | {:.5} | {}{} |",
                verdict.policy,
                verdict.figure.name(),
                load.unwrap_or_default(),
                verdict.wanted,
                verdict.found,
                off.unwrap_or_default(),
                if verdict.holds { "" } else { " **broken**" },
            );
            let _ = writeln!(text, "{line}");
            if !verdict.holds {
                self.broken.push(format!("{name}: {line}"));
            }
        }
    }
}
