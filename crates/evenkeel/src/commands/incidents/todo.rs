//! What a person can do about an incident, as commands to be copied; what was tried already is said, and not proposed again.

use std::collections::BTreeMap;

use evenkeel_core::diagnose::{CAUSES, Cause};
use evenkeel_core::recover::actions::{ACTIONS, Action};
use evenkeel_core::table::State;
use evenkeel_schema::admin::{ActionStatus, EndpointStatus, IncidentStatus};

use super::is_drills;
use crate::style::Out;

/// Causes less probable than this are not acted upon.
const PROBABLE: f64 = 0.2;
/// And of no more than so many.
const CAUSES_MAX: usize = 2;

type Present = BTreeMap<String, EndpointStatus>;

/// Tells it.
pub(super) fn tell(out: &Out, incident: &IncidentStatus, present: &Present) {
    if !incident.person.is_empty() && incident.closed.is_none() {
        out.line(&out.bold("A person is needed: nothing is left that evenkeel could do."));
        for why in &incident.person {
            out.line(&format!("    {why}"));
        }
    }
    if let Some(advice) = advice(incident) {
        let head = match incident.closed {
            Some(_) => "What you can do, so that it does not come again",
            None => "What you can do",
        };
        out.line(&format!("{head}: {advice}"));
    }
    let commands = commands(incident, present);
    let wide = commands.iter().map(|(command, _)| command.chars().count());
    let wide = wide.max().unwrap_or(0);
    for (command, does) in &commands {
        out.line(&format!("    {command:<wide$}  {}", out.dim(does)));
    }
    if let Some(tried) = tried(incident).filter(|_| incident.closed.is_none()) {
        out.line(&tried);
    }
    out.line(&out.dim(&labelled(incident)));
}

/// What it was, as far as is known: what was said of it, else what is most probable.
fn cause(incident: &IncidentStatus) -> Option<Cause> {
    let first = incident.causes.first().map(|c| c.cause.as_str());
    incident.label.as_deref().or(first).and_then(Cause::named)
}

fn advice(incident: &IncidentStatus) -> Option<&'static str> {
    let entry = cause(incident)?.entry();
    Some(match incident.closed {
        Some(_) => entry.afterwards,
        None => entry.advice,
    })
}

/// Commands and what they do.
fn commands(incident: &IncidentStatus, present: &Present) -> Vec<(String, String)> {
    let mut all = Vec::new();
    all.extend(back_to_what_was_shipped(incident, present));
    if incident.closed.is_some() {
        return all;
    }
    let ill = incident.phases.iter().filter(|p| p.phase != "normal");
    let mut keys = ill.map(|p| p.subject.as_str());
    let Some((key, endpoint)) = keys.find_map(|key| Some((key, present.get(key)?))) else {
        return all;
    };
    if probable(incident).contains(&Cause::BadConfig) && !is_tried(incident, "reload") {
        let does = "goes back to the configuration before; `evenkeel revisions` lists them";
        all.push(("evenkeel rollback".to_owned(), does.to_owned()));
    }
    all.extend(actions(incident, key, endpoint));
    if !matches!(endpoint.state, State::Draining | State::Maintenance) {
        let does = "gives it no new work; `evenkeel ready` takes that back";
        all.push((format!("evenkeel drain {key}"), does.to_owned()));
    }
    all
}

/// The causes that are worth acting upon.
fn probable(incident: &IncidentStatus) -> Vec<Cause> {
    if let Some(label) = incident.label.as_deref().and_then(Cause::named) {
        return vec![label];
    }
    let all = incident.causes.iter().take(CAUSES_MAX);
    let probable = all.filter(|c| c.probability >= PROBABLE);
    probable.filter_map(|c| Cause::named(&c.cause)).collect()
}

/// What treats these causes, can be done to this endpoint and was not done, the least harmful first.
fn actions(
    incident: &IncidentStatus,
    key: &str,
    endpoint: &EndpointStatus,
) -> Vec<(String, String)> {
    let causes = probable(incident);
    let treats = |action: &&&Action| {
        action
            .treats
            .iter()
            .any(|(cause, _)| causes.contains(cause))
    };
    let fitting = ACTIONS.iter().filter(treats);
    let fitting = fitting.filter(|action| !is_tried(incident, action.part.name));
    fitting
        .flat_map(|action| command(action, key, endpoint))
        .collect()
}

