//! `cargo xtask bench proxy`: what a request costs, in CPU time of the whole proxy, beside HAProxy, nginx and a plain relay.
//!
//! CPU time and not throughput, because it is what a machine has to be bought for, and because it stays right when the load
//! and not the proxy is the limit. Each proxy has one worker on a core of its own; load and endpoints share the other core.
//! All proxies run side by side through a round and are measured one after the other, in an order that rotates, so that
//! slow changes of the machine hit all of them; ratios are taken inside a round, and the median over rounds is told.

mod machine;
mod measure;
mod proxies;
mod report;
mod works;

use crate::{Failure, load};
use measure::{Bench as Setup, Measurement};
use proxies::{PROXIES, Proxy};
use std::path::PathBuf;
use works::{WORKS, Work};

/// What can be benched.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// CPU time per request, requests per second and latency, for each kind of work.
    Proxy(Options),
}

/// What `cargo xtask bench proxy` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; the median over them is told.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 3.0)]
    secs: f64,
    /// Three rounds of one second: for a first look, not for figures.
    #[arg(long)]
    quick: bool,
    /// Only this proxy or this work; may be given several times.
    #[arg(long)]
    only: Vec<String>,
}

/// Runs the benchmark.
pub(crate) fn run(bench: &Bench) -> Result<(), Failure> {
    let Bench::Proxy(options) = bench;
    let (rounds, secs) = if options.quick {
        (3, 1.0)
    } else {
        (options.rounds, options.secs)
    };
    if !(0.1..=60.0).contains(&secs) {
        return Err(format!("--secs {secs}: wanted 0.1 to 60"));
    }
    let proxies = chosen(PROXIES, &options.only, |proxy| proxy.name)?;
    let works = chosen(WORKS, &options.only, |work| work.name)?;
    let mut packages = vec!["evenkeel-bench"];
    if proxies.iter().any(|proxy| proxy.is_ours()) {
        packages.push("evenkeel");
    }
    let programs = load::build_for_use(&packages)?;
    let measurements = measured(&proxies, &works, rounds, secs, programs)?;
    report::print(&proxies, &works, &measurements);
    let path = report::save(&proxies, &measurements, rounds, secs)?;
    println!("\nwritten to {}", path.display());
    refuse_errors(&measurements)
}

/// One short round of each proxy and work on the debug build: that all of it answers right, not how fast.
pub(crate) fn smoke() -> Result<(), Failure> {
    let proxies: Vec<_> = PROXIES.iter().collect();
    let works: Vec<_> = WORKS.iter().collect();
    refuse_errors(&measured(
        &proxies,
        &works,
        1,
        0.2,
        load::build_for_tests()?,
    )?)
}

/// Those whose names were given; all if none of the list was.
fn chosen<T>(
    all: &'static [T],
    only: &[String],
    name: fn(&T) -> &'static str,
) -> Result<Vec<&'static T>, Failure> {
    let known = |wanted: &String| {
        PROXIES.iter().any(|proxy| proxy.name == wanted)
            || WORKS.iter().any(|work| work.name == wanted)
    };
    if let Some(unknown) = only.iter().find(|wanted| !known(wanted)) {
        let names = PROXIES
            .iter()
            .map(|proxy| proxy.name)
            .chain(WORKS.iter().map(|work| work.name));
        return Err(format!(
            "--only {unknown}: wanted one of {}",
            names.collect::<Vec<_>>().join(", ")
        ));
    }
    let some: Vec<_> = all
        .iter()
        .filter(|entry| only.iter().any(|wanted| wanted == name(entry)))
        .collect();
    Ok(if some.is_empty() {
        all.iter().collect()
    } else {
        some
    })
}

/// Starts, measures, stops.
fn measured(
    proxies: &[&'static Proxy],
    works: &[&'static Work],
    rounds: u32,
    secs: f64,
    programs: PathBuf,
) -> Result<Vec<Measurement>, Failure> {
    let setup = Setup::start(programs)?;
    let mut measurements = Vec::new();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        let running = proxies
            .iter()
            .map(|proxy| setup.start_proxy(proxy))
            .collect::<Result<Vec<_>, _>>()?;
        for (turn, work) in works.iter().enumerate() {
            for place in 0..running.len() {
                let index = (place + turn + round as usize) % running.len();
                let measurement = setup.measure(round, &running[index], work, secs)?;
                println!("  {}", measurement.line());
                measurements.push(measurement);
            }
        }
    }
    Ok(measurements)
}

fn refuse_errors(measurements: &[Measurement]) -> Result<(), Failure> {
    let wrong: Vec<_> = measurements
        .iter()
        .filter(|measurement| measurement.seen.errors > 0 || measurement.seen.requests == 0)
        .collect();
    let Some(first) = wrong.first() else {
        return Ok(());
    };
    Err(format!(
        "{} of {} measurements had errors and mean nothing; the first: {}: {}",
        wrong.len(),
        measurements.len(),
        first.line(),
        first.seen.first_error
    ))
}
