//! `evenkeel learned`: what the policy of this name expects of each endpoint, and whether it goes by it.

use serde_json::Value;

use crate::End;
use crate::cli::Admin;
use crate::commands::operate::pools_with;
use crate::style::{Out, Row};

/// Of all pools that learn, or of one.
pub(crate) fn learned(pool: Option<&str>, admin: &Admin) -> End {
    let out = Out::new();
    let pools = match pools_with("learned", pool, admin, &out) {
        Ok(pools) => pools,
        Err(end) => return end,
    };
    let shown: Vec<&Value> = pools.iter().filter(|of| !of["learned"].is_null()).collect();
    if shown.is_empty() {
        let whose = pool.map_or_else(
            || "no pool".to_owned(),
            |pool| format!("pool {pool} does not"),
        );
        let learns = if pool.is_some() { "learn" } else { "learns" };
        out.line(&format!(
            "{whose} {learns}: balance = \"learned\" asks for it"
        ));
    }
    for (n, pool) in shown.into_iter().enumerate() {
        if n > 0 {
            out.line("");
        }
        print_pool(&out, pool);
    }
    End::Done
}

/// How it goes, in a sentence; also a line of `status`.
pub(crate) fn summary(learned: &Value) -> String {
    let number = |key: &str| learned[key].as_u64().unwrap_or(0);
    let (using, workers) = (number("using"), number("workers"));
    let mode = match using {
        0 => "gives out as p2c does".to_owned(),
        _ if using == workers => "goes by what it learned".to_owned(),
        _ => format!("goes by what it learned on {using} of {workers} workers"),
    };
    let skill = learned["skill"].as_f64().unwrap_or(0.0);
    let ratio = learned["ratio"].as_f64();
    let ratio = ratio.map_or_else(String::new, |ratio| {
        format!(
            "; requests then take {:.2} times what they take with p2c",
            ratio
        )
    });
    format!(
        "{mode}; knowing the endpoint takes away {:.0} % of the plain mean's error{ratio}",
        skill * 100.0
    )
}

fn print_pool(out: &Out, pool: &Value) {
    let name = pool["name"].as_str().unwrap_or_default();
    let learned = &pool["learned"];
    out.line(&format!(
        "{}  {}",
        out.bold(&format!("pool {name}")),
        summary(learned)
    ));
    let each = learned["each_in_flight"].as_f64().unwrap_or(0.0);
    out.line(&format!(
        "times are those of an endpoint with nothing else to do; each request in flight there adds {:.0} %",
        each * 100.0
    ));
    let kinds = learned["kinds"].as_array();
    let rows: Vec<Row> = kinds.into_iter().flatten().flat_map(rows).collect();
    out.table(
        &[
            "ROUTE", "METHOD", "BODY", "ENDPOINT", "EXPECTED", "ANSWERS", "",
        ],
        &rows,
        |_, _, cell| cell.to_owned(),
    );
}

/// A line for the sort as a whole, and one for each endpoint.
fn rows(kind: &Value) -> Vec<Row> {
    let text = |key: &str| kind[key].as_str().unwrap_or_default().to_owned();
    let (expected, answers) = (&kind["mean_ms"], &kind["answers"]);
    let whole = row(
        [text("route"), text("method"), text("body"), "all".into()],
        expected,
        answers,
    );
    let each = kind["endpoints"].as_array().into_iter().flatten();
    let each = each.map(|endpoint| {
        let name = endpoint["name"].as_str().unwrap_or_default().to_owned();
        let before = [String::new(), String::new(), String::new(), name];
        row(before, &endpoint["expected_ms"], &endpoint["answers"])
    });
    std::iter::once(whole).chain(each).collect()
}

fn row(before: [String; 4], ms: &Value, answers: &Value) -> Row {
    let mut cells = before.to_vec();
    cells.push(format!("{:.1} ms", ms.as_f64().unwrap_or(0.0)));
    cells.push(format!("{:.0}", answers.as_f64().unwrap_or(0.0)));
    Row {
        cells,
        note: String::new(),
    }
}
