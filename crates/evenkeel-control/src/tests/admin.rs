//! What the admin API answers, and to whom.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::rig::{Rig, config, nowhere};
use crate::api::OPERATIONS;

#[test]
fn every_operation_of_the_list_is_in_the_description_and_the_other_way_round() {
    let text = include_str!("../api/openapi.json");
    let described: Value = serde_json::from_str(text).unwrap();
    let mut found = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let about = operation["summary"].as_str().unwrap().to_owned();
            let guarded = operation.get("security").is_some();
            found.insert((method.to_uppercase(), path.clone(), about, guarded));
        }
    }
    let listed: BTreeSet<_> = OPERATIONS
        .iter()
        .map(|o| (o.method.into(), o.path.into(), o.about.into(), o.changes))
        .collect();
    assert_eq!(found, listed);
    for reference in text.split("\"$ref\": \"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(described.pointer(pointer).is_some(), "{pointer}");
    }
}

#[test]
fn every_operation_of_the_list_is_served() {
    let rig = Rig::new(&config("", &[nowhere()]));
    for operation in OPERATIONS {
        let path = operation.path.replace("{pool}", "app");
        let path = path.replace("{endpoint}", "a1");
        let answer = rig.ask(operation.method, &path, &[], "");
        // A fresh run has no revision to go back to, which is an answer too.
        let served = match answer.status() {
            0 | 405 | 500 | 501 => false,
            404 => matches!(
                answer.code().as_str(),
                "no_such_revision" | "no_such_service"
            ),
            _ => true,
        };
        assert!(served, "{} {path}: {answer:?}", operation.method);
    }
}

#[test]
fn the_status_has_the_promised_fields() {
    let rig = Rig::new(&config("[node]\nname = \"lb-1\"", &[nowhere()]));
    let status = rig.get("/v1/status").json();
    assert_eq!(status["node"], "lb-1");
    assert_eq!(status["pid"], 1);
    assert_eq!(status["worker_pid"], std::process::id());
    assert_eq!(status["revision"], 1);
    assert!(status["incidents_open"].is_u64());
    let web = json!([{"name": "web", "bind": ["127.0.0.1:8080"]}]);
    assert_eq!(status["listeners"], web);
    assert_eq!(status["pools"][0]["name"], "app");
    let endpoint = &status["pools"][0]["endpoints"][0];
    for field in [
        "name",
        "address",
        "state",
        "since",
        "why",
        "decided_by",
        "weight",
        "in_flight",
        "requests",
        "failures",
        "service",
    ] {
        assert!(endpoint.get(field).is_some(), "{field}");
    }
    let pools = rig.get("/v1/pools").json();
    assert_eq!(pools[0]["endpoints"][0]["address"], endpoint["address"]);
}

