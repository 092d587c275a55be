//! What is told of an incident, sentence by sentence.

use serde_json::{Value, json};

use super::*;

/// An incident as the admin API tells it, with these fields instead.
pub(in super::super) fn incident(fields: Value) -> IncidentStatus {
    let mut all = json!({
        "id": 7, "pool": "app", "subjects": ["app/a1"], "scope": "endpoint", "state": "closed",
        "opened": "2026-01-01T00:00:01Z", "closed": "2026-01-01T00:01:00Z",
        "causes": [{"cause": "bad_release", "probability": 0.97, "because": []}],
        "actions": [], "label": null, "first_sign": "2026-01-01T00:00:00Z",
        "restored": "2026-01-01T00:00:57Z",
        "times_ms": {"detect": 1000, "decide": 3, "act": 900, "restore": 57_000},
        "phases": [{"subject": "app/a1", "pool": "app", "phase": "normal"}],
    });
    for (key, value) in fields.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

pub(in super::super) fn action(action: &str, outcome: &str, by: &str) -> Value {
    json!({
        "action": action, "target": "app/a1", "outcome": outcome, "by": by,
        "started": "2026-01-01T00:00:10Z", "ended": "2026-01-01T00:00:12Z",
    })
}

#[test]
fn what_a_person_did_is_told_as_theirs_and_takes_the_credit() {
    let told = incident(json!({ "actions": [
        action("restart", "overtaken", "evenkeel"),
        action("rollback_release", "cured", "operator"),
    ]}));
    let lines: Vec<String> = repeated(&told.actions).map(action_line).collect();
    assert!(lines[0].contains("restart of app/a1: took 2.0 s; whether it helped is not known"));
    assert_eq!(
        lines[1],
        "a person asked for rollback_release of app/a1: took 2.0 s, and after that everything served again"
    );
}

#[test]
fn an_action_of_our_own_that_cured_says_so() {
    let told = incident(json!({ "actions": [action("restart", "cured", "evenkeel")] }));
    let line = action_line(&told.actions[..1]);
    assert_eq!(line, "restart of app/a1: took 2.0 s, and that cured it");
    assert!(happened(&told).ends_with("Everything served again after 57.0 s."));
}

#[test]
fn what_a_person_took_out_is_not_said_to_serve_again() {
    let told =
        incident(json!({ "harmed": true, "actions": [action("drain", "done", "operator")] }));
    assert!(happened(&told).ends_with("A person took it out after 57.0 s."));
}

#[test]
fn what_clients_noticed_is_said_in_figures_or_that_it_was_nothing() {
    let noticed = |failed, slow| NoticedStatus {
        pool: "app".into(),
        requests: 2340,
        failed,
        retried: 41,
        slow,
    };
    assert_eq!(
        clients(&noticed(3, 2)),
        "What clients noticed: of 2340 requests to pool app meanwhile 3 failed, 2 took longer than 1 s. \
         41 failed tries were made again elsewhere."
    );
    assert!(clients(&noticed(0, 0)).contains("nothing. None of 2340 requests"));
    let nobody = NoticedStatus {
        requests: 0,
        ..noticed(0, 0)
    };
    assert!(clients(&nobody).ends_with("nothing. No request came to pool app meanwhile."));
}

#[test]
fn how_the_process_before_ended_is_not_said_of_the_one_that_runs() {
    let seen = |evidence: &str, at: &str| json!({"subject": "app/a1", "evidence": evidence, "source": "supervision", "at": at, "value": "signal 9"});
    let killed = ("ended by a signal", "2026-01-01T00:00:00Z");
    let told = incident(json!({ "closed": null, "evidence": [
        seen(killed.0, killed.1),
        seen("its process is alive", "2026-01-01T00:00:20Z"),
    ]}));
    let reason = BecauseStatus {
        evidence: killed.0.into(),
        source: "supervision".into(),
        age_ms: 10,
        weight: 2.5,
        value: "signal 9".into(),
    };
    let at = told.evidence[0].at.0.0 + 30_000;
    assert_eq!(
        reason_line(&told, &reason, at),
        "    + ended by a signal: signal 9, of the process before this one (supervision, 30.0 s ago, weight +2.5)"
    );
    let alone = incident(json!({ "evidence": [seen(killed.0, killed.1)] }));
    assert_eq!(
        reason_line(&alone, &reason, at),
        "    + ended by a signal: signal 9 (supervision, 10 ms old, weight +2.5)"
    );
}

#[test]
fn what_was_done_again_and_again_is_told_once() {
    let on = |target: &str, outcome: &str| {
        let mut one = action("restart", outcome, "evenkeel");
        one["target"] = target.into();
        one
    };
    let told = incident(json!({ "actions": [
        on("app/a1", "failed"), on("app/a1", "failed"), on("app/a2", "failed"),
        on("app/a1", "failed"), on("app/a1", "cured"),
    ]}));
    let lengths: Vec<usize> = repeated(&told.actions).map(<[_]>::len).collect();
    assert_eq!(lengths, [2, 1, 1, 1]);
    let first = repeated(&told.actions).map(action_line).next().unwrap();
    assert!(
        first.starts_with("restart of app/a1, 2 times until 2026-01-01T00:00:10"),
        "{first}"
    );
    assert_eq!(repeated(&[]).count(), 0);
}
