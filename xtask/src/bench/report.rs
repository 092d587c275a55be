//! The table and the file of a benchmark. Medians over rounds; ratios are taken inside each round first, since rounds differ
//! more from each other than proxies do inside one.

use super::machine;
use super::measure::Measurement;
use super::proxies::{self, Proxy};
use super::works::Work;
use crate::{Failure, steps};
use serde_json::json;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Prints one block for each kind of work, as Markdown, so that it can be copied as it is.
pub(crate) fn print(proxies: &[&Proxy], works: &[&Work], measurements: &[Measurement]) {
    println!("\n{}", machine::facts());
    for (name, version) in proxies::versions(proxies) {
        println!("{name}: {version}");
    }
    for work in works {
        println!("\n**{}**: {}\n", work.name, work.shows);
        println!(
            "| proxy | CPU µs/request | {} to it (min–max of rounds) | requests/s | core | p50 µs | p99 µs | errors |",
            proxies[0].name
        );
        println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        for proxy in proxies {
            let own = of(measurements, proxy.name, work.name);
            let base = of(measurements, proxies[0].name, work.name);
            println!("{}", row(proxy.name, &own, &base));
        }
    }
}

fn of<'a>(measurements: &'a [Measurement], proxy: &str, work: &str) -> Vec<&'a Measurement> {
    measurements
        .iter()
        .filter(|measurement| measurement.proxy == proxy && measurement.work == work)
        .collect()
}

fn row(name: &str, own: &[&Measurement], base: &[&Measurement]) -> String {
    let middle = |value: fn(&Measurement) -> f64| {
        median(own.iter().map(|measurement| value(measurement)).collect())
    };
    let ratios: Vec<f64> = own
        .iter()
        .zip(base)
        .map(|(own, base)| base.cpu_us_per_request() / own.cpu_us_per_request())
        .collect();
    let (low, high) = ratios
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| {
            (low.min(*ratio), high.max(*ratio))
        });
    format!(
        "| {name} | {:.2} | {:.2} ({low:.2}–{high:.2}) | {:.0} | {:.0} % | {:.0} | {:.0} | {} |",
        middle(Measurement::cpu_us_per_request),
        median(ratios),
        middle(Measurement::per_second),
        middle(Measurement::core_share) * 100.0,
        middle(|measurement| measurement.seen.p50_us),
        middle(|measurement| measurement.seen.p99_us),
        own.iter()
            .map(|measurement| measurement.seen.errors)
            .sum::<u64>(),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// Writes every single measurement into `bench/results`, for whoever wants to reckon differently.
pub(crate) fn save(
    proxies: &[&Proxy],
    measurements: &[Measurement],
    rounds: u32,
    secs: f64,
) -> Result<PathBuf, Failure> {
    let folder = steps::root().join("bench/results");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|error| format!("the clock: {error}"))?;
    let path = folder.join(format!("proxy-{}.json", now.as_secs()));
    let rows: Vec<_> = measurements
        .iter()
        .map(|measurement| {
            json!({
                "round": measurement.round,
                "proxy": measurement.proxy,
                "work": measurement.work,
                "requests": measurement.seen.requests,
                "errors": measurement.seen.errors,
                "seconds": measurement.seen.seconds,
                "cpu_seconds": measurement.cpu_seconds,
                "cpu_us_per_request": measurement.cpu_us_per_request(),
                "p50_us": measurement.seen.p50_us,
                "p99_us": measurement.seen.p99_us,
            })
        })
        .collect();
    let versions: serde_json::Map<String, serde_json::Value> = proxies::versions(proxies)
        .into_iter()
        .map(|(name, version)| (name.to_owned(), version.into()))
        .collect();
    let all = json!({
        "machine": machine::facts(),
        "unix_seconds": now.as_secs(),
        "rounds": rounds,
        "seconds_each": secs,
        "versions": versions,
        "measurements": rows,
    });
    std::fs::write(&path, format!("{all:#}\n"))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
