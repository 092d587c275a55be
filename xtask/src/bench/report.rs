//! The tables and the files of a benchmark. Medians over rounds; ratios are taken inside each round first, since rounds
//! differ more from each other than proxies do inside one.

use super::measure::{Measurement, Memory};
use super::proxies;
use super::works::Work;
use super::{Plan, Results, machine, plot};
use crate::{Failure, steps};
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The most that evenkeel's p99 at a fixed rate may be, as a share of the better of HAProxy's and nginx's.
pub(super) const P99_WANTED: f64 = 1.1;
/// The most that a request may cost with two workers, as a share of what it costs with one.
const WORKERS_WANTED: f64 = 1.1;
/// The most that an idle connection may cost, in KiB.
const IDLE_WANTED: f64 = 2.0;

/// Said beside the figures of TLS.
const TLS_NOTE: &str = "All have the same certificate (ECDSA P-256); clients offer TLS 1.3, X25519 and AES-128-GCM only, and never resume. Debian's \
HAProxy carries a slow OpenSSL (3.0): prototypes of evenkeel took 0.55 (keep-alive) and 0.36 (handshakes) of its CPU time, but 0.63 and 0.75 of \
that of a HAProxy built on AWS-LC.";

/// Smallest, middle and largest of some ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) middle: f64,
    pub(super) high: f64,
}

impl Spread {
    fn of(values: Vec<f64>) -> Option<Spread> {
        let fold = |start, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
        let (low, high) = (fold(f64::INFINITY, f64::min), fold(0.0, f64::max));
        let middle = median(values.clone());
        (!values.is_empty()).then_some(Spread { low, middle, high })
    }

    fn text(self) -> String {
        format!("{:.2} ({:.2}–{:.2})", self.middle, self.low, self.high)
    }
}

impl Results {
    /// CPU time of the first as a share of the other's, at this work.
    pub(super) fn cost(&self, work: &Work, ours: &str, other: &str) -> Option<Spread> {
        let (own, base) = (
            of(&self.closed, ours, work.name),
            of(&self.closed, other, work.name),
        );
        Spread::of(
            own.iter()
                .zip(base)
                .map(|(own, base)| own.cpu_us_per_request() / base.cpu_us_per_request())
                .collect(),
        )
    }

    /// p99 at a fixed rate, as a share of the better of the others' in the same round.
    pub(super) fn p99(&self, work: &Work, ours: &str) -> Option<Spread> {
        let others = ["haproxy", "nginx"].map(|name| of(&self.paced, name, work.name));
        let ratio = |own: &&Measurement| {
            let best = others
                .iter()
                .flatten()
                .filter(|other| other.round == own.round)
                .map(|other| other.seen.p99_us)
                .fold(f64::INFINITY, f64::min);
            best.is_finite().then(|| own.seen.p99_us / best)
        };
        Spread::of(
            of(&self.paced, ours, work.name)
                .iter()
                .filter_map(ratio)
                .collect(),
        )
    }

    /// CPU time with two workers as a share of that with one.
    fn two_workers(&self, proxy: &str) -> Option<Spread> {
        let with = |workers: u32| {
            let own = self.workers.iter().filter(move |m| m.workers == workers);
            own.filter(|m| m.proxy == proxy)
        };
        Spread::of(
            with(2)
                .zip(with(1))
                .map(|(two, one)| two.cpu_us_per_request() / one.cpu_us_per_request())
                .collect(),
        )
    }
}

fn of<'a>(measurements: &'a [Measurement], proxy: &str, work: &str) -> Vec<&'a Measurement> {
    measurements
        .iter()
        .filter(|measurement| measurement.proxy == proxy && measurement.work == work)
        .collect()
}

/// Everything, as Markdown, so that it can be copied as it is.
pub(super) fn text(plan: &Plan, results: &Results) -> String {
    let mut out = format!(
        "{}\n\n`{}`: {} rounds, {} s for each measurement\n\n",
        machine::facts(),
        command(),
        plan.rounds,
        plan.times.secs
    );
    for (name, version) in proxies::versions(&plan.proxies) {
        let _ = writeln!(out, "- {name}: {version}");
    }
    for work in &plan.works {
        costs(&mut out, plan, results, work);
    }
    latencies(&mut out, plan, results);
    beside(&mut out, plan, results);
    out
}

fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo xtask {}", arguments.join(" "))
}

fn costs(out: &mut String, plan: &Plan, results: &Results, work: &Work) {
    let base = plan.proxies[0].name;
    let _ = writeln!(out, "\n**{}**: {}\n", work.name, work.shows);
    if work.tls {
        let _ = writeln!(out, "{TLS_NOTE}\n");
    }
    let _ = writeln!(
        out,
        "| proxy | CPU µs/request | {base} to it (min–max of rounds) | wanted | requests/s | core | p50 µs | p99 µs | errors |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    for proxy in &plan.proxies {
        let own = of(&results.closed, proxy.name, work.name);
        if own.is_empty() {
            continue;
        }
        let middle =
            |value: fn(&Measurement) -> f64| median(own.iter().map(|m| value(m)).collect());
        let ratio = results.cost(work, base, proxy.name);
        let _ = writeln!(
            out,
            "| {} | {:.2} | {} | {} | {:.0} | {:.0} % | {:.0} | {:.0} | {} |",
            proxy.name,
            middle(Measurement::cpu_us_per_request),
            ratio.map_or_else(String::new, Spread::text),
            work.wanted
                .to(proxy.name)
                .filter(|_| plan.proxies[0].is_ours())
                .map_or_else(String::new, |wanted| format!("≤ {wanted:.2}")),
            middle(Measurement::per_second),
            middle(Measurement::core_share) * 100.0,
            middle(|measurement| measurement.seen.p50_us),
            middle(|measurement| measurement.seen.p99_us),
            own.iter().map(|m| m.seen.errors).sum::<u64>(),
        );
    }
}

fn latencies(out: &mut String, plan: &Plan, results: &Results) {
    if results.paced.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n**p99 at a fixed rate**: requests fall due at half the rate that HAProxy reached at the same work in the same round; each is timed \
         from when it was due. Wanted: ≤ {P99_WANTED:.2} of the better of HAProxy and nginx.\n\n\
         | work | due/s | evenkeel µs | haproxy µs | nginx µs | evenkeel to the better (min–max of rounds) |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |"
    );
    for work in &plan.works {
        let middle = |proxy: &str, value: fn(&Measurement) -> f64| {
            let own = of(&results.paced, proxy, work.name);
            match own.is_empty() {
                true => "–".to_owned(),
                false => format!("{:.0}", median(own.iter().map(|m| value(m)).collect())),
            }
        };
        let p99 = |proxy: &str| middle(proxy, |measurement| measurement.seen.p99_us);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            work.name,
            middle("haproxy", |measurement| measurement
                .rate
                .unwrap_or_default()),
            p99("evenkeel"),
            p99("haproxy"),
            p99("nginx"),
            results
                .p99(work, "evenkeel")
                .map_or_else(String::new, Spread::text),
        );
    }
}

