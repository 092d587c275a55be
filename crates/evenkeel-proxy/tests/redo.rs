//! Requests that are written down before they are forwarded, and sent again if nobody answered them.
#![allow(clippy::unwrap_used)] // in helpers, which the setting for tests does not know

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::time::Duration;

use evenkeel_core::recover::redo::Redone;
use support::*;

fn put(path: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "PUT {path} HTTP/1.1\r\nHost: example.com\r\n{more}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// An endpoint that answers with the status it is told to.
fn moody() -> (Endpoint, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(503));
    let told = mood.clone();
    let endpoint = Endpoint::http(move |_| match told.load(SeqCst) {
        0 => Vec::new(),
        code => status(code, "said"),
    });
    (endpoint, mood)
}

fn counts(running: &Running) -> Redone {
    running.proxy().counters().redo["app"].read()
}

/// The bodies of requests by method and path, as the endpoint saw them.
fn bodies(endpoint: &Endpoint, what: &str) -> Vec<String> {
    let seen = endpoint.seen().into_iter();
    let seen = seen.filter(|r| r.head.starts_with(what));
    seen.map(|r| String::from_utf8(r.body).unwrap()).collect()
}

#[test]
fn what_ended_in_an_error_is_sent_again_with_the_same_key_and_body() {
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, mood) = moody();
    let running = Setup::http(&[endpoint.address]).redo(folder.path()).start();
    let answer = running.once(&put("/a?b=1", "", "hello"));
    assert_eq!(answer.status, 503);
    let key = answer.field("evenkeel-redo").unwrap().to_owned();
    assert_eq!(key.len(), 36);
    mood.store(201, SeqCst);
    until("it is redone", || counts(&running).redone == 1);
    let seen = endpoint.seen();
    let again = seen.last().unwrap();
    assert!(seen.len() >= 2 && again.body == b"hello");
    for request in &seen {
        assert_eq!(request.field("idempotency-key"), Some(key.as_str()));
        assert_eq!((request.method(), request.path()), ("PUT", "/a?b=1"));
        assert_eq!(request.field("host"), Some("example.com"));
    }
    assert_eq!(again.field("connection"), Some("close"));
    let counts = counts(&running);
    assert_eq!((counts.kept, counts.pending, counts.given_up), (1, 0, 0));
}

#[test]
fn what_was_answered_is_not_sent_again_and_nobody_is_promised_anything() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::http(|request| match request.path() {
        "/no" => status(404, "no"),
        _ => ok("fine"),
    });
    let running = Setup::http(&[endpoint.address]).redo(folder.path()).start();
    for path in ["/yes", "/no"] {
        let answer = running.once(&put(path, "", "x"));
        assert_eq!(answer.field("evenkeel-redo"), None);
    }
    let deleted = "DELETE /yes HTTP/1.1\r\nHost: example.com\r\n\r\n";
    assert_eq!(running.once(deleted).status, 200);
    until("all are written down", || counts(&running).kept == 3);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(endpoint.seen().len(), 3);
    assert!(
        endpoint
            .seen()
            .iter()
            .all(|r| r.field("idempotency-key").is_some())
    );
}

#[test]
fn of_posts_only_those_with_a_key_are_kept_and_of_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, mood) = moody();
    let running = Setup::http(&[endpoint.address]).redo(folder.path()).start();
    assert_eq!(running.once(&get("/")).field("evenkeel-redo"), None);
    assert_eq!(
        running.once(&post("/p", "plain")).field("evenkeel-redo"),
        None
    );
    let keyed =
        "POST /p HTTP/1.1\r\nHost: a\r\nIdempotency-Key: my own\r\nContent-Length: 5\r\n\r\nkeyed";
    assert_eq!(running.once(keyed).field("evenkeel-redo"), Some("my own"));
    let twice = keyed.replace("Host: a\r\n", "Host: a\r\nIdempotency-Key: other\r\n");
    assert_eq!(running.once(&twice).field("evenkeel-redo"), None);
    mood.store(200, SeqCst);
    until("it is redone", || counts(&running).redone == 1);
    assert_eq!(
        bodies(&endpoint, "POST")
            .iter()
            .filter(|b| *b == "plain")
            .count(),
        1
    );
    assert!(
        bodies(&endpoint, "POST")
            .iter()
            .filter(|b| *b == "keyed")
            .count()
            >= 3
    );
    let last = endpoint.seen().pop().unwrap();
    assert_eq!(last.field("idempotency-key"), Some("my own"));
}

