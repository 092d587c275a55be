//! Real faults become incidents with the right cause, told in plain words.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use serde_json::Value;
use support::{Endpoint, Evenkeel, app, binary, eventually, free_port, freeze, get, kill};

/// A supervised sample service, as an endpoint of the pool `app`.
fn supervised(name: &str, port: u16) -> String {
    format!(
        "[[pool.app.endpoint]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nservice = \"{name}\"\nmachine = \"m-{name}\"\n\
         [service.{name}]\ncommand = [\"{}\", \"__sample\", \"{name}\", \"{port}\"]\n\
         ready = {{ kind = \"tcp\", port = {port}, timeout = \"10s\" }}\nstop_timeout = \"2s\"\n",
        binary()
    )
}

fn two_services() -> (Evenkeel, u16) {
    let (a1, a2) = (free_port(), free_port());
    let services = format!("{}{}", supervised("a1", a1), supervised("a2", a2));
    let evenkeel = Evenkeel::run(&format!("{}{services}", app(&[], "")));
    evenkeel.until("app", "a1", "up");
    evenkeel.until("app", "a2", "up");
    // Who dies before its memory was ever looked at may have been out of memory, for all that is known.
    eventually("facts of it were read", || {
        let endpoint = evenkeel.endpoint("app", "a1")?;
        endpoint["service"]["facts"].is_object().then_some(())
    });
    (evenkeel, a1)
}

fn pid(evenkeel: &Evenkeel, name: &str) -> u32 {
    let pid = eventually("it has a pid", || {
        evenkeel.endpoint("app", name)?["service"]["pid"].as_u64()
    });
    u32::try_from(pid).unwrap()
}

fn incidents(evenkeel: &Evenkeel) -> Vec<Value> {
    let all = evenkeel.ask("GET", "/v1/incidents", "");
    all.as_array().unwrap().clone()
}

/// Waits until there is one incident and it fits.
fn until(evenkeel: &Evenkeel, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || {
        let all = incidents(evenkeel);
        assert!(all.len() <= 1, "{what}: more than one: {all:#?}");
        all.into_iter().find(&fits)
    })
}

fn cause(incident: &Value) -> &str {
    incident["causes"][0]["cause"].as_str().unwrap_or("none")
}

