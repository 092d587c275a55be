//! A configuration is applied while everything runs: nothing is lost, and a bad one changes nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use support::{Answer, Endpoint, Evenkeel, app, connect, eventually, get};

#[test]
fn reloads_under_traffic_lose_no_request_and_no_websocket() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    let web = evenkeel.address("web");
    let mut socket = connect(web).unwrap();
    socket
        .write_all(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        .unwrap();
    assert_eq!(Answer::read(&mut socket).unwrap().status, 101);

    let (stop, failed, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load = std::thread::spawn({
        let (stop, failed, sent) = (stop.clone(), failed.clone(), sent.clone());
        move || {
            while !stop.load(SeqCst) {
                sent.fetch_add(1, SeqCst);
                if !get(web, "/").is_ok_and(|a| a.status == 200) {
                    failed.fetch_add(1, SeqCst);
                }
            }
        }
    });
    for round in 0..100 {
        let extra = format!("[pool.app.retry]\nretries = {}\n", 1 + round % 2);
        evenkeel.rewrite(&app(&endpoints.each_ref(), &extra));
        evenkeel.ask("POST", "/v1/reload", "");
        socket.write_all(b"ping").unwrap();
        let mut echo = [0; 4];
        socket.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"ping");
    }
    stop.store(true, SeqCst);
    load.join().unwrap();
    assert_eq!(failed.load(SeqCst), 0, "of {}", sent.load(SeqCst));
}

#[test]
fn a_bad_configuration_changes_nothing_and_says_why() {
    let endpoint = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
    let revision = evenkeel.status().unwrap()["revision"].clone();
    evenkeel.rewrite(&app(&[&endpoint], "[pool.app.retri]\nretries = 1\n"));
    let (code, _, complaint) = evenkeel.command(&["reload"]);
    assert_eq!(code, 1, "{complaint}");
    assert!(
        complaint.contains("retri") && complaint.contains("retry"),
        "{complaint}"
    );
    assert_eq!(evenkeel.status().unwrap()["revision"], revision);
    assert_eq!(get(evenkeel.address("web"), "/").unwrap().status, 200);
}

#[test]
fn a_taken_address_rejects_the_reload_whole() {
    let endpoint = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let more = format!(
        "{}[[listener]]\nname = \"more\"\nbind = [\"{address}\"]\n",
        app(&[&endpoint], "")
    );
    evenkeel.rewrite(&more);
    let answer = evenkeel.admin("POST", "/v1/reload", "").unwrap();
    assert!(
        (400..500).contains(&answer.status),
        "{} {}",
        answer.status,
        answer.text()
    );
    assert!(
        answer.text().contains(&format!("{}", std::process::id())),
        "names the owner: {}",
        answer.text()
    );
    drop(taken);
    evenkeel.ask("POST", "/v1/reload", "");
    assert_eq!(get(address, "/").unwrap().status, 200);
}

#[test]
fn hangup_reloads_and_a_removed_listener_stops_accepting() {
    let endpoint = Endpoint::start("a1");
    let both = format!(
        "{}[[listener]]\nname = \"more\"\nbind = [\"127.0.0.1:0\"]\n",
        app(&[&endpoint], "")
    );
    let evenkeel = Evenkeel::run(&both);
    let more = evenkeel.address("more");
    assert_eq!(get(more, "/").unwrap().status, 200);
    evenkeel.rewrite(&app(&[&endpoint], ""));
    evenkeel.signal("HUP");
    eventually("the address is closed", || {
        connect(more).is_err().then_some(())
    });
    assert_eq!(get(evenkeel.address("web"), "/").unwrap().status, 200);
}

#[test]
fn rollback_writes_the_file_and_applies_it() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&[&endpoints[0]], ""));
    let before = std::fs::read_to_string(evenkeel.file()).unwrap();
    evenkeel.rewrite(&app(&endpoints.each_ref(), ""));
    evenkeel.ask("POST", "/v1/reload", "");
    assert!(evenkeel.endpoint("app", "a2").is_some());
    let (code, _, complaint) = evenkeel.command(&["rollback"]);
    assert_eq!(code, 0, "{complaint}");
    assert!(evenkeel.endpoint("app", "a2").is_none());
    assert_eq!(std::fs::read_to_string(evenkeel.file()).unwrap(), before);
}