#[test]
fn a_body_that_is_too_large_is_forwarded_all_the_same_without_a_promise() {
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, mood) = moody();
    let running = Setup::http(&[endpoint.address])
        .redo(folder.path())
        .pool(|table| table.retry.body_buffer = 50_000)
        .start();
    let large = String::from_utf8(vec![b'y'; 300_000]).unwrap();
    assert_eq!(
        running.once(&put("/l", "", &large)).field("evenkeel-redo"),
        None
    );
    // As large as may be, and in chunks.
    let fits = String::from_utf8(vec![b'z'; 50_000]).unwrap();
    assert!(
        running
            .once(&put("/f", "", &fits))
            .field("evenkeel-redo")
            .is_some()
    );
    let chunked =
        "PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert!(running.once(chunked).field("evenkeel-redo").is_some());
    mood.store(200, SeqCst);
    assert_eq!(running.once(&put("/l", "", &large)).status, 200);
    until("both are redone", || counts(&running).redone == 2);
    assert_eq!(bodies(&endpoint, "PUT /l").last(), Some(&large));
    assert_eq!(bodies(&endpoint, "PUT /f").last(), Some(&fits));
    assert_eq!(bodies(&endpoint, "PUT /c").last().unwrap(), "abc");
    assert_eq!(counts(&running).not_kept, 2);
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, mood) = moody();
    mood.store(200, SeqCst);
    let running = Setup::http(&[endpoint.address]).redo(folder.path()).start();
    let mut client = running.client();
    client.send("PUT /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert!(client.head().unwrap().starts_with("HTTP/1.1 100 "));
    client.send("abc");
    assert_eq!(client.answer().status, 200);
    let seen = endpoint.seen();
    assert_eq!(
        (seen[0].field("expect"), seen[0].body.as_slice()),
        (None, &b"abc"[..])
    );
}

#[test]
fn a_later_put_that_was_answered_is_not_undone() {
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, mood) = moody();
    let running = Setup::http(&[endpoint.address]).redo(folder.path()).start();
    assert!(
        running
            .once(&put("/a", "", "old"))
            .field("evenkeel-redo")
            .is_some()
    );
    assert!(
        running
            .once(&put("/b", "", "other"))
            .field("evenkeel-redo")
            .is_some()
    );
    mood.store(200, SeqCst);
    assert_eq!(running.once(&put("/a", "", "new")).status, 200);
    until("the other is redone", || counts(&running).redone == 1);
    assert_eq!(counts(&running).superseded, 1);
    assert_eq!(bodies(&endpoint, "PUT /a").last().unwrap(), "new");
}

#[test]
fn what_a_process_left_is_sent_again_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, mood) = moody();
    let running = Setup::http(&[endpoint.address]).redo(folder.path()).start();
    let keys: Vec<_> = ["/1", "/2", "/3"]
        .map(|path| {
            let answer = running.once(&put(path, "", path));
            answer.field("evenkeel-redo").unwrap().to_owned()
        })
        .into();
    drop(running);
    mood.store(200, SeqCst);
    let before = endpoint.seen().len();
    let running = Setup::http(&[endpoint.address]).redo(folder.path()).start();
    until("all are redone", || counts(&running).redone == 3);
    let seen: Vec<_> = endpoint.seen().split_off(before);
    let again: Vec<_> = seen
        .iter()
        .map(|r| r.field("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(again, keys, "in their order");
}

#[test]
fn with_no_disk_to_write_to_requests_are_forwarded_without_a_promise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redo");
    std::fs::write(&path, "a file is in the way").unwrap();
    let (endpoint, _) = moody();
    let running = Setup::http(&[endpoint.address]).redo(&path).start();
    let answer = running.once(&put("/a", "", "x"));
    assert_eq!((answer.status, answer.field("evenkeel-redo")), (503, None));
    assert!(endpoint.seen()[0].field("idempotency-key").is_some());
    until("it is counted", || counts(&running).not_kept == 1);
}
