//! `evenkeel simulate SCENARIO`: the policies on a simulated fleet, as a table, as JSON or as a picture. Nothing is asked of a running
//! evenkeel, and what a scenario expects is held against what came out.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use evenkeel_sim::dispatch::shipped::{SHIPPED, shipped};
use evenkeel_sim::dispatch::{
    LoadRun, Outcome, Scenario, Unchecked, Verdict, check, policies, run_all, svg,
};
use serde_json::json;

use crate::End;
use crate::cli::Simulate;
use crate::style::{Out, Row, complain};

/// No scenario is longer.
const BYTES_MAX: u64 = 1 << 20;
/// Columns of the bar.
const BAR: usize = 40;

/// `simulate`.
pub(crate) fn run(asked: &Simulate) -> End {
    let out = Out::new();
    let Some(name) = &asked.scenario else {
        return list(&out, asked.json);
    };
    let chosen = load(name).and_then(|scenario| {
        let policies = policies(&scenario, &asked.policy)?;
        Ok((scenario, policies))
    });
    let (scenario, policies) = match chosen {
        Ok(chosen) => chosen,
        Err(wrong) => {
            complain(&format!("evenkeel: {wrong}"));
            return End::Usage;
        }
    };
    let seed = asked.seed.unwrap_or(scenario.run.seed);
    let loads = match asked.load.is_empty() {
        true => scenario.loads(),
        false => asked.load.iter().copied().map(Some).collect(),
    };
    let runs = match run_loads(&scenario, &policies, seed, &loads) {
        Ok(runs) => runs,
        Err(wrong) => {
            complain(&format!("evenkeel: {wrong}"));
            return End::Failed;
        }
    };
    let (verdicts, unchecked) = check(&scenario, &runs);
    if asked.json {
        let runs = runs
            .iter()
            .map(|run| json!({ "load": run.load, "policies": run.outcomes }));
        let all = json!({ "scenario": name, "summary": scenario.summary, "seed": seed, "runs": serde_json::Value::from_iter(runs), "expected": verdicts, "unchecked": unchecked });
        out.line(&all.to_string());
    } else {
        tell(&out, &scenario, seed, &runs, &verdicts);
        tell_unchecked(&out, &unchecked);
    }
    if let Some(path) = &asked.svg
        && let Err(error) = svg(&scenario.summary, &runs)
            .and_then(|picture| std::fs::write(path, picture).map_err(|e| e.to_string()))
    {
        complain(&format!("evenkeel: {}: {error}", path.display()));
        return End::Failed;
    }
    // What was not checked is no success.
    match verdicts.iter().all(|verdict| verdict.holds) && unchecked.is_empty() {
        true => End::Done,
        false => End::Failed,
    }
}

/// Under each of these loads; `None` is the scenario's own.
fn run_loads(
    scenario: &Scenario,
    policies: &[String],
    seed: u64,
    loads: &[Option<f64>],
) -> Result<Vec<LoadRun>, String> {
    let scenarios = loads.iter().map(|&load| scenario.under(load));
    let scenarios = scenarios.collect::<Result<Vec<Scenario>, _>>()?;
    let bar = Bar::new();
    let count = scenarios.len() as f64;
    let mut runs = Vec::with_capacity(scenarios.len());
    for (number, scenario) in scenarios.iter().enumerate() {
        let progress = |share: f64| bar.draw((number as f64 + share) / count);
        runs.push(LoadRun {
            load: scenario.arrival.load,
            outcomes: run_all(scenario, policies, seed, &progress)?,
        });
    }
    bar.end();
    Ok(runs)
}

/// A file, or the name of one that comes with evenkeel.
fn load(name: &str) -> Result<Scenario, String> {
    if let Some(shipped) = shipped(name) {
        return shipped
            .scenario()
            .map_err(|wrong| format!("{name}: {wrong}"));
    }
    let length = std::fs::metadata(name).map(|about| about.len());
    let text = match length {
        Ok(length) if length > BYTES_MAX => {
            return Err(format!("{name}: it is longer than any scenario is (1 MiB)"));
        }
        _ => std::fs::read_to_string(name),
    };
    let text = text.map_err(|error| {
        format!("{name}: {error}; wanted a file with a scenario, or the name of one that comes with evenkeel (`evenkeel simulate` lists them)")
    })?;
    Scenario::parse(&text).map_err(|wrong| format!("{name}:\n{wrong}"))
}

/// All that come with evenkeel.
fn list(out: &Out, json: bool) -> End {
    let summary = |text: &Result<Scenario, String>| match text {
        Ok(scenario) => scenario.summary.clone(),
        Err(wrong) => wrong.clone(),
    };
    let all = SHIPPED
        .iter()
        .map(|shipped| (shipped.name, summary(&shipped.scenario())));
    if json {
        let all = all.map(|(name, summary)| json!({ "scenario": name, "summary": summary }));
        out.line(&serde_json::Value::from_iter(all).to_string());
        return End::Done;
    }
    let rows: Vec<Row> = all
        .map(|(name, summary)| Row {
            cells: vec![name.to_owned()],
            note: summary,
        })
        .collect();
    out.table(&["SCENARIO", "WHAT"], &rows, |_, _, cell| cell.to_owned());
    End::Done
}

