//! The account, with the real binary: what is counted as what, and what is left of it after a crash of everything.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use evenkeel_store::{Durability, Embedded, Expect, Store};
use serde_json::Value;
use support::{Endpoint, Evenkeel, app, binary, eventually, get, kill, wait};

/// A supervised sample service on a free port, as configuration.
fn supervised(name: &str) -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    format!(
        "[[pool.app.endpoint]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nservice = \"{name}\"\n\
         [service.{name}]\ncommand = [\"{}\", \"__sample\", \"{name}\", \"{port}\"]\n\
         ready = {{ kind = \"tcp\", port = {port}, timeout = \"10s\" }}\nstop_timeout = \"2s\"\n",
        binary()
    )
}

fn account(evenkeel: &Evenkeel) -> Value {
    evenkeel.ask("GET", "/v1/availability/app", "")
}

fn endpoint<'a>(account: &'a Value, name: &str) -> &'a Value {
    let endpoints = account["endpoints"].as_array().unwrap();
    endpoints.iter().find(|e| e["name"] == name).unwrap()
}

fn seconds(of: &Value, key: &str) -> f64 {
    of[key].as_f64().unwrap()
}

fn sum(of: &Value) -> f64 {
    let kinds = ["up_s", "down_s", "planned_s", "unknown_s"];
    kinds.iter().map(|key| seconds(of, key)).sum()
}

#[test]
fn a_fault_is_down_a_drain_is_planned_and_all_adds_up() {
    let began = Instant::now();
    let evenkeel = Evenkeel::run(&format!("{}{}", app(&[], ""), supervised("a1")));
    evenkeel.until("app", "a1", "up");
    eventually("the account has seen it up", || {
        (account(&evenkeel)["state"] == "up").then_some(())
    });
    let at_first = account(&evenkeel);
    assert_eq!(at_first["faults"], 0, "a start is no fault: {at_first}");
    assert_eq!(at_first["mtbf_interval_s"], serde_json::json!([null, null]));
    assert_eq!(at_first["budget_left"], 1.0);
    let web = evenkeel.address("web");
    assert_eq!(get(web, "/").unwrap().status, 200);
    let pid = evenkeel.endpoint("app", "a1").unwrap()["service"]["pid"]
        .as_u64()
        .unwrap();
    kill(pid as u32, "KILL");
    let down = eventually("the fault is counted", || {
        Some(account(&evenkeel)).filter(|a| endpoint(a, "a1")["faults"] == 1)
    });
    assert_eq!(down["pool"], "app");
    eventually("the repair is counted", || {
        Some(account(&evenkeel)).filter(|a| endpoint(a, "a1")["mttr_s"].is_number())
    });
    evenkeel.until("app", "a1", "up");
    evenkeel.command(&["drain", "app/a1"]);
    let planned = eventually("the drain is planned time", || {
        Some(account(&evenkeel)).filter(|a| seconds(a, "planned_s") > 0.2)
    });
    assert_eq!(planned["state"], "planned");
    assert_eq!(endpoint(&planned, "a1")["failovers"], 0);
    for of in [&planned, endpoint(&planned, "a1")] {
        assert!(
            seconds(of, "up_s") > 0.0 && seconds(of, "down_s") > 0.0,
            "{of}"
        );
        assert!(sum(of) <= began.elapsed().as_secs_f64(), "{of}");
    }
    let spent = seconds(&planned, "down_s") / (0.001 * 30.0 * 86_400.0);
    assert!((seconds(&planned, "budget_left") - (1.0 - spent)).abs() < 1e-9);
    eventually("the request is counted", || {
        (account(&evenkeel)["request_availability"] == 1.0).then_some(())
    });
    let later = account(&evenkeel);
    std::thread::sleep(Duration::from_millis(50));
    let latest = account(&evenkeel);
    assert!(sum(&latest) > sum(&later), "time goes on");
    assert_eq!(
        seconds(&latest, "up_s"),
        seconds(&later, "up_s"),
        "but not as up"
    );
}

/// Runs what is in the folder of another instance.
fn again(evenkeel: &Evenkeel) -> std::process::Child {
    let mut command = Command::new(binary());
    command.arg("run").arg(evenkeel.file());
    let log = std::fs::File::create(evenkeel.folder.path().join("again.log")).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().unwrap()
}

/// Kills everything at once, as a power failure would; the account must have been stored before.
fn crash(evenkeel: &mut Evenkeel) {
    let worker = evenkeel.worker_pid();
    evenkeel.child.kill().unwrap();
    wait(&mut evenkeel.child);
    eventually("the balancer is gone too", || {
        (!support::alive(worker)).then_some(())
    });
}

fn stored(evenkeel: &Evenkeel) -> Embedded {
    eventually("the store can be opened", || {
        Embedded::open(&evenkeel.folder.path().join("state")).ok()
    })
    .0
}

