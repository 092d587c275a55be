//! Clients and endpoints that are slow, silent or too many: who is cut, when, and as what it is counted.
#![allow(clippy::unwrap_used)] // in helpers, which the setting for tests does not know

mod support;

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_core::counters::Reject;
use support::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_head_begun_late_and_trickled_has_no_more_time_than_one_begun_at_once() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.header_timeout = ms(2000))
        .start();
    let began = Instant::now();
    let mut client = running.client();
    // The kernel shows a connection on which nothing was sent after a second, and the time runs from there.
    thread::sleep(ms(1600));
    client.send("G");
    let mut trickle = client.stream.try_clone().unwrap();
    thread::spawn(move || {
        for byte in b"ET / HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaa".chunks(1) {
            thread::sleep(ms(100));
            if trickle.write_all(byte).is_err() {
                return;
            }
        }
    });
    assert_eq!(client.answer().status, 408);
    assert!(began.elapsed() < ms(3400), "{:?}", began.elapsed());
    assert_eq!(running.rejected(Reject::HeadTimeout), 1);
}

#[test]
fn a_slow_head_after_an_answer_is_cut_like_a_first_one() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.header_timeout = ms(100))
        .start();
    let mut client = running.client();
    client.send(get("/"));
    assert_eq!(client.answer().status, 200);
    client.send("GET / HT");
    assert_eq!(client.answer().status, 408);
    assert!(client.ended());
    assert_eq!(running.rejected(Reject::HeadTimeout), 1);
}

/// An endpoint whose answer has this many bytes.
fn large(bytes: usize) -> Endpoint {
    Endpoint::http(move |_| {
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + bytes, b'x');
        answer
    })
}

/// A client whose kernel takes little ahead of it.
fn narrow(running: &Running) -> Client {
    use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_recv_buffer_size(&socket, 32 * 1024).unwrap();
    connect(&socket, &running.address).unwrap();
    Client::new(socket.into())
}

#[test]
fn a_client_that_reads_slowly_but_steadily_is_not_cut() {
    let bytes = 16_000_000;
    let endpoint = large(bytes);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // What is accepted inherits it. On a fast start the kernel takes as much by itself.
    rustix::net::sockopt::set_socket_send_buffer_size(&socket, 1 << 20).unwrap();
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.read_stall = ms(700))
        .start_on(address, socket.into());
    let mut client = narrow(&running);
    client.send(get("/"));
    client.head().unwrap();
    let mut got = client.ahead.len();
    let mut chunk = vec![0; 4000];
    // A hundred kilobytes a second: it takes the kernel's send buffer longer than `read_stall` to show that there is room again.
    let began = Instant::now();
    while began.elapsed() < ms(3000) {
        thread::sleep(ms(40));
        got += client.stream.read(&mut chunk).unwrap();
    }
    chunk.resize(1 << 20, 0);
    while got < bytes {
        let n = client.stream.read(&mut chunk).unwrap();
        assert!(n > 0, "cut after {got} bytes");
        got += n;
    }
    assert_eq!(running.rejected(Reject::ReadStall), 0);
}

#[test]
fn a_client_that_sends_requests_and_never_reads_is_cut_and_reset() {
    let endpoint = large(100_000);
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.read_stall = ms(300))
        .start();
    let mut client = narrow(&running);
    let flood = get("/").repeat(100);
    let began = Instant::now();
    while client.stream.write_all(flood.as_bytes()).is_ok() {
        assert!(began.elapsed() < PATIENCE, "it is never cut");
    }
    assert_eq!(running.rejected(Reject::ReadStall), 1);
    until("it is closed", || running.proxy().open_connections() == 0);
}

#[test]
fn an_endpoint_that_falls_silent_in_its_answer_is_cut_and_counted() {
    let endpoint = Endpoint::raw(|mut client, _| {
        client.head();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        client.ended();
    });
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.tunnel_timeout = ms(200))
        .start();
    let answer = running.once(&get("/"));
    assert_eq!((answer.complete, answer.text()), (false, "half"));
    assert_eq!(running.rejected(Reject::AnswerCut), 1);
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_cut_and_counted() {
    let endpoint = Endpoint::raw(|mut client, _| {
        client.ended();
    });
    let running = Setup::tcp(&[endpoint.address])
        .listener(|l| l.tunnel_timeout = ms(200))
        .start();
    assert!(running.client().ended());
    until("it is counted", || {
        running.rejected(Reject::TunnelTimeout) == 1
    });
}

