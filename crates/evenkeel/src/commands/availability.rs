//! `evenkeel availability`: how much of the time and of the requests was good, what that says of the next failure, and what
//! another fleet would do.
//!
//! Two lines a pool for a person in a hurry (how good, how much of the budget is left), then one line an endpoint. Figures
//! come with what they are worth: a mean time with its interval, a model's answer with what it assumed.

use hyper::Method;
use serde_json::Value;

use crate::End;
use crate::cli::Admin;
use crate::commands::operate::{call, segment, show};
use crate::commands::status::{age, list, word};
use crate::style::{Out, Row};

/// All pools, or one; with a question to the model.
pub(crate) fn availability(pool: Option<&str>, what_if: Option<&str>, admin: &Admin) -> End {
    let mut path = "/v1/availability".to_owned();
    if let Some(pool) = pool {
        path += &format!("/{}", segment(pool));
    }
    if let Some(question) = what_if {
        path += &format!("?what_if={}", segment(question));
    }
    show(
        admin,
        call(admin, Method::GET, &path, None),
        |out, answer| {
            match pool {
                Some(_) => print_pool(out, answer),
                None => print_all(out, answer),
            }
            End::Done
        },
    )
}

fn print_all(out: &Out, all: &Value) {
    let pools = list(&all["pools"]);
    for (n, pool) in pools.iter().enumerate() {
        if n > 0 {
            out.line("");
        }
        print_pool(out, pool);
    }
    if let (Some(all), true) = (all["all"].as_f64(), pools.len() > 1) {
        out.line("");
        let percent = percent(Some(all));
        out.line(&format!(
            "what needs all {} pools was up {percent} of the time, if they fail independently of each other",
            pools.len()
        ));
    }
}

fn print_pool(out: &Out, pool: &Value) {
    print_head(out, pool);
    print_alerts(out, list(&pool["alerts"]));
    print_endpoints(out, pool);
    print_intervals(out, pool);
    print_causes(out, list(&pool["causes"]));
    print_what_if(out, &pool["what_if"]);
}

/// How good it was, and what is left of the budget.
fn print_head(out: &Out, pool: &Value) {
    out.line(&format!(
        "{}  up {} of {} known (window {}), requests {} of {}",
        out.bold(&format!("pool {}", word(&pool["pool"]))),
        percent(pool["availability"].as_f64()),
        time(known(pool)),
        word(&pool["window"]),
        percent(pool["request_availability"].as_f64()),
        word(&pool["requests"]),
    ));
    let left = pool["budget_left"].as_f64().unwrap_or(1.0);
    let line = format!(
        "error budget of {} over {}: {} left, used {} × as fast as allowed in the last hour",
        word(&pool["objective"]),
        word(&pool["window"]),
        format_args!("{} %", short(left * 100.0)),
        short(pool["burn_rate"].as_f64().unwrap_or(0.0)),
    );
    let colour = match left {
        left if left <= 0.0 => "down",
        left if left < 0.5 => "trial",
        _ => "up",
    };
    out.line(&out.state(colour, &line));
}

fn print_endpoints(out: &Out, pool: &Value) {
    let header = [
        "",
        "STATE",
        "AVAILABLE",
        "UP",
        "DOWN",
        "PLANNED",
        "UNKNOWN",
        "FAULTS",
        "FAILOVERS",
        "MTBF",
        "MTTR",
        "REQUESTS",
        "FAILED",
        "",
    ];
    let mut rows = vec![row(
        "(pool)",
        pool,
        Value::Null,
        pool["failed_requests"].clone(),
    )];
    for endpoint in list(&pool["endpoints"]) {
        let failovers = endpoint["failovers"].clone();
        let mut row = row(
            &word(&endpoint["name"]),
            endpoint,
            failovers,
            endpoint["failures"].clone(),
        );
        for (at, key) in SHARED {
            if let Some(ratio) = endpoint["against_even"][key].as_f64() {
                row.cells[at] += &format!(" (× {ratio:.2})");
            }
        }
        rows.push(row);
    }
    rows.push(even(pool, header.len() - 1));
    out.table(&header, &rows, |column, row, cell| match column {
        1 => out.state(&row.cells[1], cell),
        _ => cell.to_owned(),
    });
}