#[test]
fn after_a_crash_of_everything_the_sums_still_add_up_and_the_gap_is_unknown() {
    let sample = Endpoint::start("a1");
    let mut evenkeel = Evenkeel::run(&app(&[&sample], ""));
    evenkeel.until("app", "a1", "up");
    let web = evenkeel.address("web");
    for _ in 0..5 {
        assert_eq!(get(web, "/").unwrap().status, 200);
    }
    eventually("the requests are counted", || {
        (account(&evenkeel)["requests"] == 5).then_some(())
    });
    // A change of state is stored within 2 s and on the disk within 5 s more; then time passes that is not.
    eventually("a record is on the disk", || {
        (sum(&account(&evenkeel)) > 9.0).then_some(())
    });
    let before = account(&evenkeel);
    let (since, known) = (before["since"].clone(), sum(&before));
    let crashed = Instant::now();
    crash(&mut evenkeel);
    std::thread::sleep(Duration::from_millis(300));
    let mut child = again(&evenkeel);
    let after = eventually("it counts on", || {
        let answer = evenkeel.admin("GET", "/v1/availability/app", "")?;
        let account: Value = serde_json::from_slice(&answer.body).ok()?;
        (account["state"] == "up").then_some(account)
    });
    let gap = crashed.elapsed().as_secs_f64();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(after["since"], since, "the account goes on");
    let alone = endpoint(&after, "a1");
    assert_eq!(alone["against_even"]["requests"], 1.0, "{alone}");
    let total = sum(&after);
    // By the calendar's clock, which counts whole milliseconds.
    assert!(
        (total - known - gap).abs() < 0.2,
        "{known} + {gap}: {after}"
    );
    assert!(seconds(&after, "unknown_s") >= 0.3, "{after}");
    assert!(seconds(&after, "up_s") <= seconds(&before, "up_s") + gap - 0.3);
    assert!(
        seconds(&after, "up_s") > 0.0 && after["requests"] == 5,
        "{after}"
    );
    assert_eq!(seconds(&after, "down_s"), 0.0);
}

#[test]
fn a_damaged_record_is_told_and_stops_nothing() {
    let sample = Endpoint::start("a1");
    let mut evenkeel = Evenkeel::run(&app(&[&sample], ""));
    evenkeel.until("app", "a1", "up");
    evenkeel.signal("TERM");
    wait(&mut evenkeel.child);
    let store = stored(&evenkeel);
    let (_, entry) = store
        .list("account/")
        .unwrap()
        .pop()
        .expect("it was stored at the end");
    let half = &entry.value[..entry.value.len() / 2];
    store
        .put_if("account/app", half, Expect::Any, Durability::Now)
        .unwrap();
    drop(store);
    let mut child = again(&evenkeel);
    eventually("it serves", || {
        let answer = evenkeel.admin("GET", "/v1/availability/app", "")?;
        let account: Value = serde_json::from_slice(&answer.body).ok()?;
        (account["state"] == "up").then_some(())
    });
    let _ = child.kill();
    let _ = child.wait();
    let log = std::fs::read_to_string(evenkeel.folder.path().join("again.log")).unwrap();
    let told = "the account of pool app begins anew";
    assert!(
        log.contains("stored account record not usable") && log.contains(told),
        "{log}"
    );
}

#[test]
fn the_command_says_it_for_a_person_and_answers_a_what_if() {
    let samples = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&samples.each_ref(), ""));
    for name in ["a1", "a2"] {
        evenkeel.until("app", name, "up");
    }
    let (code, text, _) = evenkeel.command(&["availability"]);
    assert_eq!(code, 0);
    for part in [
        "pool app",
        "error budget of 99.9% over 30d: 100.0 % left",
        "a1",
        "a2",
        "(even share)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "a pipe gets no colours");
    let question = "endpoints=3,needed=2,mttf=1000h,mttr=4h";
    let (code, text, _) = evenkeel.command(&["availability", "app", "--what-if", question]);
    assert_eq!(code, 0);
    assert!(text.contains("down 4.7492e-5 of the time"), "{text}");
    assert!(
        text.contains("independently"),
        "the assumption is said: {text}"
    );
    let (_, text, _) = evenkeel.command(&[
        "availability",
        "app",
        "--json",
        "--what-if",
        "endpoints=4,crews=1",
    ]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["what_if"]["crews"], 1);
    assert_eq!(
        answer["what_if"]["availability"],
        Value::Null,
        "nothing failed yet"
    );
    assert!(text.contains("no failure was seen"), "{text}");
    assert_eq!(evenkeel.command(&["availability", "nowhere"]).0, 1);
    assert_eq!(
        evenkeel
            .command(&["availability", "app", "--what-if", "endpoint=4"])
            .0,
        2
    );
}

