//! TCP listeners: bytes both ways, half-close, other endpoints when one cannot be reached.

mod support;

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_core::counters::Reject;
use evenkeel_core::observe::FailureKind;
use evenkeel_core::settings::PolicySpec;
use support::*;

/// Echoes until the client's end, then says goodbye.
fn echo() -> Endpoint {
    Endpoint::raw(|mut client, _| {
        while client.more() {
            let echoed = std::mem::take(&mut client.ahead);
            client.send(echoed);
        }
        client.send("bye");
    })
}

#[test]
fn bytes_pass_both_ways_and_a_half_close_is_passed_on() {
    let endpoint = echo();
    let running = Setup::tcp(&[endpoint.address]).start();
    let mut client = running.client();
    for len in [1, 100, 70_000, 5_000_000] {
        let sent = noise(len);
        let mut writing = client.stream.try_clone().unwrap();
        let bytes = sent.clone();
        let writer = thread::spawn(move || writing.write_all(&bytes).unwrap());
        assert!(client.take(len) == sent);
        writer.join().unwrap();
    }
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.take(3), b"bye");
    assert!(client.ended());
    until("it is closed", || running.proxy().open_connections() == 0);
    assert_eq!(running.shared(0).in_flight.load(SeqCst), 0);
    let counters = running.proxy().counters();
    assert_eq!(
        counters.listeners["web"].sum(|w| w.bytes_in.value()),
        5_070_101
    );
    assert_eq!(
        counters.listeners["web"].sum(|w| w.bytes_out.value()),
        5_070_104
    );
}

#[test]
fn a_server_that_speaks_first_is_heard() {
    let endpoint = Endpoint::raw(|mut client, _| {
        client.send("220 hello\r\n");
        client.more();
    });
    let running = Setup::tcp(&[endpoint.address]).start();
    assert_eq!(running.client().take(11), b"220 hello\r\n");
}

#[test]
fn an_endpoint_that_refuses_is_passed_over_and_reported() {
    let endpoint = echo();
    let mut running = Setup::tcp(&[Endpoint::refusing(), endpoint.address])
        .pool(|t| {
            t.policy = PolicySpec::named("first");
        })
        .start();
    let mut client = running.client();
    client.send("x");
    assert_eq!(client.take(1), b"x");
    let failures = running.failures();
    assert_eq!(
        (failures.len(), failures[0].kind),
        (1, FailureKind::Connect)
    );
}

#[test]
fn with_nobody_to_reach_the_client_is_closed_and_counted() {
    let running = Setup::tcp(&[Endpoint::refusing(), Endpoint::refusing()]).start();
    assert!(running.client().ended());
    until("it was counted", || {
        running.rejected(Reject::BadGateway) == 1
    });
}

#[test]
fn a_tunnel_without_a_byte_ends_after_its_time() {
    let endpoint = echo();
    let running = Setup::tcp(&[endpoint.address])
        .listener(|l| l.tunnel_timeout = Duration::from_millis(200))
        .start();
    let mut client = running.client();
    let began = Instant::now();
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(100));
        client.send("x");
        assert_eq!(client.take(1), b"x");
    }
    assert!(client.ended());
    assert!(began.elapsed() >= Duration::from_millis(580));
}

#[test]
fn a_connection_broken_by_the_endpoint_is_broken_for_the_client() {
    let endpoint = Endpoint::raw(|mut client, _| {
        client.take(1);
        // Unread bytes make this close a reset.
        client.stream.write_all(b"half").unwrap();
        until("more is there to leave unread", || {
            let mut byte = [0];
            client.stream.peek(&mut byte).unwrap() == 1
        });
    });
    let mut running = Setup::tcp(&[endpoint.address]).start();
    let mut client = running.client();
    client.send("a");
    client.take(4);
    client.send("b");
    while client.more() {}
    until("it is over", || running.proxy().open_connections() == 0);
    let kinds: Vec<_> = running.failures().iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [FailureKind::Reset]);
}
