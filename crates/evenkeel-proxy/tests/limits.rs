//! Bounds: time, size, number, and what happens at each.
#![allow(clippy::unwrap_used)] // in helpers, which the setting for tests does not know

mod support;

use std::io::{Read, Write};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_core::counters::Reject;
use evenkeel_core::settings::PolicySpec;
use evenkeel_core::table::State;
use support::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn what_is_malformed_is_refused_and_never_reaches_an_endpoint() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address]).start();
    for bad in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /../.. HTTP/1.1\r\nHost: a\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut client = running.client();
        client.send(bad);
        let answer = client.answer();
        assert_eq!(answer.status, 400, "{bad:?}");
        assert_eq!(answer.field("connection"), Some("close"));
        assert!(client.ended());
    }
    assert_eq!(running.rejected(Reject::BadRequest), 6);
    assert!(endpoint.seen().is_empty());
}

#[test]
fn a_head_that_is_too_large_or_has_too_many_fields_gets_431() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .listener(|l| {
            l.max_header_bytes = 4096;
            l.max_headers = 20;
        })
        .start();
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(5000)
    );
    assert_eq!(running.once(&long).status, 431);
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(30));
    assert_eq!(running.once(&many).status, 431);
    assert_eq!(running.rejected(Reject::HeadTooLarge), 2);
}

#[test]
fn a_head_that_comes_too_slowly_gets_408_and_a_silent_client_is_closed() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.header_timeout = ms(100))
        .start();
    let mut slow = running.client();
    slow.send("GET / HT");
    let mut silent = running.client();
    assert_eq!(slow.answer().status, 408);
    assert!(slow.ended() && silent.ended());
    assert_eq!(running.rejected(Reject::HeadTimeout), 2);
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.idle_timeout = ms(100))
        .start();
    let mut client = running.client();
    client.send(get("/"));
    client.answer();
    let began = Instant::now();
    assert!(client.ended());
    assert!(began.elapsed() >= ms(80));
    assert_eq!(running.rejected(Reject::IdleTimeout), 1);
}

#[test]
fn a_body_that_is_too_large_gets_413_by_its_length_and_while_it_streams() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .route(|r| r.max_body = 1000)
        .start();
    let mut declared = running.client();
    declared.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
    assert_eq!(declared.answer().status, 413);
    assert!(declared.ended());
    let mut chunked = running.client();
    chunked.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.send(format!("3e9\r\n{}\r\n", "x".repeat(1001)));
    assert_eq!(chunked.answer().status, 413);
    assert!(chunked.ended());
    assert_eq!(running.once(&post("/", &"x".repeat(1000))).status, 200);
    assert_eq!(running.rejected(Reject::BodyTooLarge), 2);
}

#[test]
fn a_body_that_comes_too_slowly_gets_408() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.body_min_rate = 1_000_000)
        .start();
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx");
    let began = Instant::now();
    assert_eq!(client.answer().status, 408);
    // Five seconds are everybody's.
    assert!(began.elapsed() > ms(4900) && began.elapsed() < ms(6500));
    assert_eq!(running.rejected(Reject::BodyTooSlow), 1);
}

#[test]
fn a_client_that_reads_nothing_holds_the_endpoint_back_and_is_cut() {
    let (told, written) = channel();
    let told = Mutex::new(told);
    let endpoint = Endpoint::raw(move |mut client, _| {
        client.head();
        client.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [&b"4000\r\n"[..], &[b'x'; 0x4000], b"\r\n"].concat();
        let mut sent = 0;
        while sent < 1 << 30 && client.stream.write_all(&chunk).is_ok() {
            sent += chunk.len();
        }
        told.lock().unwrap().send(sent).unwrap();
    });
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.read_stall = ms(500))
        .start();
    let mut client = running.client();
    client.send(get("/"));
    let sent = written.recv_timeout(PATIENCE).unwrap();
    // What the kernel's socket buffers hold, and little more.
    assert!(sent < 32 << 20, "{sent} bytes were taken from the endpoint");
    assert_eq!(running.rejected(Reject::ReadStall), 1);
}