/// The alerts of a pool, here and in `status`.
pub(crate) fn print_alerts(out: &Out, alerts: &[Value]) {
    for alert in alerts {
        let line = format!(
            "{} for {}: the error budget is used more than {} × too fast: {} × over {}, {} × over {}",
            word(&alert["severity"]),
            age(&alert["since"]),
            word(&alert["burn"]),
            short(alert["burn_long"].as_f64().unwrap_or(0.0)),
            word(&alert["long"]),
            short(alert["burn_short"].as_f64().unwrap_or(0.0)),
            word(&alert["short"]),
        );
        let page = alert["severity"] == "page";
        out.line(&out.state(if page { "down" } else { "trial" }, &line));
    }
}

fn row(name: &str, of: &Value, failovers: Value, failed: Value) -> Row {
    let seconds = |key: &str| time(of[key].as_f64());
    Row {
        cells: vec![
            name.to_owned(),
            word(&of["state"]),
            percent(of["availability"].as_f64()),
            seconds("up_s"),
            seconds("down_s"),
            seconds("planned_s"),
            seconds("unknown_s"),
            word(&of["faults"]),
            word(&failovers),
            seconds("mtbf_s"),
            seconds("mttr_s"),
            word(&of["requests"]),
            word(&failed),
        ],
        note: String::new(),
    }
}

/// Columns of what endpoints have their share of.
const SHARED: [(usize, &str); 3] = [(7, "faults"), (8, "failovers"), (11, "requests")];

/// What each endpoint would have had, if all had the same; of requests, if all have the same weight.
fn even(pool: &Value, columns: usize) -> Row {
    let mut cells = vec![String::new(); columns];
    cells[0] = "(even share)".into();
    for (at, key) in SHARED {
        cells[at] = pool["even_share"][key].as_f64().map_or("-".into(), short);
    }
    let of = |e: &Value| e["even_share"]["requests"].as_f64().unwrap_or(0.0);
    let mut shares = list(&pool["endpoints"]).iter().map(of);
    let first = shares.next().unwrap_or(0.0);
    if shares.any(|share| (share - first).abs() > 1e-6) {
        cells[11] = "by weight".into();
    }
    Row {
        cells,
        note: String::new(),
    }
}

fn print_intervals(out: &Out, pool: &Value) {
    let of = |what: &str, mean: &str, interval: &str| {
        let (low, high) = (pool[interval][0].as_f64(), pool[interval][1].as_f64());
        if pool[mean].is_number() {
            out.line(&out.dim(&format!(
                "the pool's mean time {what} is {} to {}, nine times in ten",
                time(low),
                time(high)
            )));
        }
    };
    of("between failures", "mtbf_s", "mtbf_interval_s");
    of("to repair", "mttr_s", "mttr_interval_s");
    if let (Some(actual), Some(expected), true) = (
        pool["availability"].as_f64(),
        pool["availability_if_independent"].as_f64(),
        pool["faults"].as_u64() > Some(0),
    ) {
        out.line(&out.dim(&independent(actual, expected)));
    }
}

/// Failures that share a cause come together and cost more than the endpoints' own times say; or less, where they took turns.
fn independent(actual: f64, expected: f64) -> String {
    let verdict = match actual < expected {
        true => "what is missing took several at once",
        false => "they were down together no longer than chance would have it",
    };
    format!(
        "endpoints that fail independently of each other would have made {}: {verdict}",
        percent(Some(expected))
    )
}

fn print_causes(out: &Out, causes: &[Value]) {
    if causes.is_empty() {
        return;
    }
    let header = ["CAUSE", "COUNT", "DETECT", "DECIDE", "ACT", "RESTORE", ""];
    let cell = |stage: &Value| match stage["p50_ms"].as_f64() {
        Some(ms) => format!(
            "{} / {}",
            time(Some(ms / 1e3)),
            time(stage["p90_ms"].as_f64().map(|ms| ms / 1e3))
        ),
        None => "-".into(),
    };
    let row = |cause: &Value| Row {
        cells: vec![
            word(&cause["cause"]),
            word(&cause["detect"]["count"]),
            cell(&cause["detect"]),
            cell(&cause["decide"]),
            cell(&cause["act"]),
            cell(&cause["restore"]),
        ],
        note: String::new(),
    };
    let rows: Vec<Row> = causes.iter().map(row).collect();
    out.line(
        "times by cause, a label's where one was given: half of them / nine in ten took no longer",
    );
    out.table(&header, &rows, |_, _, cell| cell.to_owned());
}

