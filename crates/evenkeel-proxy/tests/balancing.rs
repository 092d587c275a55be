//! What of a request and of an answer a policy gets to see.
#![allow(clippy::unwrap_used)] // in helpers, which the setting for tests does not know

mod support;

use std::time::{Duration, Instant};

use evenkeel_core::settings::{KeySource, PolicySpec, PrequalSettings};
use support::*;

const NAMES: [&str; 4] = ["e0", "e1", "e2", "e3"];

fn four(policy: PolicySpec) -> (Vec<Endpoint>, Running) {
    let endpoints: Vec<_> = NAMES.into_iter().map(Endpoint::named).collect();
    let addresses: Vec<_> = endpoints.iter().map(|e| e.address).collect();
    let running = Setup::http(&addresses)
        .workers(2)
        .pool(|table| table.policy = policy)
        .start();
    (endpoints, running)
}

fn keyed(name: &str, key: KeySource) -> PolicySpec {
    PolicySpec {
        key: Some(key),
        ..PolicySpec::named(name)
    }
}

fn as_user(running: &Running, user: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: h\r\nX-User: {user}\r\n\r\n");
    running.once(&request).text().to_owned()
}

#[test]
fn a_key_leads_to_the_same_endpoint_on_every_worker_and_several_keys_to_several() {
    // Not `ring_hash`: with one request in flight the next of the same key is already one too many.
    for policy in ["maglev", "rendezvous"] {
        let (_endpoints, running) = four(keyed(policy, KeySource::Header("x-user".into())));
        let mut seen = std::collections::BTreeSet::new();
        for user in 0..20 {
            let user = user.to_string();
            let first = as_user(&running, &user);
            // Each connection goes to whichever worker accepts it.
            for _ in 0..4 {
                assert_eq!(as_user(&running, &user), first, "{policy}");
            }
            seen.insert(first);
        }
        assert!(seen.len() >= 3, "{policy}: {seen:?}");
    }
}

#[test]
fn only_the_keys_of_an_endpoint_that_goes_are_moved_and_they_come_back() {
    let (_endpoints, running) = four(keyed("rendezvous", KeySource::Query("user".into())));
    let all = || -> Vec<String> {
        let of = |user: u32| {
            running
                .once(&get(&format!("/?user={user}")))
                .text()
                .to_owned()
        };
        (0..40).map(of).collect()
    };
    let before = all();
    running.publish(|table| table.endpoints[1].state = evenkeel_core::table::State::Down);
    let without = all();
    for (before, without) in before.iter().zip(&without) {
        assert_ne!(without, "e1");
        assert!(before == without || before == "e1", "{before} {without}");
    }
    running.publish(|table| table.endpoints[1].state = evenkeel_core::table::State::Up);
    assert_eq!(all(), before);
}

#[test]
fn a_client_address_is_one_key_for_all_its_requests() {
    let (_endpoints, running) = four(PolicySpec::named("source_ip"));
    let first = running.once(&get("/")).text().to_owned();
    for n in 0..10 {
        assert_eq!(running.once(&get(&format!("/{n}"))).text(), first);
    }
}

#[test]
fn a_request_without_the_key_is_given_by_lot() {
    let (_endpoints, running) = four(keyed("maglev", KeySource::Cookie("sid".into())));
    let to = |_| running.once(&get("/")).text().to_owned();
    let seen: std::collections::BTreeSet<_> = (0..40).map(to).collect();
    assert!(seen.len() >= 3, "{seen:?}");
}

#[test]
fn who_says_in_its_answers_that_it_is_full_gets_no_more_while_another_is_not() {
    let busy = Endpoint::http(|_| {
        let body = "busy";
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nendpoint-load-metrics: TEXT cpu_utilization=0.95\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    });
    let idle = Endpoint::named("idle");
    let running = Setup::http(&[busy.address, idle.address])
        .pool(|table| table.policy = PolicySpec::named("utilization"))
        .start();
    // Nothing is known of either yet, so that both get a turn.
    let mut first = said(&running, 2);
    first.sort();
    assert_eq!(first, ["busy", "idle"]);
    // What was read before the answer came is good for a millisecond.
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(said(&running, 10), ["idle"; 10]);
}

#[test]
fn a_slow_endpoint_loses_its_work_where_answer_times_count() {
    for policy in ["peak_ewma", "least_time"] {
        let slow = Endpoint::http(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            ok("slow")
        });
        let quick = Endpoint::named("quick");
        let running = Setup::http(&[slow.address, quick.address])
            .pool(|table| table.policy = PolicySpec::named(policy))
            .start();
        let said: Vec<_> = (0..40)
            .map(|_| running.once(&get("/")).text().to_owned())
            .collect();
        let slow = said.iter().filter(|text| *text == "slow").count();
        assert!((1..=4).contains(&slow), "{policy}: {said:?}");
    }
}

