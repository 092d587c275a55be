//! `evenkeel incidents` and `evenkeel explain`: what went wrong, why we think so, what was done, and what to do.
//!
//! Made for three in the morning: the story first, in sentences; the figures behind it after it, for whoever doubts it.

use std::time::Duration;

use evenkeel_core::diagnose::Cause;
use evenkeel_schema::admin::{CauseStatus, IncidentStatus, Incidents};
use hyper::Method;

use crate::End;
use crate::cli::{Admin, What};
use crate::client::Problem;
use crate::commands::operate::{Answer, call, segment};
use crate::commands::status::age_of;
use crate::style::{Out, Row, complain};

/// Causes explained besides the first.
const OTHERS_SHOWN: usize = 2;
/// Below this another cause is not worth a sentence.
const WORTH_A_WORD: f64 = 0.02;

/// `incidents`.
pub(crate) fn incidents(admin: &Admin) -> End {
    let answer = match call(admin, Method::GET, "/v1/incidents", None) {
        Ok(answer) => answer,
        Err(problem) => return problem.report(),
    };
    let out = Out::new();
    if admin.json {
        out.line(answer.text());
        return End::Done;
    }
    match serde_json::from_value::<Incidents>(answer.value) {
        Ok(all) if all.is_empty() => out.line("no incident so far"),
        Ok(all) => print_list(&out, &all),
        Err(error) => return strange(&error),
    }
    End::Done
}

/// `explain`.
pub(crate) fn explain(what: &What, admin: &Admin) -> End {
    match what {
        What::Incident(id) => {
            match call(admin, Method::GET, &format!("/v1/incidents/{id}"), None) {
                Ok(answer) => show(admin, &answer),
                Err(problem) => problem.report(),
            }
        }
        What::Endpoint(name) => {
            let key = format!("{}/{}", name.pool, name.endpoint);
            match newest_of(admin, &key) {
                Ok(Some(answer)) => show(admin, &answer),
                Ok(None) => explain_state(admin, &name.pool, &name.endpoint),
                Err(problem) => problem.report(),
            }
        }
    }
}

fn show(admin: &Admin, answer: &Answer) -> End {
    let out = Out::new();
    if admin.json {
        out.line(answer.text());
        return End::Done;
    }
    match serde_json::from_value(answer.value.clone()) {
        Ok(incident) => tell(&out, &incident),
        Err(error) => return strange(&error),
    }
    End::Done
}

/// The newest incident that this endpoint is part of; an open one comes first.
fn newest_of(admin: &Admin, key: &str) -> Result<Option<Answer>, Problem> {
    let all = call(admin, Method::GET, "/v1/incidents", None)?;
    let all: Incidents = serde_json::from_value(all.value).unwrap_or_default();
    let named = |incident: &&IncidentStatus| incident.subjects.iter().any(|s| s == key);
    let mut found: Vec<_> = all.iter().filter(named).collect();
    found.sort_by_key(|incident| incident.closed.is_some());
    let Some(incident) = found.first() else {
        return Ok(None);
    };
    let path = format!("/v1/incidents/{}", incident.id);
    call(admin, Method::GET, &path, None).map(Some)
}

/// There is no incident: what is known of the endpoint is its state.
fn explain_state(admin: &Admin, pool: &str, endpoint: &str) -> End {
    let path = format!("/v1/pools/{}", segment(pool));
    let answer = match call(admin, Method::GET, &path, None) {
        Ok(answer) => answer,
        Err(problem) => return problem.report(),
    };
    let all = answer.value["endpoints"].as_array();
    let mut all = all.into_iter().flatten();
    let Some(found) = all.find(|e| e["name"] == endpoint) else {
        complain(&format!(
            "evenkeel: pool {pool} has no endpoint {endpoint:?}; `evenkeel status {pool}` lists them"
        ));
        return End::Failed;
    };
    let out = Out::new();
    if admin.json {
        out.line(&found.to_string());
        return End::Done;
    }
    let word = |key: &str| found[key].as_str().unwrap_or("-").to_owned();
    out.line(&format!(
        "{pool}/{endpoint} is {} ({}): {}",
        word("state"),
        word("decided_by"),
        word("why")
    ));
    if let Some(next) = found["next"].as_str() {
        out.line(&format!("Next: {next}."));
    }
    out.line("It has been part of no incident.");
    End::Done
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
        (Some(label), _) => format!("{label} (said)"),
        (None, Some(first)) => format!("{} {}", first.cause, percent(first.probability)),
        (None, None) => "-".into(),
    }
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
        format!("{} {}{times}", last.action, last.outcome)
    });
    counted.unwrap_or_default()
}

/// The whole story.
fn tell(out: &Out, incident: &IncidentStatus) {
    let title = format!("Incident {}: {}", incident.id, subjects(incident));
    out.line(&format!(
        "{}  {}",
        out.bold(&title),
        out.state(&incident.state, &incident.state)
    ));
    out.line("");
    out.line(&happened(incident));
    for phase in incident.phases.iter().filter(|_| incident.phases.len() > 1) {
        out.line(&format!(
            "    {}  {}",
            phase.subject,
            out.state(&phase.phase, &phase.phase)
        ));
    }
    out.line("");
    why(out, incident);
    out.line("");
    done(out, incident);
    out.line("");
    to_do(out, incident);
}

