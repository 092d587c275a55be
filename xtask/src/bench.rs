//! `cargo xtask bench proxy`: what a request costs, in CPU time of the whole proxy, beside HAProxy, nginx and a plain relay.
//!
//! CPU time and not throughput, because it is what a machine has to be bought for, and because it stays right when the load
//! and not the proxy is the limit. Each proxy has one worker on a core of its own; load and endpoints share the other core.
//! All proxies run side by side through a round and are measured one after the other, in an order that rotates, so that
//! slow changes of the machine hit all of them; ratios are taken inside a round, and the median over rounds is told.
//!
//! Beside that, in every round: latency at a fixed rate, half of what HAProxy reached in the same round at the same work,
//! where each request counts from when it was due; CPU time with two workers; memory of idle connections.

pub(crate) mod certificate;
pub(crate) mod machine;
mod measure;
mod plot;
pub(crate) mod proxies;
mod report;
mod works;

use crate::{Failure, load};
use measure::{Bench as Setup, Measurement, Memory, Running, Start, Times};
use proxies::{PROXIES, Proxy};
use std::path::PathBuf;
use works::{WORKS, Work};

/// What can be benched.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// CPU time per request, requests per second, latency and memory, for each kind of work.
    Proxy(Options),
    /// One short round of all of it on the debug build: that every proxy answers right, not how fast.
    Smoke,
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
    /// Only this proxy or this work (also `workers` and `idle`); may be given several times.
    #[arg(long)]
    only: Vec<String>,
}

/// What is measured beside the kinds of work.
const BESIDE: &[&str] = &["workers", "idle"];

/// Connections kept idle to see what one costs.
const IDLE: u32 = 5_000;

/// What a run is about.
struct Plan {
    proxies: Vec<&'static Proxy>,
    works: Vec<&'static Work>,
    workers: bool,
    idle: bool,
    rounds: u32,
    times: Times,
}

/// What came out of it.
#[derive(Default)]
struct Results {
    closed: Vec<Measurement>,
    paced: Vec<Measurement>,
    workers: Vec<Measurement>,
    memory: Vec<Memory>,
}

/// Runs the benchmark.
pub(crate) fn run(bench: &Bench) -> Result<(), Failure> {
    let options = match bench {
        Bench::Proxy(options) => options,
        Bench::Smoke => return smoke(),
    };
    let (rounds, secs) = if options.quick {
        (3, 1.0)
    } else {
        (options.rounds, options.secs)
    };
    if !(0.1..=60.0).contains(&secs) {
        return Err(format!("--secs {secs}: wanted 0.1 to 60"));
    }
    let times = Times {
        warm: 0.4,
        secs,
        kept_mib: machine::kept_by_core_mib(),
        idle: IDLE,
    };
    let plan = Plan::chosen(&options.only, rounds, times)?;
    let mut packages = vec!["evenkeel-bench"];
    if plan.proxies.iter().any(|proxy| proxy.is_ours()) {
        packages.push("evenkeel");
    }
    let programs = load::build_for_use(&packages)?;
    let results = plan.measured(programs)?;
    println!("\n{}", report::text(&plan, &results));
    let whole = options.only.is_empty() && !options.quick;
    for path in report::save(&plan, &results, whole)? {
        println!("written: {}", path.display());
    }
    results.refuse_errors()
}

/// What [`Bench::Smoke`] does.
pub(crate) fn smoke() -> Result<(), Failure> {
    let times = Times {
        warm: 0.05,
        secs: 0.15,
        kept_mib: 0,
        idle: 100,
    };
    let plan = Plan::chosen(&[], 1, times)?;
    plan.measured(load::build_for_tests()?)?.refuse_errors()
}

impl Plan {
    /// Those whose names were given; all proxies if none of them was, all else if nothing of it was.
    fn chosen(only: &[String], rounds: u32, times: Times) -> Result<Plan, Failure> {
        let names: Vec<&str> = PROXIES
            .iter()
            .map(|proxy| proxy.name)
            .chain(WORKS.iter().map(|work| work.name))
            .chain(BESIDE.iter().copied())
            .collect();
        if let Some(unknown) = only.iter().find(|wanted| !names.contains(&wanted.as_str())) {
            return Err(format!(
                "--only {unknown}: wanted one of {}",
                names.join(", ")
            ));
        }
        let named = |name: &str| only.iter().any(|wanted| wanted == name);
        let every_proxy = !PROXIES.iter().any(|proxy| named(proxy.name));
        let every_work = only
            .iter()
            .all(|wanted| PROXIES.iter().any(|proxy| proxy.name == wanted));
        Ok(Plan {
            proxies: PROXIES
                .iter()
                .filter(|proxy| (every_proxy && proxy.is_there()) || named(proxy.name))
                .collect(),
            works: WORKS
                .iter()
                .filter(|work| every_work || named(work.name))
                .collect(),
            workers: every_work || named("workers"),
            idle: every_work || named("idle"),
            rounds,
            times,
        })
    }