fn command(action: &Action, key: &str, endpoint: &EndpointStatus) -> Vec<(String, String)> {
    let (name, summary) = (action.part.name, action.part.summary.to_owned());
    if name == "relieve_cpu" {
        let half = endpoint.weight / 2;
        let does = format!("halves its share; `evenkeel weight {key} default` takes that back");
        return vec![(format!("evenkeel weight {key} {half}"), does)];
    }
    let Some(service) = &endpoint.service else {
        return Vec::new();
    };
    let Some(of) = &service.name else {
        return Vec::new();
    };
    if service.pid.is_none() && matches!(name, "restart" | "kill_hung") {
        let does = "starts a service again that was given up, once what ended it is mended";
        return match name {
            "restart" => vec![("evenkeel reload".to_owned(), does.to_owned())],
            _ => Vec::new(),
        };
    }
    if name == "restore_data" && service.actions.iter().any(|a| a == name) {
        let does = format!(
            "lists copies of its data; `evenkeel recovery-points {of} restore ID` goes back to one"
        );
        return vec![(format!("evenkeel recovery-points {of}"), does)];
    }
    let mine = service.actions.iter().filter(|can| {
        let word = can.split(' ').next();
        word == Some(name)
    });
    mine.map(|can| (format!("evenkeel act {of} {can}"), summary.clone()))
        .collect()
}

/// A release that was exchanged is not the one that was shipped last, which somebody has to know.
fn back_to_what_was_shipped(
    incident: &IncidentStatus,
    present: &Present,
) -> Option<(String, String)> {
    let exchanged = |a: &&ActionStatus| {
        a.action == "rollback_release"
            && matches!(a.outcome.as_str(), "cured" | "watched" | "overtaken")
    };
    let times = incident.actions.iter().filter(exchanged).count();
    let last = incident.actions.iter().rev().find(exchanged)?;
    let service = present.get(&last.target)?.service.as_ref()?;
    let of = service.name.as_ref()?;
    (times % 2 == 1).then(|| {
        let does = "exchanges the two releases once more: back to what was shipped last";
        (
            format!("evenkeel act {of} rollback_release"),
            does.to_owned(),
        )
    })
}

fn is_tried(incident: &IncidentStatus, name: &str) -> bool {
    let mut all = incident.actions.iter();
    all.any(|action| action.action == name && action.outcome != "advised")
}

/// "Tried already: restart (did not help), reload_service, by a person (whether it helped is not known yet)."
fn tried(incident: &IncidentStatus) -> Option<String> {
    let mut all: Vec<String> = Vec::new();
    for action in incident.actions.iter().filter(|a| a.outcome != "advised") {
        let came = match action.outcome.as_str() {
            "cured" => "helped",
            "failed" if action.is_asked() => "could not be done",
            "failed" => "did not help",
            "interrupted" => "was interrupted",
            "running" => "is under way",
            "done" => "is done",
            _ => "whether it helped is not known",
        };
        let whose = if action.is_asked() {
            ", by a person"
        } else {
            ""
        };
        let text = format!("{}{whose} ({came})", action.action);
        if !all.contains(&text) {
            all.push(text);
        }
    }
    (!all.is_empty()).then(|| format!("Tried already: {}.", all.join(", ")))
}

/// Who said what it was, or how to say it.
fn labelled(incident: &IncidentStatus) -> String {
    let id = incident.id;
    match &incident.label {
        Some(label) if is_drills(incident) => {
            format!("The drill that made it said that it was {label}.")
        }
        Some(label) => format!("A person said it was {label}."),
        None => {
            let first = incident.causes.first().map(|c| c.cause.as_str());
            let others = CAUSES.iter().map(|entry| entry.part.name);
            let others: Vec<_> = others.filter(|name| Some(*name) != first).collect();
            format!(
                "If it was something else, say so: evenkeel label {id} CAUSE, one of {}",
                others.join(" ")
            )
        }
    }
}

#[cfg(test)]
mod tests;
