//! Every shipped scenario that expects something, and how that came out: the page `bench/DISPATCH.md`.

use std::fmt::Write;

use super::scenario::Scenario;
use super::shipped::SHIPPED;
use super::{Verdict, policies, run_all};

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
        let policies = policies(&scenario, &[]).map_err(named)?;
        let outcomes = run_all(&scenario, &policies, scenario.run.seed, &|_| {}).map_err(named)?;
        let expected = scenario.expect.iter();
        let verdicts: Vec<Verdict> = expected.filter_map(|e| e.judge(&outcomes)).collect();
        let requests = outcomes.iter().map(|o| o.answered + o.errors).sum();
        report.tell(shipped.name, &scenario, requests, &verdicts);
    }
    Ok(report)
}

impl Report {
    fn tell(&mut self, name: &str, scenario: &Scenario, requests: u64, verdicts: &[Verdict]) {
        let text = &mut self.text;
        let _ = writeln!(text, "\n## `{name}`\n\n{}.", scenario.summary);
        if !scenario.source.is_empty() {
            let _ = writeln!(text, "{}.", scenario.source);
        }
        let seed = scenario.run.seed;
        let _ = writeln!(
            text,
            "Seed {seed}, {requests} requests.\n\n| policy | figure | expected | found | off |\n| --- | --- | --- | --- | --- |"
        );
        for verdict in verdicts {
            let off = verdict.off.map(|off| format!("{:+.2} %", off * 100.0));
            let line = format!(
                "| `{}` | {} | {} | {:.5} | {}{} |",
                verdict.policy,
                verdict.figure.name(),
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