#[test]
fn what_is_not_there_is_said_in_the_envelope() {
    let rig = Rig::new(&config("", &[nowhere()]));
    for (method, path, status, code) in [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/", 404, "not_found"),
        ("GET", "/v1/incidentsx", 404, "not_found"),
        ("GET", "/v1/incidents/77", 404, "no_such_incident"),
        ("GET", "/v1/incidents/x", 400, "bad_request"),
        ("POST", "/v1/events", 501, "not_in_this_build"),
        ("GET", "/v1/availability/none", 404, "no_such_pool"),
        ("GET", "/v1/availability?x=1", 400, "bad_request"),
        (
            "GET",
            "/v1/availability/app?what_if=endpoints=2,needed=3",
            400,
            "bad_request",
        ),
        ("POST", "/v1/heartbeats", 400, "bad_request"),
        ("DELETE", "/v1/config", 405, "method_not_allowed"),
        ("POST", "/v1/status", 405, "method_not_allowed"),
        ("GET", "/v1/pools/none", 404, "no_such_pool"),
        ("GET", "/v1/pools/%ff", 400, "bad_request"),
        (
            "POST",
            "/v1/pools/none/endpoints/a1/state",
            404,
            "no_such_pool",
        ),
        (
            "POST",
            "/v1/pools/app/endpoints/a9/state",
            404,
            "no_such_endpoint",
        ),
    ] {
        let answer = rig.ask(method, path, &[], r#"{"state":"ready"}"#);
        assert_eq!(
            (answer.status(), answer.code().as_str()),
            (status, code),
            "{path}"
        );
    }
    let answer = rig.ask("DELETE", "/v1/config", &[], "");
    assert_eq!(answer.header("allow"), Some("GET, PUT"));
    let hint = rig.get("/v1/pools/none").json()["error"]["hint"].clone();
    assert_eq!(hint, "there is app");
}

#[test]
fn with_a_token_only_its_holder_may_change_something() {
    let rig = Rig::new(
        &config("[admin]\ntoken = \"file:token\"", &[nowhere()])
            .replace("file:token", &format!("file:{}", token_file())),
    );
    let reload = |headers: &[(&str, &str)]| rig.ask("POST", "/v1/reload", headers, "");
    let answer = reload(&[]);
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (401, "unauthorized")
    );
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert_eq!(reload(&[("authorization", "Bearer wrong")]).status(), 401);
    assert_eq!(reload(&[("authorization", "Bearer s3cret")]).status(), 200);
    assert_eq!(
        rig.get("/v1/status").status(),
        200,
        "looking needs no token"
    );
    assert_eq!(rig.ask_unix("POST", "/v1/reload", "").status(), 200);
    let everything = [
        rig.get("/v1/config").0,
        rig.get("/v1/status").0,
        rig.get("/metrics").0,
    ];
    assert!(everything.iter().all(|text| !text.contains("s3cret")));
}

/// A secret's file, kept until the process ends.
fn token_file() -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cret\n").unwrap();
    let (_, path) = file.keep().unwrap();
    path.display().to_string()
}

#[test]
fn without_a_token_the_same_user_on_loopback_may_but_no_page_of_a_browser() {
    let rig = Rig::new(&config("", &[nowhere()]));
    let reload = |headers: &[(&str, &str)]| rig.ask("POST", "/v1/reload", headers, "").status();
    assert_eq!(reload(&[]), 200);
    assert_eq!(reload(&[("origin", "http://evil.example")]), 403);
    assert_eq!(reload(&[("host", "evil.example")]), 403);
    let own = format!("http://{}", rig.address);
    assert_eq!(reload(&[("origin", &own)]), 200);
    assert_eq!(rig.ask_unix("POST", "/v1/reload", "").status(), 200);
}

#[test]
fn metrics_have_the_promised_names_and_only_configured_labels() {
    let rig = Rig::new(&config("", &[nowhere()]));
    rig.until("a check", |rig| {
        rig.get("/metrics")
            .body()
            .contains("evenkeel_check_seconds_count{")
    });
    let answer = rig.get("/metrics");
    let text = answer.body();
    for line in [
        r#"evenkeel_requests_total{listener="web",route="*/",pool="app",code="2xx"} 3"#,
        r#"evenkeel_request_seconds_bucket{le="0.0025",listener="web",route="*/",pool="app"} 1"#,
        r#"evenkeel_request_seconds_bucket{le="+Inf",listener="web",route="*/",pool="app"} 1"#,
        r#"evenkeel_request_seconds_sum{listener="web",route="*/",pool="app"} 0.0015"#,
        r#"evenkeel_connections{listener="web"} 0"#,
        r#"evenkeel_rejected_total{listener="web",reason="no_route"} 0"#,
        r#"evenkeel_endpoint_in_flight{pool="app",endpoint="a1"} 0"#,
        r#"evenkeel_endpoint_state{pool="app",endpoint="a1"} "#,
        "evenkeel_config_revision 1",
        "evenkeel_config_rejected_total 0",
        "# TYPE evenkeel_retries_total counter",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("# EOF"), "{text}");
    let accept = (
        "accept",
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    );
    let open = rig.ask("GET", "/metrics", &[accept], "");
    assert!(open.body().contains("# TYPE evenkeel_retries counter\n"));
    assert!(open.body().ends_with("# EOF\n"));
}