/// Closed incidents whose times the account has, by cause.
fn counted(evenkeel: &Evenkeel) -> Option<Vec<(String, u64)>> {
    let answer = evenkeel.admin("GET", "/v1/availability/app", "")?;
    let account: Value = serde_json::from_slice(&answer.body).ok()?;
    let causes = account["causes"].as_array()?.iter().map(|cause| {
        let name = cause["cause"].as_str().unwrap_or_default().to_owned();
        (name, cause["restore"]["count"].as_u64().unwrap_or(0))
    });
    Some(causes.collect())
}

#[test]
fn how_long_an_incident_took_is_counted_once_even_if_everything_crashes_before_it_is_stored() {
    let mut evenkeel = Evenkeel::run(&format!(
        "{}{}{}",
        app(&[], ""),
        supervised("a1"),
        supervised("a2")
    ));
    for name in ["a1", "a2"] {
        evenkeel.until("app", name, "up");
    }
    eventually("facts of it were read", || {
        let endpoint = evenkeel.endpoint("app", "a1")?;
        endpoint["service"]["facts"].is_object().then_some(())
    });
    let pid = evenkeel.endpoint("app", "a1").unwrap()["service"]["pid"]
        .as_u64()
        .unwrap();
    kill(pid as u32, "KILL");
    let closed = eventually("the incident is over", || {
        let all = evenkeel.ask("GET", "/v1/incidents", "");
        Some(all[0].clone()).filter(|incident| incident["state"] == "closed")
    });
    let cause = closed["causes"][0]["cause"].as_str().unwrap().to_owned();
    let once = vec![(cause.clone(), 1)];
    assert_eq!(counted(&evenkeel), Some(once.clone()));
    let took = closed["times_ms"]["restore"].as_f64().unwrap();
    let told = account(&evenkeel)["causes"][0]["restore"]["p50_ms"].as_f64();
    assert!((told.unwrap() / took - 1.0).abs() < 0.11, "{told:?} {took}");
    let metrics = evenkeel.admin("GET", "/metrics", "").unwrap().text();
    let labels = format!("{{pool=\"app\",cause=\"{cause}\",stage=\"restore\"}} 1");
    let line = format!("evenkeel_incident_stage_seconds_count{labels}");
    assert!(metrics.contains(&line), "{line}: {metrics}");
    let (_, text, _) = evenkeel.command(&["availability", "app"]);
    assert!(text.contains(&cause) && text.contains("RESTORE"), "{text}");
    assert!(!text.contains("what is missing"), "the pool was up: {text}");

    // A person knows better.
    let id = closed["id"].as_u64().unwrap();
    let label = r#"{"cause":"bad_release"}"#;
    evenkeel.ask("POST", &format!("/v1/incidents/{id}/label"), label);
    let once = vec![("bad_release".to_owned(), 1)];
    assert_eq!(counted(&evenkeel), Some(once.clone()));

    // The incident is on the disk at once, the account some seconds later.
    crash(&mut evenkeel);
    for _ in 0..2 {
        let mut child = again(&evenkeel);
        eventually("it is counted again, once", || {
            counted(&evenkeel).filter(|counted| *counted == once)
        });
        eventually("it serves", || {
            let endpoint = evenkeel.endpoint("app", "a2")?;
            (endpoint["state"] == "up").then_some(())
        });
        assert_eq!(counted(&evenkeel), Some(once.clone()));
        kill(child.id(), "TERM");
        wait(&mut child);
    }
}

#[test]
fn a_total_outage_pages_in_status_log_and_metrics() {
    // 14.4 × of a thousandth of a percent of an hour is half a second.
    let objective = "[pool.app.objective]\navailability = \"99.999%\"\n";
    let sample = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&sample], objective));
    evenkeel.until("app", "a1", "up");
    eventually("the account has seen it up", || {
        (account(&evenkeel)["state"] == "up").then_some(())
    });
    assert_eq!(account(&evenkeel)["alerts"], serde_json::json!([]));
    sample.close();
    let fires = eventually("it pages", || {
        let account = account(&evenkeel);
        let first = account["alerts"][0].clone();
        (first["severity"] == "page" && first["long"] == "1h").then_some(account)
    });
    let alert = &fires["alerts"][0];
    assert_eq!(alert["burn"], 14.4);
    assert!(alert["burn_long"].as_f64().unwrap() >= 14.4, "{alert}");
    // The same arithmetic by hand: what was down of an hour, against what may be.
    let burn = seconds(&fires, "down_s") / 3600.0 / 0.000_01;
    let told = seconds(&fires, "burn_rate");
    assert!((told / burn - 1.0).abs() < 0.05, "{told} {burn}");
    let (_, text, _) = evenkeel.command(&["status", "app"]);
    assert!(text.contains("page for"), "{text}");
    let metrics = evenkeel.admin("GET", "/metrics", "").unwrap().text();
    let line = "evenkeel_burn_alert{pool=\"app\",severity=\"page\",burn=\"14.4\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    evenkeel.says("pool app: page: its error budget (99.999% over 30d)");
}