#[test]
fn a_killed_service_is_one_incident_cured_by_its_restart_and_told_in_words() {
    let (evenkeel, _) = two_services();
    assert!(incidents(&evenkeel).is_empty(), "a start is no fault");
    kill(pid(&evenkeel, "a1"), "KILL");
    let closed = until(&evenkeel, "it is closed", |i| i["state"] == "closed");
    assert_eq!(cause(&closed), "process_dead", "{closed:#}");
    assert_eq!(closed["pool"], "app");
    assert_eq!(closed["subjects"], serde_json::json!(["app/a1"]));
    assert_eq!(closed["scope"], "endpoint");
    assert_eq!(closed["actions"][0]["action"], "restart");
    assert_eq!(closed["actions"][0]["outcome"], "cured");
    for step in ["detect", "decide", "act", "restore"] {
        assert!(closed["times_ms"][step].is_u64(), "{step}: {closed:#}");
    }
    assert_eq!(evenkeel.status().unwrap()["incidents_open"], 0);
    let metrics = evenkeel.admin("GET", "/metrics", "").unwrap().text();
    let line = "evenkeel_incidents_total{cause=\"process_dead\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    let (code, story, _) = evenkeel.command(&["explain", "app/a1"]);
    assert_eq!(code, 0);
    for words in [
        "What happened: app/a1",
        "process_dead",
        "signal 9",
        "cured",
        "What you can do",
    ] {
        assert!(story.contains(words), "{words:?} is missing:\n{story}");
    }
    let (code, table, _) = evenkeel.command(&["incidents"]);
    assert_eq!(code, 0);
    assert!(
        table.contains("process_dead") && table.contains("restart cured"),
        "{table}"
    );
    let label = evenkeel.ask(
        "POST",
        "/v1/incidents/1/label",
        r#"{"cause":"bad_release"}"#,
    );
    assert_eq!(label["label"], "bad_release");
    let wrong = evenkeel.admin("POST", "/v1/incidents/1/label", r#"{"cause":"gremlins"}"#);
    assert_eq!(wrong.unwrap().status, 400);
    assert_eq!(
        evenkeel
            .admin("GET", "/v1/incidents/77", "")
            .unwrap()
            .status,
        404
    );
}

#[test]
fn a_stopped_service_is_hung() {
    let (evenkeel, _) = two_services();
    let process = pid(&evenkeel, "a1");
    freeze(process);
    let open = until(&evenkeel, "it is hung", |i| cause(i) == "process_hung");
    assert_eq!(open["closed"], Value::Null);
    assert_eq!(evenkeel.status().unwrap()["incidents_open"], 1);
    let evidence = open["evidence"].as_array().unwrap();
    let alive = evidence
        .iter()
        .any(|e| e["evidence"] == "its process is alive");
    assert!(alive, "{open:#}");
    kill(process, "CONT");
    let closed = until(&evenkeel, "it is closed", |i| i["state"] == "closed");
    assert_eq!(cause(&closed), "process_hung", "{closed:#}");
}

/// What a new user saw: a person's cure praised as evenkeel's, the present hidden behind what was long over, no commands.
#[test]
fn what_a_person_cures_is_told_as_theirs_after_how_it_is_now_and_with_commands_to_be_copied() {
    let (a1, a2) = (free_port(), free_port());
    let services = format!("{}{}", supervised("a1", a1), supervised("a2", a2));
    let off = "[pool.app.recovery]\nmode = \"off\"\n";
    let evenkeel = Evenkeel::run(&format!("{}{services}", app(&[], off)));
    evenkeel.until("app", "a1", "up");
    evenkeel.until("app", "a2", "up");
    let explain = |what: &str| {
        let (code, story, err) = evenkeel.command(&["explain", what]);
        assert_eq!(code, 0, "{story}{err}");
        story
    };
    assert!(explain("app/a1").starts_with("Now: app/a1 is up for "));
    freeze(pid(&evenkeel, "a1"));
    let web = evenkeel.address("web");
    until(&evenkeel, "it is hung", |i| {
        let _ = get(web, "/");
        cause(i) == "process_hung" && i["state"] == "down"
    });
    let story = explain("app/a1");
    assert!(story.starts_with("Now: app/a1 is down for "), "{story}");
    for words in [
        "\nIncident 1: app/a1  down",
        "What clients noticed: ",
        " to pool app meanwhile",
        "evenkeel act a1 restart",
        "evenkeel act a1 kill_hung",
        "evenkeel drain app/a1",
        "evenkeel label 1 CAUSE",
    ] {
        assert!(story.contains(words), "{words:?} is missing:\n{story}");
    }
    let (code, _, err) = evenkeel.command(&["act", "a1", "kill_hung"]);
    assert_eq!(code, 0, "{err}");
    let closed = until(&evenkeel, "it is closed", |i| i["state"] == "closed");
    let mine = &closed["actions"][0];
    assert_eq!(
        (&mine["by"], &mine["outcome"]),
        (&"operator".into(), &"cured".into()),
        "{closed:#}"
    );
    assert_eq!(
        closed["times_ms"]["decide"],
        Value::Null,
        "nothing was decided here"
    );
    let story = explain("app/a1");
    for words in [
        "No incident of it is open",
        "a person asked for kill_hung of app/a1: ",
        ", and after that everything served again",
    ] {
        assert!(story.contains(words), "{words:?} is missing:\n{story}");
    }
    let (code, said, err) = evenkeel.command(&["label", "1", "process_hung"]);
    assert!(code == 0 && said.contains("as you said"), "{said}{err}");
    assert!(explain("1").contains("A person said it was process_hung."));
    let (code, _, err) = evenkeel.command(&["explain", "99"]);
    assert!(
        code != 0 && err.contains("`evenkeel incidents` lists them"),
        "{err}"
    );
}

#[test]
fn a_port_that_somebody_else_has_is_taken() {
    let (evenkeel, port) = two_services();
    let process = pid(&evenkeel, "a1");
    // Somebody else is quicker than the restart.
    freeze(process);
    kill(process, "KILL");
    let thief = eventually("the port is free for a moment", || {
        std::net::TcpListener::bind(("127.0.0.1", port)).ok()
    });
    std::thread::spawn(move || thief.incoming().for_each(drop));
    let open = until(&evenkeel, "its port is taken", |i| cause(i) == "port_taken");
    assert_eq!(open["subjects"], serde_json::json!(["app/a1"]), "{open:#}");
}

#[test]
fn an_endpoint_that_refuses_connections_is_most_probably_dead() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    let web = evenkeel.address("web");
    evenkeel.until("app", "a1", "up");
    evenkeel.until("app", "a2", "up");
    for _ in 0..200 {
        assert_eq!(get(web, "/").unwrap().status, 200);
    }
    assert!(
        incidents(&evenkeel).is_empty(),
        "a run without faults opens none"
    );
    endpoints[1].close();
    let open = until(&evenkeel, "it is refused", |i| cause(i) == "process_dead");
    assert_eq!(open["subjects"], serde_json::json!(["app/a2"]));
    let because = open["causes"][0]["because"].as_array().unwrap();
    assert!(
        because
            .iter()
            .any(|b| b["evidence"] == "connection refused"),
        "{open:#}"
    );
    let back = Endpoint::start_on("a2", endpoints[1].address.port());
    until(&evenkeel, "it is closed", |i| i["state"] == "closed");
    drop(back);
}

