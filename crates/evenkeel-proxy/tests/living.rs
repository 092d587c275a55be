//! What happens to traffic while the proxy itself changes: reload, drain, stop, unix sockets, the access log.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::counters::RouteWorker;
use evenkeel_core::id::Epoch;
use evenkeel_core::settings::{HostPattern, Protocol, RouteAction};
use evenkeel_core::table::State;
use evenkeel_proxy::{AccessFormat, AccessLog, AccessTarget};
use support::*;

#[test]
fn reloads_cost_no_request_and_no_tunnel() {
    let endpoint = Endpoint::raw(|mut client, _| {
        while let Some(head) = client.head() {
            if field(&head, "upgrade").is_none() {
                client.send(ok("a1"));
                continue;
            }
            client.send(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
            );
            while client.more() {
                let echoed = std::mem::take(&mut client.ahead);
                client.send(echoed);
            }
        }
    });
    let running = Setup::http(&[endpoint.address]).workers(2).start();
    let mut tunnel = running.client();
    tunnel.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    assert!(tunnel.head().unwrap().contains(" 101 "));
    let over = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (mut client, over) = (running.client(), over.clone());
            thread::spawn(move || {
                let mut served = 0u64;
                while !over.load(SeqCst) {
                    client.send(get("/"));
                    assert_eq!(client.answer().text(), "a1");
                    served += 1;
                }
                served
            })
        })
        .collect();
    for i in 0..100u8 {
        running.apply();
        tunnel.send([i]);
        assert_eq!(tunnel.take(1), [i]);
    }
    over.store(true, SeqCst);
    let served: u64 = load.into_iter().map(|l| l.join().unwrap()).sum();
    // Counters went on over all of it.
    let counters = running.proxy().counters();
    let sum =
        |of: fn(&RouteWorker) -> u64| counters.routes.values().map(|r| r.sum(of)).sum::<u64>();
    until("all are counted", || {
        sum(|w| w.by_class[2].value()) == served
    });
    assert_eq!(sum(|w| w.seconds.buckets().iter().sum()), served);
}

#[test]
fn a_request_follows_the_configuration_that_is_current_when_it_begins() {
    let endpoint = Endpoint::named("a1");
    let mut running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    assert_eq!(client.answer().status, 200);
    running.routes[0].host = Some(HostPattern::Exact("other.example".to_owned()));
    running.apply();
    client.send(get("/"));
    assert_eq!(client.answer().status, 404);
    running.routes[0].action = RouteAction::Respond {
        status: 200,
        body: "fixed".to_owned(),
        content_type: "text/plain".to_owned(),
    };
    running.routes[0].host = None;
    running.apply();
    client.send(get("/"));
    assert_eq!(client.answer().text(), "fixed");
}

#[test]
fn an_older_table_and_one_of_an_unknown_pool_are_refused() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address]).start();
    running.publish(|t| t.endpoints[0].state = State::Down);
    let mut old = table(&[Address::Ip(endpoint.address)], 1);
    old.epoch = Epoch(1);
    assert!(!running.proxy().publish(Arc::new(old.clone())));
    old.name = "other".into();
    assert!(!running.proxy().publish(Arc::new(old)));
}