#[test]
fn a_client_is_not_blamed_for_the_time_it_waited_to_be_told_to_send() {
    let endpoint = Endpoint::raw(|mut client, _| {
        let head = client.head().unwrap();
        // Longer than a body may be waited for at first.
        thread::sleep(ms(5500));
        client.send("HTTP/1.1 100 Continue\r\n\r\n");
        client.body(&head, false);
        client.send(ok("late"));
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert!(client.head().unwrap().contains(" 100 "));
    thread::sleep(ms(100));
    client.send("body");
    assert_eq!(client.answer().text(), "late");
    assert_eq!(running.rejected(Reject::BodyTooSlow), 0);
}

/// An endpoint that answers `/wait` only when told.
fn gated() -> (Endpoint, std::sync::mpsc::Sender<()>) {
    let (open, gate) = channel();
    let gate = Mutex::new(gate);
    let endpoint = Endpoint::http(move |r| {
        if r.path() == "/wait" {
            gate.lock().unwrap().recv().unwrap();
        }
        ok(r.path())
    });
    (endpoint, open)
}

#[test]
fn beyond_max_connections_clients_wait_while_everybody_is_served() {
    let (endpoint, open) = gated();
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.max_connections = 2)
        .start();
    let mut busy: Vec<_> = (0..2).map(|_| running.client()).collect();
    for client in &mut busy {
        client.send(get("/wait"));
    }
    until("both are served", || endpoint.seen().len() == 2);
    let mut third = running.client();
    third.send(get("/third"));
    until("the limit was met", || {
        running.rejected(Reject::TooManyConnections) == 1
    });
    // At most one more is under way in the accept loop.
    assert!(running.proxy().open_connections() <= 3);
    open.send(()).unwrap();
    open.send(()).unwrap();
    for client in &mut busy {
        assert_eq!(client.answer().text(), "/wait");
    }
    assert_eq!(third.answer().text(), "/third");
}

#[test]
fn beyond_max_connections_the_longest_idle_go_first_and_nobody_who_is_served() {
    let (endpoint, open) = gated();
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.max_connections = 100)
        .start();
    let mut busy = running.client();
    busy.send(get("/wait"));
    until("it is served", || endpoint.seen().len() == 1);
    let mut idle: Vec<_> = (0..99).map(|_| running.client()).collect();
    for client in &mut idle {
        client.send(get("/"));
        client.answer();
    }
    let mut more = running.client();
    more.send(get("/more"));
    assert_eq!(more.answer().text(), "/more");
    let gone = running.rejected(Reject::MadeRoom);
    assert!((1..=64).contains(&gone), "{gone}");
    assert!(idle.first_mut().unwrap().ended());
    idle.last_mut().unwrap().send(get("/last"));
    assert_eq!(idle.last_mut().unwrap().answer().text(), "/last");
    open.send(()).unwrap();
    assert_eq!(busy.answer().text(), "/wait");
}

#[test]
fn heads_that_never_end_make_room_for_whoever_asks() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.max_connections = 50)
        .start();
    let mut slow: Vec<_> = (0..50).map(|_| running.client()).collect();
    for client in &mut slow {
        client.send("GET / HTTP/1.1\r\nX: ");
    }
    let mut honest = running.client();
    honest.send(get("/"));
    let began = Instant::now();
    assert_eq!(honest.answer().text(), "a1");
    assert!(began.elapsed() < ms(5000), "{:?}", began.elapsed());
    assert!(running.rejected(Reject::MadeRoom) > 0);
    drop(slow);
}

#[test]
fn a_flood_of_large_heads_is_held_in_bounded_memory_and_an_honest_client_is_served() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address]).start();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}",
        "X-Flood: y\r\n".repeat(10)
    );
    let head = format!("{head}X-Last: {}", "z".repeat(31_000));
    // Some 35 kB each, of which a worker alone holds 16 MiB.
    let flood: Vec<_> = (0..1200)
        .map(|_| {
            let mut client = running.client();
            client.send(&head);
            client
        })
        .collect();
    until("the first of them made room", || {
        running.rejected(Reject::MadeRoom) >= 200
    });
    assert_eq!(running.once(&get("/")).text(), "a1");
    assert!(running.rejected(Reject::MadeRoom) < 1000);
    drop(flood);
}

#[test]
fn who_stalls_in_body_or_answer_makes_room_when_there_is_nobody_idle() {
    let endpoint = large(8_000_000);
    let running = Setup::http(&[endpoint.address])
        .listener(|l| l.max_connections = 2)
        .start();
    let mut reader = narrow(&running);
    reader.send(get("/"));
    let mut sender = running.client();
    sender.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx");
    until("both are in", || running.proxy().open_connections() == 2);
    let began = Instant::now();
    for _ in 0..2 {
        let mut honest = running.client();
        honest.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(honest.answer().body.len(), 8_000_000);
    }
    assert!(began.elapsed() < ms(8000), "{:?}", began.elapsed());
}