#[test]
fn a_slow_reader_gets_everything() {
    let body = noise(20_000_000);
    let sent = body.clone();
    let endpoint = Endpoint::http(move |_| {
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", sent.len()).into_bytes();
        answer.extend_from_slice(&sent);
        answer
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    let head = client.head().unwrap();
    assert_eq!(field(&head, "content-length"), Some("20000000"));
    let mut got = std::mem::take(&mut client.ahead);
    let mut chunk = vec![0; 300_000];
    while got.len() < body.len() {
        thread::sleep(ms(1));
        let n = client.stream.read(&mut chunk).unwrap();
        assert!(n > 0);
        got.extend_from_slice(&chunk[..n]);
    }
    assert!(got == body);
}

/// An endpoint that answers only when told, and a pool that gives it one request at a time.
fn gated(setup: impl FnOnce(Setup) -> Setup) -> (Endpoint, std::sync::mpsc::Sender<()>, Running) {
    let (open, gate) = channel();
    let gate = Mutex::new(gate);
    let endpoint = Endpoint::http(move |r| {
        gate.lock().unwrap().recv().unwrap();
        ok(r.path())
    });
    let running =
        setup(Setup::http(&[endpoint.address]).pool(|t| t.limit.per_endpoint = 1)).start();
    (endpoint, open, running)
}

fn queued(running: &Running) -> i64 {
    let counters = running.proxy().counters();
    counters.pools["app"].iter().map(|w| w.queued.value()).sum()
}

#[test]
fn requests_for_a_full_endpoint_wait_in_line_over_all_workers() {
    let (endpoint, open, running) = gated(|s| s.workers(2));
    let (told, order) = channel();
    let mut waiting = Vec::new();
    for i in 0..8 {
        let mut client = running.client();
        client.send(get(&format!("/{i}")));
        if i == 0 {
            until("the first is served", || endpoint.seen().len() == 1);
        } else {
            until("it waits", || queued(&running) == i64::from(i));
        }
        let told = told.clone();
        waiting.push(thread::spawn(move || {
            told.send(client.answer().text().to_owned()).unwrap()
        }));
    }
    for i in 0..8 {
        open.send(()).unwrap();
        assert_eq!(order.recv_timeout(PATIENCE).unwrap(), format!("/{i}"));
    }
    waiting.into_iter().for_each(|w| w.join().unwrap());
    until("nothing waits", || queued(&running) == 0);
    assert!(endpoint.connections.load(SeqCst) <= 2);
}

#[test]
fn an_endpoints_own_limit_is_kept_over_all_workers_and_who_waits_for_it_keeps_nobody_else_waiting()
{
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let gated = Endpoint::http(move |r| {
        gate.lock().unwrap().recv().unwrap();
        ok(r.path())
    });
    let free = Endpoint::http(|r| match r.path() {
        "/sorry" => Vec::new(),
        path => ok(path),
    });
    let running = Setup::http(&[gated.address, free.address])
        .workers(2)
        .pool(|t| {
            t.policy = PolicySpec::named("first");
            t.endpoints[0].limit = 1;
            t.limit.queue_timeout = PATIENCE;
        })
        .start();
    let mut first = running.client();
    first.send(get("/first"));
    until("the first is served", || gated.seen().len() == 1);
    // Where there is room its try is cut off; where it was not tried yet there is none.
    let mut waits = running.client();
    waits.send(get("/sorry"));
    until("it waits", || queued(&running) == 1);
    for i in 0..8 {
        let path = format!("/{i}");
        assert_eq!(running.once(&get(&path)).text(), path);
    }
    assert_eq!((gated.seen().len(), queued(&running)), (1, 1));
    open.send(()).unwrap();
    assert_eq!(first.answer().text(), "/first");
    open.send(()).unwrap();
    assert_eq!(waits.answer().text(), "/sorry");
    // A limit that is lifted lets everybody in.
    running.publish(|t| t.endpoints[0].limit = 0);
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let mut client = running.client();
            client.send(get("/both"));
            client
        })
        .collect();
    until("both are there", || gated.seen().len() == 4);
    clients.iter().for_each(|_| open.send(()).unwrap());
    for mut client in clients {
        assert_eq!(client.answer().text(), "/both");
    }
}