#[test]
fn a_table_whose_endpoints_change_serves_by_the_new_ones() {
    let (one, two) = (Endpoint::named("one"), Endpoint::named("two"));
    let running = Setup::http(&[one.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    assert_eq!(client.answer().text(), "one");
    running.publish(|t| t.endpoints[0].address = Some(Address::Ip(two.address)));
    client.send(get("/"));
    assert_eq!(client.answer().text(), "two");
}

#[test]
fn draining_finishes_what_runs_and_closes_what_idles() {
    let endpoint = Endpoint::http(|_| {
        thread::sleep(Duration::from_millis(100));
        ok("slow")
    });
    let mut running = Setup::http(&[endpoint.address]).workers(2).start();
    let mut idle = running.client();
    idle.send(get("/"));
    idle.answer();
    let mut busy = running.client();
    busy.send(get("/"));
    until("it runs", || endpoint.seen().len() == 2);
    // This one waits in the accept queue, or was just accepted.
    let mut late = running.client();
    late.send(get("/"));
    running.proxy().drain();
    assert!(idle.ended());
    for client in [&mut busy, &mut late] {
        let answer = client.answer();
        assert_eq!(
            (answer.text(), answer.field("connection")),
            ("slow", Some("close"))
        );
        assert!(client.ended());
    }
    until("nothing is open", || {
        running.proxy().open_connections() == 0
    });
    running.take_proxy().stop(Duration::from_secs(5));
}

#[test]
fn stopping_cuts_what_does_not_end_in_time() {
    let endpoint = Endpoint::http(|_| {
        thread::sleep(PATIENCE);
        Vec::new()
    });
    let mut running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    until("it runs", || endpoint.seen().len() == 1);
    running.take_proxy().stop(Duration::from_millis(50));
    assert!(client.ended());
    until("nothing is in flight", || {
        running.shared(0).in_flight.load(SeqCst) == 0
    });
}

#[test]
fn an_address_no_longer_listened_on_is_let_go_and_its_connections_live_on() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    client.answer();
    running.proxy().unlisten(&running.address.to_string());
    until("the address is free", || {
        TcpStream::connect(running.address).is_err()
    });
    client.send(get("/"));
    assert_eq!(client.answer().text(), "a1");
    let again = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = again.local_addr().unwrap();
    running
        .proxy()
        .listen(address.to_string(), "web".into(), vec![again.into()])
        .unwrap();
    let mut client = Client::new(TcpStream::connect(address).unwrap());
    client.send(get("/"));
    assert_eq!(client.answer().text(), "a1");
}

#[test]
fn unix_sockets_serve_on_both_sides() {
    let dir = std::env::temp_dir().join(format!("evenkeel-proxy-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (front, back) = (dir.join("front"), dir.join("back"));
    let _ = (std::fs::remove_file(&front), std::fs::remove_file(&back));
    let listener = UnixListener::bind(&back).unwrap();
    let body = noise(300_000);
    let sent = body.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, body) = (stream.unwrap(), sent.clone());
            thread::spawn(move || {
                let mut seen = Vec::new();
                let mut chunk = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut chunk) {
                    seen.extend_from_slice(&chunk[..n]);
                    if seen.ends_with(b"\r\n\r\n") {
                        assert!(!String::from_utf8_lossy(&seen).contains("X-Forwarded-For"));
                        seen.clear();
                        let head =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                        stream.write_all(head.as_bytes()).unwrap();
                        stream.write_all(&body).unwrap();
                    }
                }
            });
        }
    });
    let socket = UnixListener::bind(&front).unwrap();
    let running = Setup::of(&[Address::Unix(back)], Protocol::Http)
        .workers(2)
        .start_on("127.0.0.1:1".parse().unwrap(), socket.into());
    for _ in 0..4 {
        let mut stream = UnixStream::connect(&front).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        for _ in 0..2 {
            stream.write_all(get("/").as_bytes()).unwrap();
            let mut got = Vec::new();
            let mut chunk = [0; 65_536];
            while !got.ends_with(&body) {
                let n = stream.read(&mut chunk).unwrap();
                assert!(n > 0);
                got.extend_from_slice(&chunk[..n]);
            }
        }
        stream.shutdown(Shutdown::Write).unwrap();
    }
    drop(running);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn the_access_log_holds_a_line_for_every_request() {
    let path = std::env::temp_dir().join(format!("evenkeel-access-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let endpoint = Endpoint::named("a1");
    let mut setup = Setup::http(&[endpoint.address]);
    setup.options = |options| {
        options.access_log = Some(AccessLog {
            to: AccessTarget::File(
                std::env::temp_dir().join(format!("evenkeel-access-{}.log", std::process::id())),
            ),
            format: AccessFormat::Json,
        });
    };
    let mut running = setup.start();
    let mut client = running.client();
    for _ in 0..3 {
        client.send(get("/x?y"));
        client.answer();
    }
    running.once("bad\r\n\r\n");
    running.take_proxy().stop(Duration::from_secs(5));
    let log = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 4);
    for part in [
        "\"method\":\"GET\"",
        "\"target\":\"/x?y\"",
        "\"status\":200",
        "\"endpoint\":\"a1\"",
        "\"tries\":1",
        "\"client\":\"127.0.0.1\"",
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    assert!(lines[3].contains("\"status\":400"));
}

#[test]
fn every_worker_shows_that_it_turns() {
    let running = Setup::http(&[Endpoint::refusing()]).workers(3).start();
    let before = running.proxy().turns();
    assert_eq!(before.len(), 3);
    until("all have turned", || {
        let now = running.proxy().turns();
        now.iter().zip(&before).all(|(now, before)| now > before)
    });
}

#[test]
fn a_listener_may_be_opened_before_its_settings_are_known() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address]).start();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    running
        .proxy()
        .listen(address.to_string(), "later".into(), vec![socket.into()])
        .unwrap();
    let mut client = Client::new(TcpStream::connect(address).unwrap());
    client.send(get("/"));
    let settings = evenkeel_core::settings::ListenerSettings::new("later", Protocol::Http);
    running.proxy().apply(evenkeel_proxy::Traffic {
        revision: 9,
        listeners: vec![Arc::new(settings)],
        routes: running.routes.clone(),
        tables: vec![Arc::new(table(&[Address::Ip(endpoint.address)], 1))],
        ..Default::default()
    });
    assert_eq!(client.answer().text(), "a1");
}