    /// Starts, measures, stops.
    fn measured(&self, programs: PathBuf) -> Result<Results, Failure> {
        let setup = Setup::start(programs, self.times)?;
        let mut results = Results::default();
        for round in 0..self.rounds {
            println!("round {} of {}", round + 1, self.rounds);
            self.works_measured(&setup, round, &mut results)?;
            if self.workers {
                self.workers_measured(&setup, round, &mut results)?;
            }
            if self.idle {
                self.memory_measured(&setup, round, &mut results)?;
            }
        }
        Ok(results)
    }

    fn works_measured(
        &self,
        setup: &Setup,
        round: u32,
        results: &mut Results,
    ) -> Result<(), Failure> {
        if self.works.is_empty() {
            return Ok(());
        }
        let start = Start {
            workers: 1,
            both_cores: false,
            secure: self.works.iter().any(|work| work.tls),
        };
        let running = self
            .proxies
            .iter()
            .map(|proxy| Ok((*proxy, setup.start_proxy(proxy, start)?)))
            .collect::<Result<Vec<(&Proxy, Running)>, Failure>>()?;
        for (turn, work) in self.works.iter().enumerate() {
            // Slow changes of the machine must not always hit the same one.
            let in_turn = || {
                (0..running.len())
                    .map(|place| &running[(place + turn + round as usize) % running.len()])
                    .filter(|(proxy, _)| proxy.tls || !work.tls)
            };
            let mut rate = None;
            for (proxy, running) in in_turn() {
                let measurement = setup.measure(round, running, (work, 1), None)?;
                println!("  {}", measurement.line());
                if proxy.name == "haproxy" {
                    rate = Some(measurement.per_second() / 2.0).filter(|rate| *rate > 0.0);
                }
                results.closed.push(measurement);
            }
            let Some(rate) = rate else {
                continue;
            };
            for (_, running) in in_turn().filter(|(proxy, _)| proxy.parses()) {
                let measurement = setup.measure(round, running, (work, 1), Some(rate))?;
                println!("  {}", measurement.line());
                results.paced.push(measurement);
            }
        }
        Ok(())
    }

    /// One and two workers, each with the same two cores to run on.
    fn workers_measured(
        &self,
        setup: &Setup,
        round: u32,
        results: &mut Results,
    ) -> Result<(), Failure> {
        let work = Work::for_workers();
        for proxy in self.proxies.iter().filter(|proxy| proxy.parses()) {
            for place in 0..2 {
                let start = Start {
                    workers: 1 + (place + round) % 2,
                    both_cores: true,
                    secure: false,
                };
                let running = setup.start_proxy(proxy, start)?;
                let measurement = setup.measure(round, &running, (work, start.workers), None)?;
                println!("  {}", measurement.line());
                results.workers.push(measurement);
            }
        }
        Ok(())
    }

    fn memory_measured(
        &self,
        setup: &Setup,
        round: u32,
        results: &mut Results,
    ) -> Result<(), Failure> {
        let start = Start {
            workers: 1,
            both_cores: false,
            secure: false,
        };
        for proxy in self.proxies.iter().filter(|proxy| proxy.parses()) {
            let running = setup.start_proxy(proxy, start)?;
            let memory = setup.memory(round, &running)?;
            println!("  {}", memory.line());
            results.memory.push(memory);
        }
        Ok(())
    }
}

impl Results {
    fn refuse_errors(&self) -> Result<(), Failure> {
        let all: Vec<_> = self
            .closed
            .iter()
            .chain(&self.paced)
            .chain(&self.workers)
            .collect();
        let wrong: Vec<_> = all
            .iter()
            .filter(|measurement| measurement.seen.errors > 0 || measurement.seen.requests == 0)
            .collect();
        let Some(first) = wrong.first() else {
            return Ok(());
        };
        Err(format!(
            "{} of {} measurements had errors and mean nothing; the first: {}: {}",
            wrong.len(),
            all.len(),
            first.line(),
            first.seen.first_error
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(only: &[&str]) -> Result<Plan, Failure> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        let times = Times {
            warm: 0.1,
            secs: 0.1,
            kept_mib: 0,
            idle: 1,
        };
        Plan::chosen(&only, 1, times)
    }

    #[test]
    fn names_choose_proxies_and_works_apart_from_each_other() {
        let all = plan(&[]).unwrap();
        assert_eq!(
            (all.proxies.len(), all.works.len()),
            (
                PROXIES.iter().filter(|proxy| proxy.is_there()).count(),
                WORKS.len()
            )
        );
        assert!(all.workers && all.idle);
        let some = plan(&["nginx", "one", "idle"]).unwrap();
        assert_eq!((some.proxies.len(), some.works.len()), (1, 1));
        assert!(some.idle && !some.workers);
        let proxy = plan(&["nginx"]).unwrap();
        assert_eq!((proxy.proxies.len(), proxy.works.len()), (1, WORKS.len()));
        assert!(plan(&["envoy"]).is_err());
    }
}
