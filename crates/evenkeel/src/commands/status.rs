//! `evenkeel status`: who serves, in what state, since when and why.

use hyper::Method;
use serde_json::Value;

use crate::End;
use crate::cli::Admin;
use crate::commands::operate::{call, segment};
use crate::style::Out;

/// All pools, or one.
pub(crate) fn status(pool: Option<&str>, admin: &Admin) -> End {
    let path = pool.map_or_else(
        || "/v1/status".into(),
        |p| format!("/v1/pools/{}", segment(p)),
    );
    let answer = match call(admin, Method::GET, &path, None) {
        Ok(answer) => answer,
        Err(problem) => return problem.report(),
    };
    let out = Out::new();
    if admin.json {
        out.line(&answer.to_string());
        return End::Done;
    }
    if pool.is_some() {
        print_pool(&out, &answer);
    } else {
        print_all(&out, &answer);
    }
    End::Done
}

fn print_all(out: &Out, status: &Value) {
    out.line(&format!(
        "{}  keeper {}, balancer {}, revision {}",
        out.bold(&word(&status["node"])),
        status["pid"],
        status["worker_pid"],
        status["revision"]
    ));
    for listener in list(&status["listeners"]) {
        let binds: Vec<String> = list(&listener["bind"]).iter().map(word).collect();
        out.line(&format!(
            "listener {}: {}",
            word(&listener["name"]),
            binds.join(", ")
        ));
    }
    if let Some(why) = status["rejected"]
        .as_str()
        .or_else(|| status["rejected"]["why"].as_str())
    {
        out.line(&out.state("down", &format!("the configuration was rejected: {why}")));
    }
    for pool in list(&status["pools"]) {
        out.line("");
        print_pool(out, pool);
    }
    let services = list(&status["services"]);
    if !services.is_empty() {
        out.line("");
        print_services(out, services);
    }
}

fn print_pool(out: &Out, pool: &Value) {
    let endpoints = list(&pool["endpoints"]);
    let usable = endpoints
        .iter()
        .filter(|e| matches!(e["state"].as_str(), Some("up" | "trial")))
        .count();
    out.line(&format!(
        "{}  {} of {} usable, {}",
        out.bold(&format!("pool {}", word(&pool["name"]))),
        usable,
        endpoints.len(),
        word(&pool["policy"])
    ));
    let rows: Vec<Vec<String>> = endpoints
        .iter()
        .map(|e| {
            let mut why = format!("{} ({})", word(&e["why"]), word(&e["decided_by"]));
            if let Some(next) = e["next"].as_str().filter(|n| !n.is_empty()) {
                why.push_str("; next: ");
                why.push_str(next);
            }
            vec![
                word(&e["name"]),
                word(&e["state"]),
                word(&e["since"]),
                word(&e["address"]),
                e["weight"].to_string(),
                e["in_flight"].to_string(),
                e["requests"].to_string(),
                e["failures"].to_string(),
                e["service"]["pid"]
                    .as_u64()
                    .map_or_else(|| "-".into(), |pid| pid.to_string()),
                why,
            ]
        })
        .collect();
    let header = [
        "ENDPOINT",
        "STATE",
        "SINCE",
        "ADDRESS",
        "WEIGHT",
        "IN FLIGHT",
        "REQUESTS",
        "FAILURES",
        "PID",
        "WHY",
    ];
    out.table(&header, &rows, |column, row, cell| {
        if column == 1 {
            out.state(&row[1], cell)
        } else {
            cell.to_owned()
        }
    });
}

fn print_services(out: &Out, services: &[Value]) {
    let rows: Vec<Vec<String>> = services
        .iter()
        .map(|s| {
            vec![
                word(&s["name"]),
                word(&s["state"]),
                s["pid"]
                    .as_u64()
                    .map_or_else(|| "-".into(), |pid| pid.to_string()),
                s["restarts"].to_string(),
                word(&s["why"]),
            ]
        })
        .collect();
    out.table(
        &["SERVICE", "STATE", "PID", "RESTARTS", "WHY"],
        &rows,
        |column, row, cell| {
            if column == 1 {
                out.state(&row[1], cell)
            } else {
                cell.to_owned()
            }
        },
    );
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A string as it is, anything else as JSON writes it, nothing as a dash.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
