//! Endpoints that come and go, and what operators say of them.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use evenkeel_core::observe::{Failure, FailureKind};
use evenkeel_core::table::State;
use evenkeel_core::time::Time;
use serde_json::json;

use super::rig::{Rig, Setup, config, nowhere};

fn order(rig: &Rig, endpoint: &str, state: &str) {
    let path = format!("/v1/pools/app/endpoints/{endpoint}/state");
    let answer = rig.post(&path, &json!({ "state": state }).to_string());
    assert_eq!(answer.status(), 200, "{answer:?}");
}

#[test]
fn an_endpoint_that_answers_is_up_one_that_refuses_is_down_and_the_table_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a1");
    let listener = UnixListener::bind(&path).unwrap();
    let here = format!("unix:{}", path.display());
    let rig = Rig::new(&config("", &[here, nowhere().to_string()]));
    rig.until("both to be seen", |rig| {
        rig.state("a1") == "up" && rig.state("a2") == "down"
    });
    let pool = rig.get("/v1/pools/app").json();
    let why = pool["endpoints"][1]["why"].as_str().unwrap();
    assert!(why.contains("connection refused"), "{why}");
    assert_eq!(pool["endpoints"][1]["decided_by"], "check");
    let states: Vec<_> = rig.host.tables.lock().unwrap()["app"]
        .endpoints
        .iter()
        .map(|e| e.state)
        .collect();
    assert_eq!(states, [State::Up, State::Down]);
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    rig.until("the end of a1", |rig| rig.state("a1") == "down");
    let _back = UnixListener::bind(&path).unwrap();
    rig.until("a1 to come back", |rig| rig.state("a1") == "up");
}

#[test]
fn an_operators_word_holds_over_reload_and_restart_until_it_is_taken_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = config("", &[listener.local_addr().unwrap()]);
    let mut rig = Rig::new(&text);
    order(&rig, "a1", "draining");
    let weight = "/v1/pools/app/endpoints/a1/weight";
    let answer = rig.post(weight, r#"{"weight":50}"#).json();
    assert_eq!(
        (&answer["state"], &answer["weight"]),
        (&json!("draining"), &json!(50))
    );
    assert_eq!(answer["decided_by"], "operator");
    assert_eq!(rig.post("/v1/reload", "").status(), 200);
    assert_eq!(rig.state("a1"), "draining");
    rig.end();
    let again = Setup {
        folder: Some(rig.folder.clone()),
        ..Setup::default()
    };
    let rig = Rig::with(&text, again);
    let endpoint = rig.get("/v1/pools/app").json()["endpoints"][0].clone();
    assert_eq!(
        (&endpoint["state"], &endpoint["weight"]),
        (&json!("draining"), &json!(50))
    );
    let table = rig.host.tables.lock().unwrap()["app"].clone();
    assert_eq!(
        (table.endpoints[0].state, table.endpoints[0].weight),
        (State::Draining, 50)
    );
    order(&rig, "a1", "ready");
    assert_eq!(rig.post(weight, r#"{"weight":null}"#).json()["weight"], 100);
    rig.until("a1 to serve again", |rig| rig.state("a1") == "up");
}

#[test]
fn a_restart_does_not_serve_what_was_known_to_be_down() {
    let address = nowhere();
    let text = config("", &[address]);
    let mut rig = Rig::new(&text);
    rig.until("a1 to be down", |rig| rig.state("a1") == "down");
    rig.end();
    let again = Setup {
        folder: Some(rig.folder.clone()),
        ..Setup::default()
    };
    let rig = Rig::with(&text, again);
    assert_eq!(rig.state("a1"), "down");
}

#[test]
fn failures_of_real_traffic_eject_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    let rig = Rig::new(&config("", &[here, here]));
    rig.until("both to be up", |rig| {
        rig.state("a1") == "up" && rig.state("a2") == "up"
    });
    let endpoint = rig.host.tables.lock().unwrap()["app"].endpoints[0].id;
    for run in 1..=5 {
        let kind = FailureKind::Reset;
        let failure = Failure {
            endpoint,
            path: Default::default(),
            kind,
            run,
            at: Time::ZERO,
        };
        rig.failures.blocking_send(failure).unwrap();
    }
    rig.until("the ejection", |rig| rig.state("a1") == "down");
    let endpoint = rig.get("/v1/pools/app").json()["endpoints"][0].clone();
    assert_eq!(endpoint["decided_by"], "outlier");
    assert_eq!(rig.state("a2"), "up");
}

#[test]
fn a_host_name_is_resolved_and_one_that_does_not_resolve_stays_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let named = [
        format!("localhost:{port}"),
        "no-such-host.invalid:80".to_owned(),
    ];
    let text = config("", &named);
    let rig = Rig::new(&text);
    rig.until("a1 to be up", |rig| rig.state("a1") == "up");
    assert_eq!(rig.state("a2"), "unknown");
}
