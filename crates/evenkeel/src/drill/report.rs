//! How a drill went, for a person.

use std::io::IsTerminal;
use std::path::Path;

use evenkeel_schema::admin::{ActionStatus, IncidentStatus};
use evenkeel_schema::records::CaseRecord;

use super::scenarios::SCENARIOS;
use crate::commands::incidents::{percent, time};
use crate::style::{Out, Row, complain};

/// All there are.
pub(super) fn list(out: &Out, json: bool) {
    if json {
        let all = SCENARIOS.iter().map(|s| {
            serde_json::json!({ "scenario": s.name, "summary": s.summary, "cause": s.cause.name(), "needs": s.needs })
        });
        return out.line(&serde_json::Value::from_iter(all).to_string());
    }
    let row = |s: &super::Scenario| Row {
        cells: vec![s.name.to_owned(), s.cause.name().to_owned()],
        note: match s.needs {
            "" => s.summary.to_owned(),
            needs => format!("{} Needs {needs}.", s.summary),
        },
    };
    let rows: Vec<Row> = SCENARIOS.iter().map(row).collect();
    out.table(&["SCENARIO", "TRUE CAUSE", "WHAT"], &rows, |_, _, cell| {
        cell.to_owned()
    });
}

/// While it goes on, where a person waits.
pub(super) fn progress(json: bool, what: &str) {
    if !json && std::io::stderr().is_terminal() {
        complain(&format!("… {what}"));
    }
}

/// The whole of it.
pub(super) fn tell(out: &Out, case: &CaseRecord, file: Option<&Path>) {
    let title = format!(
        "Drill {}: {}, service {}",
        case.scenario, case.endpoint, case.service
    );
    out.line(&out.bold(&title));
    let line = |word: &str, text: String| out.line(&format!("  {word:<12}{text}"));
    line("injected", case.what.clone());
    let Some(incident) = &case.incident else {
        line("detected", "not at all: no incident names it".into());
        clients(case, line);
        return;
    };
    let times = &case.times_ms;
    let said = |ms: Option<u64>| ms.map_or_else(|| "never".to_owned(), time);
    line(
        "detected",
        format!("after {}: incident {}", said(times.detect), incident.id),
    );
    line("understood", understood(case, incident));
    let actions: Vec<String> = incident
        .actions
        .iter()
        .filter(|a| !a.is_asked())
        .map(|a| format!("{} of {}: {}", a.action, a.target, a.outcome))
        .collect();
    match actions.is_empty() {
        true => line("acted", "sent no more work there; nothing else".into()),
        false => {
            let decided = format!("{} after that: ", said(times.decide));
            line("acted", decided + &actions.join("; "));
        }
    }
    if let Some(text) = taken_back(case, incident) {
        line("taken back", text);
    }
    line("restored", format!("after {}", said(times.restore)));
    match case.fail_back_ms {
        Some(ms) => line("failed back", format!("after {}", time(ms))),
        None => line(
            "failed back",
            "it was never taken out, or is not back".into(),
        ),
    }
    clients(case, line);
    if let Some(file) = file {
        let label = format!("incident {} is labelled {}", incident.id, case.cause);
        line("recorded", format!("{}; {label}", file.display()));
    }
}

/// What the drill did at its end. Was it healed before, nothing of it was left to be taken back.
fn taken_back(case: &CaseRecord, incident: &IncidentStatus) -> Option<String> {
    let healed = case.healed?;
    let after = time(healed.0.0.saturating_sub(case.injected.0.0));
    let restored = incident.restored.or(incident.closed);
    let own = |a: &&ActionStatus| !a.is_asked() && a.outcome == "cured";
    let cured = incident.actions.iter().rfind(own);
    Some(match (restored.is_some_and(|at| at <= healed), cured) {
        (true, Some(cured)) => format!(
            "by evenkeel: {} had healed it before the drill cleared up after {after}",
            cured.action
        ),
        (true, None) => format!("it was over before the drill cleared up after {after}"),
        (false, _) => format!("after {after}, by the drill"),
    })
}

/// Was it right?
fn understood(case: &CaseRecord, incident: &IncidentStatus) -> String {
    let Some(first) = incident.causes.first() else {
        return "not at all: no cause was named".to_owned();
    };
    let found = format!("{} ({})", first.cause, percent(first.probability));
    match case.rank {
        Some(1) => format!("{found}, which is right"),
        Some(place) => format!(
            "{found}, which is wrong: it was {}, in place {place}",
            case.cause
        ),
        None => format!(
            "{found}, which is wrong: it was {}, not among the causes",
            case.cause
        ),
    }
}

fn clients(case: &CaseRecord, line: impl Fn(&str, String)) {
    let clients = &case.clients;
    let errors: Vec<String> = clients
        .errors
        .iter()
        .map(|(kind, count)| format!("{count} × {kind}"))
        .collect();
    let errors = match errors.is_empty() {
        true => "no errors".to_owned(),
        false => errors.join(", "),
    };
    let text = format!(
        "{} requests, {errors}, slowest {}",
        clients.requests,
        time(clients.slowest_ms)
    );
    line("clients", text);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Injected at second 0, cleared up by the drill at second 8.
    fn said(restored: &str, actions: Value) -> String {
        let incident = json!({
            "id": 1, "pool": "app", "subjects": ["app/a1"], "scope": "endpoint", "state": "closed",
            "opened": "2026-01-01T00:00:01Z", "closed": "2026-01-01T00:00:10Z", "restored": restored,
            "causes": [], "actions": actions, "label": null,
            "times_ms": {"detect": 1000, "decide": 3, "act": 900, "restore": 3000},
        });
        let case = json!({
            "scenario": "stop", "cause": "process_hung", "endpoint": "app/a1", "service": "a1", "what": "",
            "injected": "2026-01-01T00:00:00Z", "healed": "2026-01-01T00:00:08Z",
            "times_ms": incident["times_ms"], "fail_back_ms": null, "rank": 1, "incident": incident,
            "clients": {"rate": 10, "requests": 1, "errors": {}, "slowest_ms": 1},
        });
        let case: CaseRecord = serde_json::from_value(case).unwrap();
        let incident = case.incident.clone().unwrap();
        taken_back(&case, &incident).unwrap()
    }

    #[test]
    fn what_evenkeel_healed_is_not_said_to_be_taken_back_by_the_drill() {
        let cured = json!([{
            "action": "kill_hung", "target": "app/a1", "outcome": "cured",
            "started": "2026-01-01T00:00:02Z", "ended": "2026-01-01T00:00:03Z",
        }]);
        assert_eq!(
            said("2026-01-01T00:00:03Z", cured),
            "by evenkeel: kill_hung had healed it before the drill cleared up after 8.0 s"
        );
        let by_itself = said("2026-01-01T00:00:03Z", json!([]));
        assert!(by_itself.starts_with("it was over before"), "{by_itself}");
        let by_drill = said("2026-01-01T00:00:09Z", json!([]));
        assert_eq!(by_drill, "after 8.0 s, by the drill");
    }
}
