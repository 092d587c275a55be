//! `evenkeel recovery-points`: what there is to go back to, whether it is whole, and going back.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use serde_json::Value;

use crate::End;
use crate::cli::{Admin, PointAction};
use crate::commands::facts::size;
use crate::commands::operate::{call_for, segment, show};
use crate::commands::status::age;
use crate::style::{Out, Row, complain};

/// Reading gigabytes back takes its time.
const PATIENCE: Duration = Duration::from_secs(620);

/// Lists, or does something with one.
pub(crate) fn recovery_points(
    service: Option<&str>,
    action: Option<(PointAction, Option<&str>)>,
    admin: &Admin,
) -> End {
    match (service, action) {
        (Some(service), Some((action, Some(id)))) => act(service, action, id, admin),
        (_, Some((action, _))) => {
            let word = match action {
                PointAction::Verify => "verify",
                PointAction::Restore => "restore",
            };
            complain(&format!(
                "usage: evenkeel recovery-points SERVICE {word} ID; `evenkeel recovery-points` lists the ids"
            ));
            End::Usage
        }
        (service, None) => list(service, admin),
    }
}

fn list(service: Option<&str>, admin: &Admin) -> End {
    let all = call_for(PATIENCE, admin, Method::GET, "/v1/recovery-points", None);
    show(admin, all, |out, answer| print_points(out, answer, service))
}

fn print_points(out: &Out, answer: &Value, service: Option<&str>) -> End {
    let chosen = |v: &&Value| service.is_none_or(|name| v["service"] == name);
    let rows: Vec<Row> = array(&answer["recovery_points"])
        .iter()
        .filter(chosen)
        .map(row)
        .collect();
    let header = ["SERVICE", "POINT", "AGO", "SIZE", "FILES", "OF"];
    match rows.is_empty() {
        true => out.line("there are no recovery points: `data` in [service.NAME] asks for them; agents tell of theirs once they have connected"),
        false => out.table(&header, &rows, |_, _, cell| cell.to_owned()),
    }
    for more in array(&answer["older"]).iter().filter(chosen) {
        out.line(&format!(
            "{}: and {} older ones, which its agent has on its host",
            word(&more["service"]),
            more["points"]
        ));
    }
    say_as_of(out, array(&answer["recovery_points"]).iter().filter(chosen));
    for problem in array(&answer["problems"]).iter().filter(chosen) {
        let text = format!(
            "{}: no point that can be restored, {} ago: {}",
            word(&problem["service"]),
            age(&problem["at"]),
            word(&problem["why"])
        );
        out.line(&out.state("down", &text));
    }
    End::Done
}

/// Whose points are known from before only: once for each agent.
fn say_as_of<'a>(out: &Out, points: impl Iterator<Item = &'a Value>) {
    let old = points.filter(|point| !point["as_of"].is_null());
    let agents: BTreeMap<String, &Value> = old
        .filter_map(|point| {
            let (agent, _) = point["service"].as_str()?.split_once('/')?;
            Some((agent.to_owned(), &point["as_of"]))
        })
        .collect();
    for (agent, as_of) in agents {
        let text = format!(
            "agent {agent} is not connected: its points are listed as they were {} ago, and are on its host; they can be restored from here when it is back",
            age(as_of)
        );
        out.line(&out.state("down", &text));
    }
}

fn row(point: &Value) -> Row {
    Row {
        cells: vec![
            word(&point["service"]),
            word(&point["id"]),
            age(&point["made"]),
            size(point["bytes"].as_u64().unwrap_or(0)),
            point["files"].to_string(),
        ],
        note: word(&point["directory"]),
    }
}

fn act(service: &str, action: PointAction, id: &str, admin: &Admin) -> End {
    let verb = match action {
        PointAction::Verify => "verify",
        PointAction::Restore => "restore",
    };
    let path = format!(
        "/v1/recovery-points/{}/{}/{verb}",
        segment(service),
        segment(id)
    );
    match call_for(PATIENCE, admin, Method::POST, &path, None) {
        Ok(answer) if admin.json => Out::new().line(answer.text()),
        Ok(answer) => {
            let text = match (action, answer.value["kept_aside"].as_str()) {
                (PointAction::Verify, _) => format!(
                    "{service}: {id} is whole: everything in it was read back and is as it was written"
                ),
                (PointAction::Restore, Some(aside)) => format!(
                    "{service}: restored from {id}, and running again; the data that was there is kept in {aside}"
                ),
                (PointAction::Restore, None) => {
                    format!("{service}: restored from {id}, and running again")
                }
            };
            Out::new().line(&text);
        }
        Err(problem) => return problem.report(),
    }
    End::Done
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