fn print_what_if(out: &Out, answer: &Value) {
    if answer.is_null() {
        return;
    }
    let fleet = format!(
        "what if there were {} endpoints, {} needed, {} repaired at a time, mean time to failure {}, to repair {}:",
        word(&answer["endpoints"]),
        word(&answer["needed"]),
        word(&answer["crews"]),
        time(answer["mttf_s"].as_f64()),
        time(answer["mttr_s"].as_f64()),
    );
    out.line("");
    out.line(&out.bold(&fleet));
    match answer["unavailability"].as_f64() {
        Some(out_of_order) => out.line(&format!(
            "  up {}, down {out_of_order:.4e} of the time, {} a year",
            percent(answer["availability"].as_f64()),
            time(answer["down_per_year_s"].as_f64()),
        )),
        None => out.line("  not known"),
    }
    let interval = &answer["availability_interval"];
    match (interval[0].as_f64(), interval[1].as_f64()) {
        (Some(low), Some(high)) => out.line(&format!(
            "  {} to {}, nine times in ten",
            percent(Some(low)),
            percent(Some(high))
        )),
        (Some(low), None) => out.line(&format!(
            "  at least {}, nineteen times in twenty",
            percent(Some(low))
        )),
        _ => {}
    }
    for note in list(&answer["notes"]) {
        out.line(&out.dim(&format!("  - {}", word(note))));
    }
}

fn known(of: &Value) -> Option<f64> {
    Some(of["up_s"].as_f64()? + of["down_s"].as_f64()?)
}

/// As many digits as say something: two beyond the nines.
fn percent(share: Option<f64>) -> String {
    let Some(share) = share else {
        return "-".into();
    };
    let missing = (1.0 - share).abs();
    let digits = match missing {
        0.0 => 0,
        missing if missing >= 0.1 => 1,
        missing => (-missing.log10()).ceil().clamp(1.0, 12.0) as usize,
    };
    format!("{:.digits$} %", share * 100.0)
}

/// One digit after the point where that says something.
fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".into(),
        small if small < 0.05 => "0.0".into(),
        small if small < 1000.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// A length of time with about three digits.
fn time(seconds: Option<f64>) -> String {
    const UNITS: [(&str, f64); 5] = [
        ("y", 31_536_000.0),
        ("d", 86_400.0),
        ("h", 3600.0),
        ("min", 60.0),
        ("s", 1.0),
    ];
    let Some(seconds) = seconds else {
        return "-".into();
    };
    // From two of a unit on, so that 90 s are not 1.5 min.
    let unit = UNITS.iter().find(|(_, unit)| seconds >= 2.0 * unit);
    let (name, number) = match unit {
        Some((name, unit)) => (*name, seconds / unit),
        None if seconds >= 1.0 || seconds == 0.0 => ("s", seconds),
        None => ("ms", seconds * 1e3),
    };
    match number {
        n if n >= 100.0 || n == 0.0 => format!("{n:.0} {name}"),
        n => format!("{n:.1} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_independent_failures_would_have_made_is_said_in_both_directions() {
        let worse = independent(0.95, 0.99);
        assert!(worse.contains("made 99.00 %: what is missing took several at once"));
        for actual in [0.99, 0.995] {
            let line = independent(actual, 0.99);
            assert!(!line.contains("missing"), "{line}");
            assert!(line.contains("no longer than chance"), "{line}");
        }
    }

    #[test]
    fn figures_have_as_many_digits_as_say_something() {
        for (share, text) in [
            (1.0, "100 %"),
            (0.5, "50.0 %"),
            (0.95, "95.00 %"),
            (0.9987, "99.870 %"),
            (0.999_984_127, "99.99841 %"),
            (-0.4, "-40.0 %"),
        ] {
            assert_eq!(percent(Some(share)), text);
        }
        assert_eq!(percent(None), "-");
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.25, "250 ms"),
            (1.5, "1.5 s"),
            (119.0, "119 s"),
            (120.0, "2.0 min"),
            (86_400.0, "24.0 h"),
            (2_592_000.0, "30.0 d"),
        ] {
            assert_eq!(time(Some(seconds)), text);
        }
        assert_eq!(
            [short(0.0), short(0.01), short(14.4), short(12_345.6)],
            ["0", "0.0", "14.4", "12346"]
        );
    }
}