#[test]
fn all_endpoints_of_a_machine_at_once_are_one_incident_of_the_machine() {
    let names = ["a1", "a2", "b1", "b2"];
    let endpoints = names.map(Endpoint::start);
    let at = |n: usize, machine: &str| {
        endpoints[n]
            .toml()
            .replace("name =", &format!("machine = \"{machine}\"\nname ="))
    };
    let db = at(2, "m1") + &at(3, "m3");
    let db = db.replace("pool.app", "pool.db");
    let check = "[pool.db.check]\nkind = \"http\"\npath = \"/healthz\"\ninterval = \"200ms\"\nfast_interval = \"50ms\"\ntimeout = \"500ms\"\nfall = 2\n[pool.db.failover]\nhold = \"0s\"\n";
    let config = app(&[], "") + &at(0, "m1") + &at(1, "m2") + "[pool.db]\n" + check + &db;
    let config = config + "[[route]]\npath = \"/db\"\npool = \"db\"\n";
    let evenkeel = Evenkeel::run(&config);
    for (pool, name) in [("app", "a1"), ("app", "a2"), ("db", "b1"), ("db", "b2")] {
        evenkeel.until(pool, name, "up");
    }
    endpoints[0].close();
    endpoints[2].close();
    let open = eventually("one incident of both", || {
        let all = incidents(&evenkeel);
        let both = |i: &&Value| i["subjects"] == serde_json::json!(["app/a1", "db/b1"]);
        all.iter().find(both).filter(|_| all.len() == 1).cloned()
    });
    assert_eq!(open["scope"], "node", "{open:#}");
    assert_eq!(open["pool"], Value::Null);
}

#[test]
fn an_open_incident_outlives_the_balancer() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    evenkeel.until("app", "a1", "up");
    endpoints[0].close();
    let before = until(&evenkeel, "it is open", |i| cause(i) == "process_dead");
    // The answer to this comes when it is on the disk.
    evenkeel.ask(
        "POST",
        "/v1/incidents/1/label",
        r#"{"cause":"process_dead"}"#,
    );
    let old = evenkeel.worker_pid();
    kill(old, "KILL");
    let after = eventually("a new balancer knows it", || {
        let status = evenkeel.status()?;
        let new = status["worker_pid"].as_u64()? != u64::from(old);
        let answer = evenkeel
            .admin("GET", "/v1/incidents/1", "")
            .filter(|_| new)?;
        serde_json::from_slice::<Value>(&answer.body).ok()
    });
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["opened"], before["opened"], "{after:#}");
    assert_eq!(incidents(&evenkeel).len(), 1);
}
