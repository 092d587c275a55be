//! `evenkeel incidents` and `evenkeel explain`: what went wrong, why we think so, what was done, and what to do.
//!
//! Made for three in the morning: the present first, then the story in sentences; the figures behind it after it, for whoever doubts it.

mod label;
mod present;
mod story;
mod todo;

use std::time::Duration;

use evenkeel_core::incident::Labeller;
use evenkeel_schema::admin::{IncidentStatus, Incidents};
use hyper::Method;
use serde_json::Value;

use crate::End;
use crate::cli::{Admin, What};
use crate::client::Problem;
use crate::commands::operate::{self, Answer, call};
use crate::commands::status::age_of;
use crate::style::{Out, Row, complain};

pub(crate) use label::label;

/// `incidents`.
pub(crate) fn incidents(admin: &Admin) -> End {
    operate::show(
        admin,
        call(admin, Method::GET, "/v1/incidents", None),
        |out, all| {
            match serde_json::from_value::<Incidents>(all.clone()) {
                Ok(all) if all.is_empty() => out.line("no incident so far"),
                Ok(all) => print_list(out, &all),
                Err(error) => return strange(&error),
            }
            End::Done
        },
    )
}

/// `explain`.
pub(crate) fn explain(what: &What, admin: &Admin) -> End {
    match what {
        What::Incident(id) => operate::show(admin, one(admin, *id), |out, answer| {
            tell(out, admin, answer)
        }),
        What::Endpoint(name) => {
            let key = format!("{}/{}", name.pool, name.endpoint);
            let told = present::endpoint(admin, &name.pool, &name.endpoint).and_then(|now| {
                let newest = newest_of(admin, &key)?;
                Ok(show_endpoint(admin, &now, newest.as_ref()))
            });
            told.unwrap_or_else(|problem| problem.report())
        }
    }
}

fn one(admin: &Admin, id: u64) -> Result<Answer, Problem> {
    call(admin, Method::GET, &format!("/v1/incidents/{id}"), None)
}

fn tell(out: &Out, admin: &Admin, answer: &Value) -> End {
    match serde_json::from_value(answer.clone()) {
        Ok(incident) => {
            story::tell(out, &incident, &present::of(admin, &incident));
            End::Done
        }
        Err(error) => strange(&error),
    }
}

/// How it is now, then its open incident; without one the last it was part of.
fn show_endpoint(admin: &Admin, now: &present::Present, newest: Option<&Answer>) -> End {
    let out = Out::new();
    if admin.json {
        out.line(newest.map_or(&now.text, |answer| answer.text()));
        return End::Done;
    }
    out.line(&out.bold(&now.words()));
    let Some(answer) = newest else {
        out.line("It has been part of no incident.");
        return End::Done;
    };
    if !answer.value["closed"].is_null() {
        out.line("No incident of it is open. The last it was part of:");
    }
    out.line("");
    tell(&out, admin, &answer.value)
}

/// The newest incident that this endpoint is part of; an open one comes first.
fn newest_of(admin: &Admin, key: &str) -> Result<Option<Answer>, Problem> {
    let all = call(admin, Method::GET, "/v1/incidents", None)?;
    let all: Incidents = serde_json::from_value(all.value).unwrap_or_default();
    let named = |incident: &&IncidentStatus| incident.subjects.iter().any(|s| s == key);
    let mut found: Vec<_> = all.iter().filter(named).collect();
    found.sort_by_key(|incident| incident.closed.is_some());
    found.first().map(|i| one(admin, i.id)).transpose()
}

fn strange(error: &serde_json::Error) -> End {
    complain(&format!(
        "evenkeel: the admin API's answer cannot be read: {error}; is it another version?"
    ));
    End::Failed
}

fn print_list(out: &Out, all: &[IncidentStatus]) {
    let row = |incident: &IncidentStatus| Row {
        cells: vec![
            incident.id.to_string(),
            incident.state.clone(),
            age_of(&incident.opened),
            lasted(incident),
            most_probable(incident),
            incident.scope.clone(),
            subjects(incident),
        ],
        note: last_action(incident),
    };
    let rows: Vec<Row> = all.iter().map(row).collect();
    let header = [
        "INCIDENT", "STATE", "OPENED", "LASTED", "CAUSE", "SCOPE", "WHO", "DONE",
    ];
    out.table(&header, &rows, |column, row, cell| match column {
        1 => out.state(&row.cells[1], cell),
        _ => cell.to_owned(),
    });
    out.line("");
    out.line("evenkeel explain INCIDENT tells one of them.");
}

/// Names shown in a table.
const NAMES_SHOWN: usize = 2;

fn subjects(incident: &IncidentStatus) -> String {
    let names = &incident.subjects;
    match names.len() {
        n if n > NAMES_SHOWN => {
            let shown = names[..NAMES_SHOWN].join(" ");
            format!("{shown} +{}", n - NAMES_SHOWN)
        }
        _ => names.join(" "),
    }
}

fn most_probable(incident: &IncidentStatus) -> String {
    match (&incident.label, incident.causes.first()) {
        (Some(label), _) if is_drills(incident) => format!("{label} (drill)"),
        (Some(label), _) => format!("{label} (said)"),
        (None, Some(first)) => format!("{} {}", first.cause, percent(first.probability)),
        (None, None) => "-".into(),
    }
}

/// Was it a drill that said what it was?
fn is_drills(incident: &IncidentStatus) -> bool {
    incident.label_by.as_deref() == Some(Labeller::Drill.name())
}

fn lasted(incident: &IncidentStatus) -> String {
    match incident.times_ms.restore {
        Some(ms) => time(ms),
        None => "-".into(),
    }
}

fn last_action(incident: &IncidentStatus) -> String {
    let counted = incident.actions.last().map(|last| {
        let times = match incident.actions.len() {
            1 => String::new(),
            n => format!(" ({n} actions)"),
        };
        let whose = if last.is_asked() { "a person's " } else { "" };
        format!("{whose}{} {}{times}", last.action, last.outcome)
    });
    counted.unwrap_or_default()
}

pub(crate) fn percent(p: f64) -> String {
    match p {
        p if p > 0.995 => "over 99 %".into(),
        p => format!("{:.0} %", p * 100.0),
    }
}

/// A length of time as a person says it.
pub(crate) fn time(ms: u64) -> String {
    let time = Duration::from_millis(ms);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{:.1} s", time.as_secs_f64()),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_are_said_shortly() {
        assert_eq!(time(210), "210 ms");
        assert_eq!(time(2_400), "2.4 s");
        assert_eq!(time(600_000), "10 min");
        assert_eq!(time(90_000_000), "25 h");
        assert_eq!(percent(0.97), "97 %");
        assert_eq!(percent(0.9999), "over 99 %");
    }
}
