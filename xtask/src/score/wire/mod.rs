//! `cargo xtask score wire`: eight endpoints of which one is ten times slower, behind each policy of evenkeel and behind HAProxy,
//! nginx and Envoy: real processes, real sockets. What counts: the best p99 of ours is at most half of the best of the others.
//!
//! Requests come at random times at a stated rate, whatever the balancer does, and are timed from when they were due. The balancer
//! has a core of its own, load and endpoints share the other. All take their turn in each round, in an order that rotates,
//! with the same arrivals and the same work, so that noise of the machine meets all; ratios are taken inside a round.

mod contestants;
mod envoy;
mod report;
mod run;
mod works;

use crate::bench::machine;
use crate::{Failure, load};
use contestants::Contestant;
use run::{Measured, Setup};
use std::path::PathBuf;
use works::{WORKS, Work};

/// What `cargo xtask score wire` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; the median over them is told.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    secs: f64,
    /// Seconds of load before it, in which policies learn and connections are opened.
    #[arg(long, default_value_t = 2.0)]
    warm: f64,
    /// One round of two seconds each: for a first look, not for figures. No bound is checked.
    #[arg(long)]
    quick: bool,
    /// Only this balancer, policy or work; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Use `evenkeel` and `evenkeel-bench` of this folder instead of building them.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Write the tables into bench/RESULTS.md.
    #[arg(long)]
    write: bool,
}

/// A whole run.
struct Run {
    rounds: u32,
    secs: f64,
    warm: f64,
    contestants: Vec<Contestant>,
    works: Vec<&'static Work>,
    /// Who is who; of Envoy, why there is none, if there is none.
    versions: Vec<String>,
    measured: Vec<Measured>,
}

/// Measures, prints, and refuses what is out of bounds.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let (rounds, secs, warm) = match options.quick {
        true => (1, 2.0, 1.0),
        false => (options.rounds, options.secs, options.warm),
    };
    let time = |name: &str, seconds: f64, least: f64| match (least..=60.0).contains(&seconds) {
        true => Ok(()),
        false => Err(format!("--{name} {seconds}: wanted {least} to 60")),
    };
    time("secs", secs, 0.5)?;
    time("warm", warm, 0.1)?;
    let (envoy, envoy_version) = envoy_or_why();
    let contestants = contestants::all(envoy.as_ref());
    let mut run = Run {
        rounds,
        secs,
        warm,
        versions: report::versions(envoy_version),
        works: chosen_works(options, &contestants)?,
        contestants: chosen(options, contestants),
        measured: Vec::new(),
    };
    let programs = match &options.programs {
        Some(folder) => folder
            .canonicalize()
            .map_err(|error| format!("--programs {}: {error}", folder.display()))?,
        None => load::build_for_use(&["evenkeel", "evenkeel-bench"])?,
    };
    let setup = Setup {
        programs: &programs,
        cores: machine::cores()?,
        warm,
        secs,
    };
    run.measure(&setup)?;
    let text = run.text();
    println!("\n{text}");
    if options.write {
        println!("written: {}", report::write(&text)?.display());
    }
    match options.quick {
        true => run.refuse_errors(),
        false => run.refuse_errors().and(run.judge()),
    }
}

/// One short round on the debug build: that all of them can be set up so, and answer right.
pub(crate) fn smoke() -> Result<(), Failure> {
    let (envoy, _) = envoy_or_why();
    let (warm, secs) = (0.3, 0.5);
    let mut run = Run {
        rounds: 1,
        secs,
        warm,
        contestants: contestants::all(envoy.as_ref()),
        works: WORKS.iter().take(1).collect(),
        versions: Vec::new(),
        measured: Vec::new(),
    };
    run.measure(&Setup {
        programs: &load::build_for_tests()?,
        cores: machine::cores()?,
        warm,
        secs,
    })?;
    run.refuse_errors()
}

/// Envoy and its version, or why there is none.
fn envoy_or_why() -> (Option<PathBuf>, String) {
    let found = envoy::program().and_then(|program| {
        let version = envoy::version(&program)?;
        Ok((program, version))
    });
    match found {
        Ok((program, version)) => (Some(program), version),
        Err(why) => {
            let why = format!("NOT MEASURED: Envoy: {why}");
            println!("{why}");
            (None, why)
        }
    }
}

fn is_named(options: &Options, contestant: &Contestant) -> bool {
    let whole = contestant.name();
    options
        .only
        .iter()
        .any(|only| [contestant.balancer, contestant.policy, &whole].contains(&only.as_str()))
}

/// Those whose names were given; all, if none was.
fn chosen(options: &Options, all: Vec<Contestant>) -> Vec<Contestant> {
    let every = !all.iter().any(|contestant| is_named(options, contestant));
    all.into_iter()
        .filter(|contestant| every || is_named(options, contestant))
        .collect()
}

fn chosen_works(options: &Options, all: &[Contestant]) -> Result<Vec<&'static Work>, Failure> {
    let is_work = |only: &String| WORKS.iter().any(|work| work.name == only);
    let known = |only: &String| {
        is_work(only)
            || all
                .iter()
                .any(|c| c.balancer == only || c.policy == only || c.name() == *only)
    };
    if let Some(unknown) = options.only.iter().find(|only| !known(only)) {
        let mut names: Vec<String> = WORKS.iter().map(|work| work.name.to_owned()).collect();
        names.extend(all.iter().map(Contestant::name));
        return Err(format!(
            "--only {unknown}: wanted a balancer, a policy, or one of {}",
            names.join(", ")
        ));
    }
    let every = !options.only.iter().any(is_work);
    Ok(WORKS
        .iter()
        .filter(|work| every || options.only.iter().any(|only| only == work.name))
        .collect())
}

impl Run {
    fn measure(&mut self, setup: &Setup<'_>) -> Result<(), Failure> {
        for round in 0..self.rounds {
            println!("round {} of {}", round + 1, self.rounds);
            for work in &self.works {
                let count = self.contestants.len();
                for place in 0..count {
                    // Slow changes of the machine must not always hit the same one.
                    let contestant = &self.contestants[(place + 5 * round as usize) % count];
                    let measured = setup.measure(round, work, contestant)?;
                    println!("  {}", measured.line());
                    self.measured.push(measured);
                }
            }
        }
        Ok(())
    }
}
