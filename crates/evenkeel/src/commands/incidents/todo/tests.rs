//! What a person is told to do, command by command.

use serde_json::{Value, json};

use super::super::story::tests::{action, incident};
use super::*;

fn endpoint(service: Value) -> Present {
    let status = json!({
        "name": "a1", "address": "127.0.0.1:1", "state": "down", "since": "2026-01-01T00:00:00Z",
        "why": "", "decided_by": "check", "weight": 100, "in_flight": 0, "requests": 0,
        "failures": 0, "service": service,
    });
    let status = serde_json::from_value(status).unwrap();
    Present::from([("app/a1".to_owned(), status)])
}

/// With a release, recovery points and a command.
fn served() -> Present {
    let actions = [
        "restart",
        "kill_hung",
        "rollback_release",
        "run mend",
        "restore_data",
    ];
    endpoint(json!({"name": "api", "pid": 7, "restarts": 0, "actions": actions}))
}

fn open(fields: Value) -> IncidentStatus {
    let mut all = json!({
        "closed": null, "restored": null, "state": "down",
        "phases": [{"subject": "app/a1", "pool": "app", "phase": "down"}],
    });
    for (key, value) in fields.as_object().unwrap() {
        all[key] = value.clone();
    }
    incident(all)
}

fn told(incident: &IncidentStatus, present: &Present) -> Vec<String> {
    let all = commands(incident, present).into_iter();
    all.map(|(command, _)| command).collect()
}

#[test]
fn what_can_be_done_is_said_as_commands_to_be_copied() {
    let all = told(&open(json!({})), &served());
    for command in ["evenkeel act api rollback_release", "evenkeel drain app/a1"] {
        assert!(all.iter().any(|c| c == command), "{command}: {all:?}");
    }
}

#[test]
fn what_was_tried_is_not_proposed_again_and_is_said() {
    let one = open(json!({ "actions": [action("rollback_release", "failed", "evenkeel")] }));
    let all = told(&one, &served());
    assert!(
        !all.iter().any(|c| c.contains("rollback_release")),
        "{all:?}"
    );
    assert_eq!(
        tried(&one).unwrap(),
        "Tried already: rollback_release (did not help)."
    );
    let by_hand = open(json!({ "actions": [action("restart", "overtaken", "operator")] }));
    let words = "Tried already: restart, by a person (whether it helped is not known).";
    assert_eq!(tried(&by_hand).unwrap(), words);
}

#[test]
fn a_release_that_was_rolled_back_can_be_had_again() {
    let one = incident(json!({ "actions": [action("rollback_release", "cured", "evenkeel")] }));
    assert_eq!(told(&one, &served()), ["evenkeel act api rollback_release"]);
    let nothing = incident(json!({ "actions": [action("restart", "cured", "evenkeel")] }));
    assert_eq!(told(&nothing, &served()), [""; 0], "it is over");
}

#[test]
fn data_is_had_back_from_recovery_points_and_a_service_given_up_by_a_reload() {
    let causes = |name| json!([{"cause": name, "probability": 0.9, "because": []}]);
    let restores = ACTIONS
        .iter()
        .find(|a| a.part.name == "restore_data")
        .unwrap();
    let cause = restores.treats[0].0.name();
    let all = told(&open(json!({ "causes": causes(cause) })), &served());
    assert!(
        all.contains(&"evenkeel recovery-points api".to_owned()),
        "{all:?}"
    );
    let given_up = endpoint(
        json!({"name": "api", "pid": null, "restarts": 5, "actions": ["restart", "kill_hung"]}),
    );
    let all = told(
        &open(json!({ "causes": causes("process_dead") })),
        &given_up,
    );
    assert!(all.contains(&"evenkeel reload".to_owned()), "{all:?}");
    assert!(!all.iter().any(|c| c.contains(" act ")), "{all:?}");
}

#[test]
fn who_said_what_it_was_is_named_and_who_knows_better_is_told_how_to_say_so() {
    let by = |by: &str| incident(json!({ "label": "bad_release", "label_by": by }));
    assert!(labelled(&by("operator")).starts_with("A person said"));
    assert!(labelled(&by("drill")).starts_with("The drill that made it"));
    assert!(
        labelled(&incident(json!({}))).contains("evenkeel label 7 CAUSE, one of process_dead ")
    );
}
