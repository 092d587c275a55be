//! Beginning, readiness, services, and the orderly end.

use std::net::TcpListener;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::rig::{FakeHost, PATIENCE, Rig, Setup, config, nowhere};
use crate::{Input, Running, ServiceEvent};

const SERVICE: &str =
    "[service.api]\ncommand = [\"./api\"]\nstop_timeout = \"5s\"\nready = { kind = \"none\" }\n";

#[test]
fn it_is_ready_once_every_endpoint_was_probed() {
    let rig = Rig::new(&config("", &[nowhere(), nowhere()]));
    rig.until("readiness", |rig| rig.get("/readyz").status() == 200);
}

#[test]
fn a_shutdown_fails_readiness_first_then_drains_then_stops() {
    let mut host = FakeHost::default();
    *host.connections.get_mut() = 1;
    let front = "[node]\nshutdown_delay = \"300ms\"\ndrain_timeout = \"20s\"";
    let setup = Setup {
        host,
        ..Setup::default()
    };
    let rig = Rig::with(&config(front, &[nowhere()]), setup);
    rig.until("readiness", |rig| rig.get("/readyz").status() == 200);
    rig.input(Input::Shutdown);
    rig.until("readiness to fail", |rig| {
        rig.get("/readyz").status() == 503
    });
    assert!(!rig.host.drained.load(SeqCst), "traffic is still served");
    let answer = rig.post("/v1/reload", "");
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (503, "unavailable")
    );
    rig.until("the drain", |rig| rig.host.drained.load(SeqCst));
    assert!(!rig.has_ended(), "a request is in flight");
    rig.host.connections.store(0, SeqCst);
    rig.until("the end", Rig::has_ended);
}

#[test]
fn a_second_request_to_end_ends_at_once() {
    let front = "[node]\nshutdown_delay = \"1h\"";
    let rig = Rig::new(&config(front, &[nowhere()]));
    rig.input(Input::Shutdown);
    rig.input(Input::Shutdown);
    rig.until("the end", Rig::has_ended);
    assert!(rig.host.drained.load(SeqCst));
}

#[test]
fn what_does_not_end_in_time_is_cut() {
    let mut host = FakeHost::default();
    *host.connections.get_mut() = 1;
    let front = "[node]\ndrain_timeout = \"100ms\"";
    let setup = Setup {
        host,
        ..Setup::default()
    };
    let rig = Rig::with(&config(front, &[nowhere()]), setup);
    let begun = Instant::now();
    rig.input(Input::Shutdown);
    rig.until("the end", Rig::has_ended);
    assert!(begun.elapsed() >= Duration::from_millis(100) && begun.elapsed() < PATIENCE);
}

#[test]
fn a_service_is_started_shown_and_stopped_at_the_end() {
    let rig = Rig::new(&config(SERVICE, &[nowhere()]));
    let did = |rig: &Rig, line: &str| rig.host.services.lock().unwrap().iter().any(|l| l == line);
    rig.until("the start", |rig| did(rig, "start api"));
    let event = ServiceEvent::Started { pid: 4242 };
    rig.input(Input::Service {
        name: "api".into(),
        event,
    });
    rig.until("its process", |rig| {
        rig.get("/v1/status").json()["services"][0]["pid"] == 4242
    });
    rig.input(Input::Shutdown);
    rig.until("its stop signal", |rig| did(rig, "signal api 4242 15"));
    assert!(!rig.has_ended(), "its process has not ended");
    let status = "status 0".into();
    let event = ServiceEvent::Exited { pid: 4242, status };
    rig.input(Input::Service {
        name: "api".into(),
        event,
    });
    rig.until("the end", Rig::has_ended);
}

#[test]
fn a_service_that_runs_already_is_adopted_not_started_again() {
    let running = vec![Running {
        service: "api".into(),
        pid: 7,
        restarts: 3,
        age: None,
    }];
    let setup = Setup {
        running,
        ..Setup::default()
    };
    let mut rig = Rig::with(&config(SERVICE, &[nowhere()]), setup);
    let service = rig.get("/v1/status").json()["services"][0].clone();
    assert_eq!(
        (service["pid"].as_u64(), service["restarts"].as_u64()),
        (Some(7), Some(3))
    );
    assert!(rig.host.services.lock().unwrap().is_empty());
    for _ in 0..2 {
        rig.input(Input::Shutdown);
    }
    rig.end();
}

#[test]
fn a_store_that_another_holds_delays_nothing_and_its_orders_count_once_it_opens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = config("", &[listener.local_addr().unwrap()]);
    let mut rig = Rig::new(&text);
    let path = "/v1/pools/app/endpoints/a1/state";
    assert_eq!(rig.post(path, r#"{"state":"maintenance"}"#).status(), 200);
    rig.end();
    // The store's thread closes it a moment later.
    let held = std::cell::OnceCell::new();
    rig.until("the store to be closed", |rig| {
        let opened = evenkeel_store::Embedded::open(&rig.state_dir());
        opened.is_ok_and(|store| held.set(store).is_ok())
    });
    let begun = Instant::now();
    let again = Setup {
        folder: Some(rig.folder.clone()),
        resume: true,
        ..Setup::default()
    };
    let rig = Rig::with(&text, again);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(*rig.host.applied.lock().unwrap(), [1]);
    rig.until("a1 to be up", |rig| rig.state("a1") == "up");
    drop(held);
    rig.until("the order to count", |rig| rig.state("a1") == "maintenance");
}

#[test]
fn what_is_seen_while_services_are_stopped_is_not_remembered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = config(SERVICE, &[listener.local_addr().unwrap()]);
    let mut rig = Rig::new(&text);
    let event = ServiceEvent::Started { pid: 4242 };
    rig.input(Input::Service {
        name: "api".into(),
        event,
    });
    rig.until("a1 to be up", |rig| rig.state("a1") == "up");
    rig.input(Input::Shutdown);
    rig.until("the stop signal", |rig| {
        let lines = rig.host.services.lock().unwrap();
        lines.iter().any(|l| l == "signal api 4242 15")
    });
    drop(listener);
    rig.until("a1 to be down", |rig| rig.state("a1") == "down");
    let status = "status 0".into();
    let event = ServiceEvent::Exited { pid: 4242, status };
    rig.input(Input::Service {
        name: "api".into(),
        event,
    });
    rig.end();
    let (mut storage, loaded) = crate::storage::Storage::start(rig.state_dir(), false).unwrap();
    let loaded = loaded.blocking_recv().unwrap();
    assert_eq!(loaded.endpoints[0].state.name(), "up");
    assert!(storage.sync().is_some());
}

#[test]
fn an_endpoint_that_was_taken_out_between_two_runs_is_forgotten_unless_an_operator_said_something()
{
    let mut rig = Rig::new(&config("", &[nowhere(), nowhere(), nowhere()]));
    rig.until("all to be down", |rig| {
        ["a1", "a2", "a3"].iter().all(|e| rig.state(e) == "down")
    });
    let path = "/v1/pools/app/endpoints/a3/weight";
    assert_eq!(rig.post(path, r#"{"weight":7}"#).status(), 200);
    rig.end();
    let again = Setup {
        folder: Some(rig.folder.clone()),
        ..Setup::default()
    };
    let mut rig = Rig::with(&config("", &[nowhere()]), again);
    rig.end();
    let (_storage, loaded) = crate::storage::Storage::start(rig.state_dir(), false).unwrap();
    let loaded = loaded.blocking_recv().unwrap();
    let names: Vec<_> = loaded.endpoints.iter().map(|e| &*e.endpoint).collect();
    assert_eq!(names, ["a1", "a3"]);
}