/// What is measured beside the kinds of work.
fn beside(out: &mut String, plan: &Plan, results: &Results) {
    if !results.workers.is_empty() {
        let _ = writeln!(
            out,
            "\n**Two workers**: {}, one worker and two, both free to use two cores, one of which the load uses too. Wanted: ≤ {WORKERS_WANTED:.2}.\n\n\
             | proxy | CPU µs/request, one | two | two to one (min–max of rounds) |\n| --- | ---: | ---: | ---: |",
            Work::for_workers().shows
        );
        for proxy in plan.proxies.iter().filter(|proxy| proxy.parses()) {
            let middle = |workers: u32| {
                let own = results.workers.iter().filter(|m| m.workers == workers);
                let own = own.filter(|m| m.proxy == proxy.name);
                median(own.map(Measurement::cpu_us_per_request).collect())
            };
            let ratio = results.two_workers(proxy.name);
            let _ = writeln!(
                out,
                "| {} | {:.2} | {:.2} | {} |",
                proxy.name,
                middle(1),
                middle(2),
                ratio.map_or_else(String::new, Spread::text)
            );
        }
    }
    if let Some(first) = results.memory.first() {
        let _ = writeln!(
            out,
            "\n**Idle connections**: resident memory with {} connections that were used once, less that before them. Wanted: ≤ {IDLE_WANTED:.2}.\n\n\
             | proxy | KiB each (min–max of rounds) |\n| --- | ---: |",
            first.connections
        );
        for proxy in plan.proxies.iter().filter(|proxy| proxy.parses()) {
            let own = results.memory.iter().filter(|m| m.proxy == proxy.name);
            let spread = Spread::of(own.map(Memory::kib_each).collect());
            let _ = writeln!(
                out,
                "| {} | {} |",
                proxy.name,
                spread.map_or_else(String::new, Spread::text)
            );
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// Writes every single measurement into `bench/results`, for whoever wants to reckon differently; tables and plot beside it,
/// or, of a whole run, into `bench` itself.
pub(super) fn save(plan: &Plan, results: &Results, whole: bool) -> Result<Vec<PathBuf>, Failure> {
    let bench = steps::root().join("bench");
    let folder = bench.join("results");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|error| format!("the clock: {error}"))?;
    let name = match whole {
        true => "proxy".to_owned(),
        false => format!("proxy-{}", now.as_secs()),
    };
    let shown = if whole { &bench } else { &folder };
    let written = |folder: &Path, name: String, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, Failure>(path)
    };
    let page = format!(
        "# evenkeel beside other proxies\n\n\
         Written by the command below. CPU time is that of the whole proxy (every process and thread of it, user and system) for one request; \
         the ratio is evenkeel's to the other's, taken inside each round, median over the rounds; smaller is better. Requests per second and latencies \
         of the closed loop are those of load, endpoints and proxy on two cores.\n\n\
         ![ratios of CPU time and of latency]({name}.svg)\n\n{}",
        text(plan, results)
    );
    let single = format!("proxy-{}.json", now.as_secs());
    Ok(vec![
        written(
            &folder,
            single,
            format!("{:#}\n", as_json(plan, results, now.as_secs())),
        )?,
        written(shown, format!("{name}.svg"), plot::svg(plan, results))?,
        written(shown, format!("{name}.md"), page)?,
    ])
}

fn as_json(plan: &Plan, results: &Results, unix_seconds: u64) -> serde_json::Value {
    let rows = |measurements: &[Measurement]| -> Vec<serde_json::Value> {
        measurements.iter().map(row_of).collect()
    };
    let versions: serde_json::Map<String, serde_json::Value> = proxies::versions(&plan.proxies)
        .into_iter()
        .map(|(name, version)| (name.to_owned(), version.into()))
        .collect();
    let memory: Vec<_> = results
        .memory
        .iter()
        .map(|memory| {
            json!({
                "round": memory.round,
                "proxy": memory.proxy,
                "connections": memory.connections,
                "bytes_before": memory.bytes.0,
                "bytes_with_them": memory.bytes.1,
            })
        })
        .collect();
    json!({
        "machine": machine::facts(),
        "command": command(),
        "unix_seconds": unix_seconds,
        "rounds": plan.rounds,
        "seconds_each": plan.times.secs,
        "versions": versions,
        "measurements": rows(&results.closed),
        "at_a_fixed_rate": rows(&results.paced),
        "one_and_two_workers": rows(&results.workers),
        "idle_connections": memory,
    })
}

fn row_of(measurement: &Measurement) -> serde_json::Value {
    json!({
        "round": measurement.round,
        "proxy": measurement.proxy,
        "work": measurement.work,
        "workers": measurement.workers,
        "due_per_second": measurement.rate,
        "requests": measurement.seen.requests,
        "errors": measurement.seen.errors,
        "seconds": measurement.seen.seconds,
        "cpu_seconds": measurement.cpu_seconds,
        "cpu_us_per_request": measurement.cpu_us_per_request(),
        "p50_us": measurement.seen.p50_us,
        "p99_us": measurement.seen.p99_us,
        "max_us": measurement.seen.max_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_spread_of_nothing_is_none() {
        assert_eq!(Spread::of(Vec::new()), None);
        let spread = Spread::of(vec![0.5, 2.0, 1.0]).unwrap();
        assert_eq!(spread.text(), "1.00 (0.50–2.00)");
    }
}