/// What is expected, and under which load.
fn figure(verdict: &Verdict) -> String {
    let load = verdict.load.map(|load| format!(" at load {load}"));
    verdict.figure.name().to_owned() + &load.unwrap_or_default()
}

fn tell(out: &Out, scenario: &Scenario, seed: u64, runs: &[LoadRun], verdicts: &[Verdict]) {
    out.line(&out.bold(&scenario.summary));
    out.line(&out.dim(&format!("seed {seed}; response times of what was answered")));
    out.line("");
    let header = [
        "LOAD", "POLICY", "MEAN", "P50", "P90", "P99", "MAX", "ANSWERED", "ERRORS", "MAX/MEAN", "",
    ];
    let of = |run: &LoadRun| {
        let load = run.load;
        let rows = run.outcomes.iter().map(move |outcome| row(load, outcome));
        rows.collect::<Vec<Row>>()
    };
    let rows: Vec<Row> = runs.iter().flat_map(of).collect();
    out.table(&header, &rows, |_, _, cell| cell.to_owned());
    if verdicts.is_empty() {
        return;
    }
    out.line("");
    if !scenario.source.is_empty() {
        out.line(&out.dim(&scenario.source));
    }
    let row = |verdict: &Verdict| Row {
        cells: vec![
            verdict.policy.clone(),
            figure(verdict),
            verdict.wanted.clone(),
            format!("{:.5}", verdict.found),
            verdict
                .off
                .map_or_else(|| "-".to_owned(), |off| format!("{:+.2} %", off * 100.0)),
            if verdict.holds { "holds" } else { "BROKEN" }.to_owned(),
        ],
        note: String::new(),
    };
    let rows: Vec<Row> = verdicts.iter().map(row).collect();
    let header = ["POLICY", "FIGURE", "EXPECTED", "FOUND", "OFF", "", ""];
    out.table(&header, &rows, |_, row, cell| {
        let broken = cell.trim_end() == "BROKEN" && row.cells.len() == 6;
        match broken {
            true => out.state("down", cell),
            false => cell.to_owned(),
        }
    });
}

fn tell_unchecked(out: &Out, unchecked: &[Unchecked]) {
    if unchecked.is_empty() {
        return;
    }
    out.line("");
    let row = |one: &Unchecked| Row {
        cells: vec![one.policy.clone(), one.figure.name().to_owned()],
        note: one.why.clone(),
    };
    let rows: Vec<Row> = unchecked.iter().map(row).collect();
    out.line(&out.state(
        "trial",
        "expected by the scenario and not checked, so the exit code is 1:",
    ));
    out.table(&["POLICY", "FIGURE", "WHY"], &rows, |_, _, cell| {
        cell.to_owned()
    });
}

fn row(load: Option<f64>, outcome: &Outcome) -> Row {
    let errors = match outcome.errors {
        0 => "0".to_owned(),
        n => format!("{n} ({:.2} %)", outcome.error_share * 100.0),
    };
    let note = outcome.overloaded_s.map(|at| {
        format!(
            "overloaded: more than a million requests at once after {at:.1} s, where it was ended"
        )
    });
    Row {
        cells: vec![
            load.map_or_else(|| "-".to_owned(), |load| format!("{load}")),
            outcome.policy.clone(),
            time(outcome.mean_s),
            time(outcome.p50_s),
            time(outcome.p90_s),
            time(outcome.p99_s),
            time(outcome.max_s),
            outcome.answered.to_string(),
            errors,
            format!("{:.3}", outcome.share_max),
        ],
        note: note.unwrap_or_default(),
    }
}

/// Four figures and a unit.
fn time(seconds: f64) -> String {
    match seconds {
        s if s <= 0.0 => "-".to_owned(),
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.3} s"),
    }
}

/// How far it is, where a person waits.
struct Bar {
    shown: bool,
    /// Percent that were drawn last.
    last: Mutex<u32>,
}

impl Bar {
    fn new() -> Bar {
        Bar {
            shown: std::io::stderr().is_terminal(),
            last: Mutex::new(u32::MAX),
        }
    }

    fn draw(&self, share: f64) {
        let percent = (share.clamp(0.0, 1.0) * 100.0) as u32;
        let Ok(mut last) = self.last.lock() else {
            return;
        };
        if !self.shown || *last == percent {
            return;
        }
        *last = percent;
        let full = BAR * percent as usize / 100;
        let bar = format!("{:█<full$}{:░<rest$}", "", "", rest = BAR - full);
        let _ = write!(std::io::stderr().lock(), "\r{bar} {percent:>3} %");
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_unit_that_fits() {
        assert_eq!(time(0.0), "-");
        assert_eq!(time(0.000_012_34), "12.3 µs");
        assert_eq!(time(0.0123), "12.30 ms");
        assert_eq!(time(10.0251), "10.025 s");
    }

    #[test]
    fn what_is_neither_a_scenario_nor_a_file_is_told_how_to_find_one() {
        let wrong = load("theory-nothing").unwrap_err();
        assert!(
            wrong.contains("theory-nothing") && wrong.contains("`evenkeel simulate` lists them")
        );
        assert!(load("theory-random").is_ok());
    }
}
