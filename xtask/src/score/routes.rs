//! What a request costs among 10,000 routes, beside one among 10: CPU time of the whole balancer, interleaved rounds, the
//! median of the ratios.

use super::site::{Addresses, Site};
use crate::load::{Load, Spec};
use crate::{Failure, cpu};
use std::fmt::Write;
use std::path::Path;

/// Few and many.
const ROUTES: [usize; 2] = [10, 10_000];
/// How much more a request may cost among many.
const RATIO_MAX: f64 = 1.2;

/// What `cargo xtask score routes` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; the median over them is told.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    secs: f64,
}

/// Measures, prints, and refuses what is out of bounds.
pub(crate) fn run(options: &Options, programs: &Path) -> Result<(), Failure> {
    let few = Site::start(programs, None, |a| config(a, ROUTES[0]))?;
    let many = Site::start(programs, None, |a| config(a, ROUTES[1]))?;
    let mut ratios = Vec::new();
    for round in 0..options.rounds {
        // Whoever is first in one round is second in the next.
        let (a, b) = if round % 2 == 0 {
            (&few, &many)
        } else {
            (&many, &few)
        };
        let first = cost_us(programs, a, options.secs)?;
        let second = cost_us(programs, b, options.secs)?;
        let (few_us, many_us) = if round % 2 == 0 {
            (first, second)
        } else {
            (second, first)
        };
        println!(
            "round {}: {few_us:.2} µs CPU per request among {} routes, {many_us:.2} among {}: × {:.3}",
            round + 1,
            ROUTES[0],
            ROUTES[1],
            many_us / few_us
        );
        ratios.push(many_us / few_us);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!("median: × {median:.3}, at most × {RATIO_MAX} wanted");
    if median > RATIO_MAX {
        return Err(format!(
            "a request among {} routes costs × {median:.3} of one among {}",
            ROUTES[1], ROUTES[0]
        ));
    }
    Ok(())
}

fn cost_us(programs: &Path, site: &Site, secs: f64) -> Result<f64, Failure> {
    let spec = Spec {
        connections: 64,
        body: 128,
        head: 0,
        close: false,
        tls: None,
        rate: None,
        seed: None,
        warm: 0.3,
        warm_mib: 0,
        secs,
    };
    let mut load = Load::start(programs, site.address, &spec)?;
    let before = cpu::of_tree(site.id())?;
    load.go()?;
    let seen = load.seen()?;
    let after = cpu::of_tree(site.id())?;
    if seen.errors > 0 || seen.requests == 0 {
        return Err(format!(
            "{} errors: {}{}",
            seen.errors,
            seen.first_error,
            site.log()
        ));
    }
    Ok(cpu::seconds_between(&before, &after)? * 1e6 / seen.requests as f64)
}

/// By host, by path, by both, and last the one that is taken.
fn config(addresses: &Addresses, routes: usize) -> String {
    let mut text = format!(
        "[[listener]]\nname = \"web\"\nbind = [\"{}\"]\n\n[pool.app.check]\nkind = \"http\"\npath = \"/healthz\"\n",
        addresses.listen
    );
    for (number, endpoint) in addresses.endpoints.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "[[pool.app.endpoint]]\nname = \"e{number}\"\naddress = \"{endpoint}\""
        );
    }
    for number in 0..routes - 1 {
        let what = match number % 3 {
            0 => format!("host = \"h{number}.example\""),
            1 => format!("path = \"/service-{number}/\""),
            _ => format!("host = \"*.h{number}.example\"\npath = \"/v1/\""),
        };
        let _ = writeln!(text, "[[route]]\n{what}\npool = \"app\"");
    }
    text + "[[route]]\npath = \"/bytes/\"\npool = \"app\"\n"
}