/// The texts of so many answers, one after the other.
fn said(running: &Running, times: usize) -> Vec<String> {
    let once = |_| running.once(&get("/")).text().to_owned();
    (0..times).map(once).collect()
}

#[test]
fn who_says_in_its_answers_that_it_has_much_in_flight_gets_little() {
    let saying = |name: &'static str, in_flight: u32| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Load: in_flight={in_flight}, latency_ms=5",
            name.len()
        );
        Endpoint::http(move |_| format!("{head}\r\n\r\n{name}").into_bytes())
    };
    let (busy, free) = (saying("busy", 60), saying("free", 0));
    let running = Setup::http(&[busy.address, free.address])
        .workers(1)
        .pool(|table| {
            table.policy = PolicySpec::named("prequal");
            table.policy.prequal.header = "x-load".into();
        })
        .start();
    let began = Instant::now();
    let said = said(&running, 40);
    let to_busy = said.iter().filter(|text| *text == "busy").count();
    // What was said is forgotten after a second: then lots decide until both have said it again.
    let most = 2 + 2 * began.elapsed().as_secs() as usize;
    assert!((1..=most).contains(&to_busy), "{said:?}");
}

/// An endpoint that can be asked how many requests it works on, and takes this long to say it.
fn asked(name: &'static str, in_flight: u32, thinks: Duration) -> Endpoint {
    Endpoint::http(move |request| match request.path() {
        "/load" => {
            std::thread::sleep(thinks);
            let latency = 5 + in_flight;
            format!("HTTP/1.1 204 No Content\r\nEndpoint-Load-Metrics: TEXT named_metrics.in_flight={in_flight}, named_metrics.latency_ms={latency}\r\n\r\n").into_bytes()
        }
        _ => ok(name),
    })
}

fn asking() -> PolicySpec {
    PolicySpec {
        prequal: PrequalSettings {
            probe_path: Some("/load".into()),
            ..PrequalSettings::default()
        },
        ..PolicySpec::named("prequal")
    }
}

fn questions(endpoint: &Endpoint) -> usize {
    let seen = endpoint.seen();
    seen.iter()
        .filter(|request| request.path() == "/load")
        .count()
}

#[test]
fn who_says_when_asked_that_it_has_much_in_flight_gets_little() {
    let busy = asked("busy", 60, Duration::ZERO);
    let free = asked("free", 0, Duration::ZERO);
    let running = Setup::http(&[busy.address, free.address])
        .workers(1)
        .pool(|table| table.policy = asking())
        .start();
    let mut requests = 0;
    until("all goes to the free one", || {
        requests += 20;
        said(&running, 20).iter().all(|text| text == "free")
    });
    for endpoint in [&busy, &free] {
        let questions = questions(endpoint);
        assert!((1..=3 * requests).contains(&questions), "{questions}");
    }
}

#[test]
fn no_request_waits_for_one_who_does_not_say_how_busy_it_is() {
    let slow = Duration::from_secs(20);
    let endpoints = ["a", "b"].map(|name| asked(name, 0, slow));
    let running = Setup::http(&[endpoints[0].address, endpoints[1].address])
        .workers(1)
        .pool(|table| table.policy = asking())
        .start();
    let began = Instant::now();
    let said = said(&running, 40);
    assert!(began.elapsed() < slow / 2);
    assert!(said.iter().any(|text| text == "a") && said.iter().any(|text| text == "b"));
    // One at a time, each for a second.
    let most = 2 + began.elapsed().as_secs() as usize;
    for endpoint in &endpoints {
        assert!(
            questions(endpoint) <= most,
            "{} of {most}",
            questions(endpoint)
        );
    }
}

#[test]
fn an_endpoint_that_clients_leave_without_an_answer_loses_its_work_where_answer_times_count() {
    for policy in ["peak_ewma", "least_time"] {
        // Until the test lets it go.
        let (stays, hangs) = std::sync::mpsc::channel::<()>();
        let hangs = std::sync::Mutex::new(hangs);
        let silent = Endpoint::raw(move |_client, _| {
            let _ = hangs.lock().unwrap().recv();
        });
        let quick = Endpoint::named("quick");
        let running = Setup::http(&[silent.address, quick.address])
            .workers(1)
            .pool(|table| table.policy = PolicySpec::named(policy))
            .start();
        let mut left = 0_u64;
        for _ in 0..40 {
            let mut client = running.client();
            client.send(get("/"));
            let patience = Some(Duration::from_millis(200));
            client.stream.set_read_timeout(patience).unwrap();
            if client.stream.peek(&mut [0]).is_err() {
                left += 1;
                // Reset: a plain close could be one that still reads.
                let at_once = Some(Duration::ZERO);
                rustix::net::sockopt::set_socket_linger(&client.stream, at_once).unwrap();
                drop(client);
                let shared = running.shared(0);
                until("it is noticed", || {
                    shared.workers.sum(|worker| worker.settled.value()) == left
                });
            }
        }
        assert!((1..=4).contains(&left), "{policy}: {left}");
        drop(stays);
    }
}