#[test]
fn while_the_brake_holds_whoever_came_last_goes_first() {
    let (endpoint, open, running) = gated(|s| s.workers(1));
    let (told, order) = channel();
    let mut waiting = Vec::new();
    for i in 0..5 {
        let mut client = running.client();
        client.send(get(&format!("/{i}")));
        match i {
            0 => until("the first is served", || endpoint.seen().len() == 1),
            _ => until("it waits", || queued(&running) == i64::from(i)),
        };
        let told = told.clone();
        waiting.push(thread::spawn(move || {
            told.send(client.answer().text().to_owned()).unwrap()
        }));
    }
    running.publish(|t| t.limit.newest_first = true);
    for i in [0, 4, 3, 2, 1] {
        open.send(()).unwrap();
        assert_eq!(order.recv_timeout(PATIENCE).unwrap(), format!("/{i}"));
    }
    waiting.into_iter().for_each(|w| w.join().unwrap());
}

#[test]
fn a_full_queue_and_a_long_wait_are_503_with_retry_after() {
    let (endpoint, open, running) = gated(|s| {
        s.pool(|t| {
            t.limit.queue = 1;
            t.limit.queue_timeout = ms(200);
        })
    });
    let mut served = running.client();
    served.send(get("/"));
    until("the first is served", || endpoint.seen().len() == 1);
    let mut waits = running.client();
    waits.send(get("/"));
    until("the second waits", || queued(&running) == 1);
    let refused = running.once(&get("/"));
    assert_eq!(refused.status, 503);
    assert!(refused.field("retry-after").is_some());
    let late = waits.answer();
    assert_eq!(
        (late.status, late.field("retry-after").is_some()),
        (503, true)
    );
    assert_eq!(running.rejected(Reject::QueueFull), 1);
    assert_eq!(running.rejected(Reject::QueueTimeout), 1);
    open.send(()).unwrap();
    assert_eq!(served.answer().status, 200);
    // Both connections may go on.
    open.send(()).unwrap();
    waits.send(get("/next"));
    assert_eq!(waits.answer().text(), "/next");
}

#[test]
fn a_client_that_leaves_gives_up_its_place_in_line() {
    let (endpoint, open, running) = gated(|s| s.pool(|t| t.limit.queue_timeout = PATIENCE));
    let mut served = running.client();
    served.send(get("/"));
    until("the first is served", || endpoint.seen().len() == 1);
    let mut waits = running.client();
    waits.send(get("/gone"));
    until("the second waits", || queued(&running) == 1);
    drop(waits);
    until("it left", || queued(&running) == 0);
    open.send(()).unwrap();
    assert_eq!(served.answer().status, 200);
    assert_eq!(endpoint.seen().len(), 1);
}

#[test]
fn an_endpoint_that_comes_up_ends_the_waiting() {
    let (endpoint, _open, running) = gated(|s| s);
    let other = Endpoint::named("other");
    let mut served = running.client();
    served.send(get("/"));
    until("the first is served", || endpoint.seen().len() == 1);
    let mut waits = running.client();
    waits.send(get("/"));
    until("the second waits", || queued(&running) == 1);
    running.publish(|t| {
        let mut row = t.endpoints[0].clone();
        row.id.0 = 9;
        row.name = "new".into();
        row.address = Some(evenkeel_core::address::Address::Ip(other.address));
        row.shared = Arc::new(evenkeel_core::counters::EndpointShared::new(8));
        t.endpoints = t.endpoints.iter().cloned().chain([row]).collect();
    });
    assert_eq!(waits.answer().text(), "other");
}

#[test]
fn without_a_usable_endpoint_the_answer_is_503_with_retry_after() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .pool(|t| {
            t.endpoints[0].state = State::Down;
            t.failover.try_all = false;
        })
        .start();
    let answer = running.once(&get("/"));
    assert_eq!(
        (answer.status, answer.field("retry-after").is_some()),
        (503, true)
    );
    assert_eq!(running.rejected(Reject::NoEndpoint), 1);
    let json = running.once("GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
    assert!(json.text().starts_with('{'));
}

#[test]
fn ten_thousand_small_chunks_are_framed_anew_in_bounded_memory() {
    let endpoint = Endpoint::http(|r| ok(&r.body.len().to_string()));
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let pieces = "1\r\nx\r\n".repeat(10_000);
    client.send(pieces);
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().text(), "10000");
}
