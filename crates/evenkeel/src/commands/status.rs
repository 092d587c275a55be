//! `evenkeel status`: who serves, in what state, since when, why, and what happens next.
//!
//! Made for a person who was just woken: ages instead of dates, what is wrong in colour, one line an endpoint where the
//! terminal is wide enough. Programs read `--json`, which is the admin API's answer as it came.

use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel_schema::Stamp;
use hyper::Method;
use serde_json::Value;

use crate::End;
use crate::cli::Admin;
use crate::commands::availability::print_alerts;
use crate::commands::operate::{call, segment, show};
use crate::commands::{facts, learned, own};
use crate::style::{Out, Row};

/// Of a configuration with many mistakes, as many are shown; `evenkeel check` shows the rest.
const REJECTED_LINES_MAX: usize = 5;

/// All pools, or one.
pub(crate) fn status(pool: Option<&str>, admin: &Admin) -> End {
    let path = pool.map_or_else(
        || "/v1/status".into(),
        |p| format!("/v1/pools/{}", segment(p)),
    );
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

fn print_all(out: &Out, status: &Value) {
    out.line(&format!(
        "{}  revision {}, keeper {}, balancer {} for {}",
        out.bold(&word(&status["node"])),
        status["revision"],
        status["pid"],
        status["worker_pid"],
        age(&status["since"]),
    ));
    for listener in list(&status["listeners"]) {
        let binds: Vec<String> = list(&listener["bind"]).iter().map(word).collect();
        let tls = match listener["tls"].as_str() {
            None => "",
            Some("passthrough") => "  TLS passes through",
            Some("client_certificates") => "  TLS, client certificates",
            Some(_) => "  TLS",
        };
        out.line(&format!(
            "listener {}  {}{tls}",
            word(&listener["name"]),
            binds.join(", ")
        ));
    }
    if let Some(line) = facts::machine(&status["machine"]) {
        out.line(&line);
    }
    print_certificates(out, list(&status["certificates"]));
    print_agents(out, status);
    print_rejected(out, &status["rejected"]);
    own::print(out, &status["own"]);
    print_journal(out, &status["journal"]);
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

/// Names of a certificate that are shown; JSON has all.
const NAMES_SHOWN: usize = 3;

/// A line for each, and one more for what is wrong with it.
fn print_certificates(out: &Out, certificates: &[Value]) {
    for certificate in certificates {
        let used_by = match certificate["used_by"].as_str() {
            Some(door @ ("admin" | "agents")) => door.to_owned(),
            _ => format!(
                "{} {}",
                word(&certificate["used_by"]),
                word(&certificate["name"])
            ),
        };
        let mut line = format!("certificate of {used_by}  {}", word(&certificate["file"]));
        let names: Vec<String> = list(&certificate["names"]).iter().map(word).collect();
        if !names.is_empty() {
            line += &format!("  {}", names[..names.len().min(NAMES_SHOWN)].join(", "));
        }
        if names.len() > NAMES_SHOWN {
            line += &format!(" and {} more", names.len() - NAMES_SHOWN);
        }
        // Where few are left the warning says so.
        let warning = certificate["warning"].as_str();
        if let (Some(days), None) = (certificate["days_left"].as_i64(), warning) {
            line += &format!("  {days} days left");
        }
        out.line(&line);
        if let Some(warning) = warning {
            let over = !warning.starts_with("expires");
            out.line(&format!(
                "    {}",
                out.state(if over { "down" } else { "trial" }, warning)
            ));
        }
        if let Some(problem) = certificate["problem"].as_str() {
            let text = format!("what is in the files now is not in use: {problem}");
            out.line(&format!("    {}", out.state("down", &text)));
        }
    }
}

fn print_rejected(out: &Out, rejected: &Value) {
    let Some(why) = rejected["why"].as_str() else {
        return;
    };
    let ago = age(&rejected["at"]);
    let head = format!("the configuration was rejected {ago} ago; the revision above is in force");
    out.line(&out.state("down", &head));
    for line in why.lines().take(REJECTED_LINES_MAX) {
        out.line(&format!("    {line}"));
    }
    let more = why.lines().count().saturating_sub(REJECTED_LINES_MAX);
    if more > 0 {
        out.line(&format!("    and {more} more: `evenkeel check` says all"));
    }
}

/// Worth a word only where it is not written.
fn print_journal(out: &Out, journal: &Value) {
    if let (Some(false), Some(why)) = (journal["recording"].as_bool(), journal["why"].as_str()) {
        let text = format!("the journal is not written: {why}; it is tried again by itself");
        out.line(&out.state("trial", &text));
    }
}

/// Faults of the node itself.
/// A line for each, and what is old because it is not connected.
fn print_agents(out: &Out, status: &Value) {
    if let Some(bind) = status["agents_bind"].as_str() {
        out.line(&format!("agents connect to {bind}"));
    }
    for agent in list(&status["agents"]) {
        let (name, since) = (word(&agent["name"]), age(&agent["since"]));
        if agent["connected"] != true {
            let text = format!(
                "agent {name} is not connected for {since}: {}; its services are shown as it told last",
                word(&agent["why"])
            );
            out.line(&out.state("trial", &text));
            continue;
        }
        let actions: Vec<String> = list(&agent["actions"]).iter().map(word).collect();
        let stranger = match agent["named"] == true {
            true => "",
            false => "; no endpoint names a service of it",
        };
        out.line(&format!(
            "agent {name}  from {} for {since}, {} services, allows {}{stranger}",
            word(&agent["address"]),
            agent["services"],
            actions.join(", ")
        ));
    }
}

fn print_pool(out: &Out, pool: &Value) {
    let endpoints = list(&pool["endpoints"]);
    let serves = |e: &&Value| matches!(e["state"].as_str(), Some("up" | "trial"));
    let usable = endpoints.iter().filter(serves).count();
    let colour = match usable {
        0 => "down",
        some if some < endpoints.len() => "trial",
        _ => "up",
    };
    out.line(&format!(
        "{}  {}, {}",
        out.bold(&format!("pool {}", word(&pool["name"]))),
        out.state(colour, &format!("{usable} of {} usable", endpoints.len())),
        match pool["tls"].as_bool() {
            Some(true) => format!("{}, TLS", word(&pool["policy"])),
            _ => word(&pool["policy"]),
        }
    ));
    print_alerts(out, list(&pool["alerts"]));
    if let Value::Object(zone) = &pool["zone"] {
        let (name, stays) = (word(&zone["name"]), zone["stays"].as_f64().unwrap_or(0.0));
        let line = format!(
            "zone {name}  {} % of the traffic stays in it",
            (stays * 10.0).round() / 10.0
        );
        out.line(&out.state(if stays < 100.0 { "trial" } else { "up" }, &line));
    }
    print_admission(out, &pool["admission"]);
    if let Value::Object(now) = &pool["recovery"]["underway"] {
        let (action, target) = (word(&now["action"]), word(&now["target"]));
        let stage = word(&now["stage"]);
        let left = &pool["recovery"]["left_this_hour"];
        out.line(&format!(
            "recovery  {action} of {target}: {stage}; {left} more actions this hour"
        ));
    }
    print_redo(out, &pool["redo"]);
    if !pool["learned"].is_null() {
        out.line(&format!("learned  {}", learned::summary(&pool["learned"])));
    }
    let tiers = endpoints
        .iter()
        .any(|e| e["tier"].as_u64().unwrap_or(0) > 0);
    let zones = endpoints.iter().any(|e| e["zone"].is_string());
    let places = [("TIER", "tier", tiers), ("ZONE", "zone", zones)];
    let places = places.into_iter().filter(|place| place.2);
    let mut header = vec!["ENDPOINT", "STATE", "SINCE", "ADDRESS", "PID"];
    header.extend(places.clone().map(|place| place.0));
    header.extend(["WEIGHT", "IN FLIGHT", "REQUESTS", "FAILURES", "WHY"]);
    let rows: Vec<Row> = endpoints
        .iter()
        .map(|e| endpoint(e, places.clone().map(|place| place.1)))
        .collect();
    print_table(out, &header, &rows);
}

fn print_admission(out: &Out, admission: &Value) {
    if admission.is_null() {
        return;
    }
    let text = format!(
        "admission at {} %: {} at a time for each endpoint, {} may wait; {} ({})",
        admission["percent"],
        admission["per_endpoint"],
        admission["queue"],
        word(&admission["why"]),
        word(&admission["decided_by"]),
    );
    out.line(&out.state("trial", &text));
}

/// Journalled requests: in colour while some wait, or were lost.
fn print_redo(out: &Out, redo: &Value) {
    if redo.is_null() {
        return;
    }
    let number = |key: &str| redo[key].as_u64().unwrap_or(0);
    let mut line = format!(
        "redo: {} journalled, {} pending, {} redone, {} given up",
        number("journalled"),
        number("pending"),
        number("redone"),
        number("given_up")
    );
    for (key, words) in [
        ("superseded", "superseded"),
        ("not_journalled", "not journalled"),
    ] {
        if number(key) > 0 {
            line += &format!(", {} {words}", number(key));
        }
    }
    out.line(&match (number("given_up"), number("pending")) {
        (0, 0) => line,
        (0, _) => out.state("trial", &line),
        _ => out.state("down", &line),
    });
}

fn endpoint<'a>(e: &Value, places: impl Iterator<Item = &'a str>) -> Row {
    let mut cells = vec![
        word(&e["name"]),
        word(&e["state"]),
        age(&e["since"]),
        word(match &e["path"]["address"] {
            Value::Null => &e["address"],
            used => used,
        }),
        word(&e["service"]["pid"]),
    ];
    cells.extend(places.map(|key| word(&e[key])));
    let numbers = ["weight", "in_flight", "requests", "failures"];
    cells.extend(numbers.map(|key| word(&e[key])));
    Row {
        cells,
        note: note(e),
    }
}

/// From so much heat on a person may want to know of it.
const WARM: u64 = 60;

/// Why, by whom, and what is next; of one that is simply up, the next check is no news.
fn note(e: &Value) -> String {
    let (mut note, by) = (word(&e["why"]), word(&e["decided_by"]));
    // "its heartbeat says draining" needs no "(heartbeat)" behind it.
    if !note.contains(&by) {
        note = format!("{note} ({by})");
    }
    if let Some(why) = e["relief"]["why"].as_str() {
        let (weight, now) = (word(&e["weight"]), word(&e["effective_weight"]));
        note.push_str(&format!("; weight {weight}, {now} now: {why}"));
    } else if e["heat"]["percent"].as_u64() >= Some(WARM) {
        note.push_str(&format!("; warm: {}", word(&e["heat"]["why"])));
    }
    if let Some(limit) = e["agent_check"]["maxconn"].as_u64().filter(|&l| l > 0) {
        note.push_str(&format!("; its agent takes {limit} at once"));
    }
    let next = e["next"].as_str().unwrap_or_default();
    let path = &e["path"];
    let elsewhere = path["address"].is_string() && path["address"] != e["address"];
    if elsewhere {
        let (since, why) = (age(&path["since"]), word(&path["why"]));
        note = format!("{note}; on its other address for {since}: {why}");
    }
    let news = e["state"] != "up" || elsewhere || !next.starts_with("a check");
    if news && !next.is_empty() {
        note.push_str("; next: ");
        note.push_str(next);
    }
    note
}

fn print_services(out: &Out, services: &[Value]) {
    let row = |s: &Value| Row {
        cells: vec![
            word(&s["name"]),
            match s["agent"]["connected"] == false {
                true => format!("{}?", word(&s["state"])),
                false => word(&s["state"]),
            },
            age(&s["since"]),
            word(&s["pid"]),
            word(&s["restarts"]),
            facts::cpu(&s["facts"]),
            facts::memory(&s["facts"]),
        ],
        note: word(&s["why"]),
    };
    let rows: Vec<Row> = services.iter().map(row).collect();
    let header = [
        "SERVICE", "STATE", "SINCE", "PID", "RESTARTS", "CPU", "MEMORY", "WHY",
    ];
    print_table(out, &header, &rows);
    for line in services.iter().flat_map(facts::warnings) {
        out.line(&out.state("trial", &line));
    }
}

/// The second column is a state, and has its colour.
fn print_table(out: &Out, header: &[&str], rows: &[Row]) {
    out.table(header, rows, |column, row, cell| match column {
        1 => out.state(&row.cells[1], cell),
        _ => cell.to_owned(),
    });
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A string as it is, anything else as JSON writes it, nothing as a dash.
pub(crate) fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How long ago a moment of the API was, as a person says it.
pub(crate) fn age(since: &Value) -> String {
    match since.as_str().and_then(|at| at.parse::<Stamp>().ok()) {
        Some(at) => about(seconds_since(at)),
        None => word(since),
    }
}

pub(crate) fn seconds_since(at: Stamp) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_s = now.unwrap_or_default().as_secs();
    now_s.saturating_sub(at.0.0 / 1000)
}

/// How long ago a moment was, as a person says it.
pub(crate) fn age_of(at: &Stamp) -> String {
    age(&Value::String(at.to_string()))
}

/// In the largest unit of which there are two, so that it is never off by more than a half.
fn about(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_age_is_short_and_never_far_off() {
        assert_eq!(about(0), "0 s");
        assert_eq!(about(119), "119 s");
        assert_eq!(about(120), "2 min");
        assert_eq!(about(7_199), "119 min");
        assert_eq!(about(7_200), "2 h");
        assert_eq!(about(200_000), "2 d");
        assert_eq!(
            age(&json!("2026-01-01T00:00:00Z")).rsplit(' ').next(),
            Some("d")
        );
        assert_eq!(age(&Value::Null), "-");
    }

    #[test]
    fn a_note_says_what_matters_once() {
        let up = json!({"state": "up", "why": "2 of 2 checks passed", "decided_by": "check", "next": "a check in 0.7 s"});
        assert_eq!(note(&up), "2 of 2 checks passed");
        let ramp = json!({"state": "up", "why": "trial passed", "decided_by": "outlier", "next": "its whole share in 3.0 s"});
        assert_eq!(
            note(&ramp),
            "trial passed (outlier); next: its whole share in 3.0 s"
        );
        let hot = json!({"state": "up", "why": "2 of 2 checks passed", "decided_by": "check", "weight": 100, "effective_weight": 60,
            "relief": {"percent": 60, "decided_by": "prevention", "why": "memory full in about 4 min at this rate"}});
        assert_eq!(
            note(&hot),
            "2 of 2 checks passed; weight 100, 60 now: memory full in about 4 min at this rate"
        );
        let few = json!({"state": "up", "why": "2 of 2 checks passed", "decided_by": "check", "agent_check": {"maxconn": 3}});
        assert_eq!(
            note(&few),
            "2 of 2 checks passed; its agent takes 3 at once"
        );
        let down = json!({"state": "down", "why": "connection refused", "decided_by": "check", "next": "a check in 0.7 s"});
        assert_eq!(
            note(&down),
            "connection refused (check); next: a check in 0.7 s"
        );
    }
}
