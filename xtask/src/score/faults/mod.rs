//! `cargo xtask score faults`: every drill against a site of its own under load, several times each. What counts: how fast it is
//! found, whether its cause is understood, whether it is healed without a person, that nothing else is touched, and what clients see.
//! Beside it, the same faults for HAProxy and a supervisor that restarts as systemd does. And calm runs with noise, in which nothing may be done.

mod calm;
mod haproxy;
mod harm;
mod report;
mod run;
mod site;

use crate::Failure;
use std::path::Path;
use std::time::Duration;

/// Requests a second.
const RATE: f64 = 200.0;
/// Those that hang hold others back only when all of these do.
const CONNECTIONS: u32 = 256;
/// A calm run in a hurry.
const QUICK_CALM_SECS: u64 = 20;

/// What `cargo xtask score faults` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this scenario, `calm` or `haproxy`; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Runs of each.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// How long a calm run lasts, in seconds: by default several windows of every detector.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=calm::SECS_MAX))]
    calm_secs: u64,
    /// One run of each, without HAProxy.
    #[arg(long)]
    quick: bool,
    /// `debug`: the debug build, to develop on.
    #[arg(long, default_value = "release", value_parser = ["release", "debug"])]
    pub(super) profile: String,
    /// Write the tables to bench/FAULTS.md.
    #[arg(long)]
    write: bool,
}

/// One fault, and how long evenkeel has for it.
struct Scenario {
    name: &'static str,
    /// Seconds after which the drill takes the fault back.
    hold_s: u32,
    /// Is there an action that heals it?
    healed: bool,
    /// Does another endpoint work meanwhile, so that no client may see an error?
    hidden: bool,
    /// Whom it is right to act on.
    guilty: &'static [&'static str],
}

const fn scenario(name: &'static str, hold_s: u32, healed: bool) -> Scenario {
    Scenario {
        name,
        hold_s,
        healed,
        hidden: true,
        guilty: &["a1"],
    }
}

const SCENARIOS: &[Scenario] = &[
    scenario("kill", 20, true),
    scenario("stop", 30, true),
    // Until whoever has the port lets go of it, nothing helps.
    scenario("port_blocked", 5, false),
    scenario("slow_answers", 60, true),
    scenario("errors_after_release", 40, true),
    scenario("memory_leak", 60, true),
    scenario("cpu_burn", 60, true),
    scenario("disk_full", 30, true),
    Scenario {
        name: "dependency_down",
        hold_s: 40,
        healed: true,
        // Everybody needs it.
        hidden: false,
        guilty: &["store"],
    },
    // There is one way, and it is cut.
    scenario("path_cut", 5, false),
];

/// Runs all or some of it, prints tables, and refuses what is out of bounds.
pub(crate) fn run(options: &Options, programs: &Path) -> Result<(), Failure> {
    known(options)?;
    let runs = if options.quick { 1 } else { options.runs };
    let chosen =
        |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let mut report = report::Report::default();
    for scenario in SCENARIOS.iter().filter(|s| chosen(s.name)) {
        if let Some(why) = cannot(scenario.name) {
            println!("NOT RUN: {}: {why}", scenario.name);
            report.left_out.push(format!("{}: {why}", scenario.name));
            continue;
        }
        for number in 1..=runs {
            let outcome = run::run(scenario, programs)
                .map_err(|why| format!("{}, run {number}: {why}", scenario.name))?;
            println!("{} {number}: {}", scenario.name, outcome.line());
            report.add(scenario, outcome);
        }
    }
    if chosen("calm") {
        let seconds = if options.quick {
            QUICK_CALM_SECS
        } else {
            options.calm_secs
        };
        for number in 1..=runs {
            let calm = calm::run(programs, Duration::from_secs(seconds))?;
            println!("calm {number}: {}", calm.line());
            report.calm.push(calm);
        }
    }
    if chosen("haproxy") && !options.quick {
        report.haproxy = haproxy::run(programs, SCENARIOS)?;
    }
    let text = report.text();
    println!("\n{text}");
    if options.write {
        let file = crate::steps::root().join("bench/FAULTS.md");
        std::fs::write(&file, report.page()).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    report.judge()
}

fn known(options: &Options) -> Result<(), Failure> {
    let mut names: Vec<&str> = SCENARIOS.iter().map(|s| s.name).collect();
    names.extend(["calm", "haproxy"]);
    match options
        .only
        .iter()
        .find(|only| !names.contains(&only.as_str()))
    {
        Some(unknown) => Err(format!(
            "--only {unknown}: wanted one of {}",
            names.join(", ")
        )),
        None => Ok(()),
    }
}

/// Why it can't be had here.
fn cannot(scenario: &str) -> Option<&'static str> {
    match scenario {
        "path_cut" if !site::has_nft() => Some("it needs root and nftables"),
        "disk_full" if !site::is_root() => Some("a small disk is mounted by root"),
        _ => None,
    }
}