fn happened(incident: &IncidentStatus) -> String {
    let one = incident.subjects.len() == 1;
    let what = match (incident.scope.as_str(), one) {
        _ if !incident.harmed && one => "was about to stop serving",
        _ if !incident.harmed => "were about to stop serving",
        ("endpoint", _) => "stopped serving",
        ("node", true) => "stopped serving: the trouble is its machine's",
        ("node", _) => "stopped serving: the trouble is their machine's",
        ("path", _) => "could not be reached: the trouble is on the way there",
        ("zone", _) => "stopped serving: the trouble is their zone's",
        ("dependency", true) => "fails, and the trouble is something it needs",
        ("dependency", _) => "fail together: the trouble is something they need",
        ("release", true) => "fails since something was changed on it",
        ("release", _) => "fail since something was changed on them",
        _ => "seems to fail, but the trouble is most probably evenkeel's own",
    };
    let mut text = format!(
        "What happened: {} {what}. The first sign was at {} ({} ago)",
        subjects(incident),
        incident.first_sign,
        age_of(&incident.first_sign)
    );
    match incident.times_ms.detect {
        Some(0) => text += "; it was known to be a fault at once",
        Some(ms) => text += &format!("; it was known to be a fault {} later", time(ms)),
        None => (),
    }
    let ended = match incident.harmed {
        true => "Everything served again",
        false => "It was averted",
    };
    match (incident.times_ms.restore, &incident.closed) {
        (Some(ms), Some(_)) => text += &format!(". {ended} after {}.", time(ms)),
        (Some(ms), None) => text += &format!(". {ended} after {}, and is watched.", time(ms)),
        _ => text += ". It is not over.",
    }
    text
}

fn why(out: &Out, incident: &IncidentStatus) {
    let Some(first) = incident.causes.first() else {
        return out.line("Why: nothing points to a cause yet.");
    };
    let sure = match first.probability {
        p if p >= 0.9 => "Why: almost certainly",
        p if p >= 0.6 => "Why: most probably",
        _ => "Why: perhaps",
    };
    out.line(&format!("{sure} {}", cause_line(first)));
    because(out, first);
    let worth = |other: &&CauseStatus| other.probability >= WORTH_A_WORD;
    for other in incident
        .causes
        .iter()
        .skip(1)
        .filter(worth)
        .take(OTHERS_SHOWN)
    {
        out.line(&format!("  or {}", cause_line(other)));
        because(out, other);
    }
}

fn cause_line(status: &CauseStatus) -> String {
    let summary = Cause::named(&status.cause).map_or("", |cause| cause.entry().part.summary);
    format!(
        "{} ({}). {summary}",
        status.cause,
        percent(status.probability)
    )
}

/// "+  connection refused (check, 120 ms before)  ×22".
fn because(out: &Out, cause: &CauseStatus) {
    for reason in &cause.because {
        let sign = if reason.weight > 0.0 { '+' } else { '-' };
        let value = match reason.value.is_empty() || reason.value == reason.evidence {
            true => String::new(),
            false => format!(": {}", reason.value),
        };
        let line = format!(
            "    {sign} {}{value} ({}, {} old, weight {:+.1})",
            reason.evidence,
            reason.source,
            time(reason.age_ms),
            reason.weight
        );
        out.line(&out.dim(&line));
    }
}

fn done(out: &Out, incident: &IncidentStatus) {
    if incident.actions.is_empty() {
        return out
            .line("What evenkeel did: sent no more work there while it was down; nothing else.");
    }
    out.line("What evenkeel did:");
    for action in &incident.actions {
        let took = action
            .ended
            .map(|ended| ended.0.0.saturating_sub(action.started.0.0));
        let took = took.map_or_else(
            || "not ended yet".to_owned(),
            |ms| format!("took {}", time(ms)),
        );
        let outcome = match action.outcome.as_str() {
            "cured" => format!("{took}, and that cured it"),
            "failed" => format!("{took}, and that did not help"),
            "watched" => format!("{took}, and whether it helped is being watched"),
            "advised" => "would have been done (mode = \"advise\"), and was not".to_owned(),
            "interrupted" => "was under way when evenkeel was replaced; nobody knows how far it came, and it is not repeated".to_owned(),
            _ => "is under way".to_owned(),
        };
        out.line(&format!(
            "    {}  {} of {}: {outcome}",
            action.started, action.action, action.target
        ));
        for (what, text) in [("why", &action.why), ("result", &action.detail)] {
            if !text.is_empty() {
                out.line(&out.dim(&format!("        {what}: {text}")));
            }
        }
    }
}

fn to_do(out: &Out, incident: &IncidentStatus) {
    if !incident.person.is_empty() && incident.closed.is_none() {
        out.line(&out.bold("A person is needed: nothing is left that evenkeel could do."));
        for why in &incident.person {
            out.line(&format!("    {why}"));
        }
    }
    let named = incident
        .label
        .as_deref()
        .or_else(|| incident.causes.first().map(|c| c.cause.as_str()));
    let advice = named
        .and_then(Cause::named)
        .map(|cause| cause.entry().advice);
    let head = match incident.closed {
        Some(_) => "What you can do, so that it does not come again",
        None => "What you can do",
    };
    if let Some(advice) = advice {
        out.line(&format!("{head}: {advice}"));
    }
    match &incident.label {
        Some(label) => out.line(&format!("A person said it was {label}.")),
        None => out.line(&out.dim(&format!(
            "If it was something else, say so: POST /v1/incidents/{}/label {{\"cause\":\"…\"}}",
            incident.id
        ))),
    }
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
