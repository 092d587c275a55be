//! What is tried again, where, and what never is: CONTRACT section 3.
#![allow(clippy::unwrap_used)] // in helpers, which the setting for tests does not know

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_core::counters::Reject;
use evenkeel_core::observe::FailureKind;
use evenkeel_core::settings::PolicySpec;
use evenkeel_core::table::{PoolTable, State};
use support::*;

fn first(table: &mut PoolTable) {
    table.policy = PolicySpec::named("first");
}

/// Closes each connection once it has read a whole request.
fn resetting() -> Endpoint {
    Endpoint::http(|_| Vec::new())
}

/// Reads requests and never answers.
fn silent() -> Endpoint {
    Endpoint::http(|_| {
        std::thread::sleep(PATIENCE);
        Vec::new()
    })
}

fn garbage() -> Endpoint {
    Endpoint::http(|_| b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())
}

fn saying(code: u16) -> Endpoint {
    Endpoint::http(move |_| status(code, "sorry"))
}

fn quick(table: &mut PoolTable) {
    first(table);
    table.retry.per_try_timeout = Duration::from_millis(100);
}

/// Sends one GET and one POST to a pool of `bad` and a good one; says how they ended.
fn both(bad: std::net::SocketAddr) -> (Answer, Answer, Vec<FailureKind>) {
    let good = Endpoint::named("good");
    let mut running = Setup::http(&[bad, good.address]).pool(quick).start();
    let get = running.once(&get("/"));
    let post = running.once(&post("/", "body"));
    let kinds = running.failures().iter().map(|f| f.kind).collect();
    (get, post, kinds)
}

#[test]
fn refused_connections_are_tried_elsewhere_whatever_the_method() {
    let (get, post, kinds) = both(Endpoint::refusing());
    assert_eq!((get.text(), post.text()), ("good", "good"));
    assert_eq!(kinds, [FailureKind::Connect, FailureKind::Connect]);
}

#[test]
fn a_reset_after_the_request_was_written_is_tried_elsewhere_for_a_get_and_never_for_a_post() {
    let bad = resetting();
    let (get, post, kinds) = both(bad.address);
    assert_eq!(get.text(), "good");
    assert_eq!(post.status, 502);
    assert!(
        post.field("proxy-status")
            .unwrap()
            .contains("connection_terminated")
    );
    assert_eq!(kinds, [FailureKind::Reset, FailureKind::Reset]);
    assert_eq!(bad.seen().len(), 2);
}

#[test]
fn garbage_is_tried_elsewhere_for_a_get_and_is_a_502_for_a_post() {
    let (get, post, kinds) = both(garbage().address);
    assert_eq!((get.text(), post.status), ("good", 502));
    assert_eq!(kinds, [FailureKind::Garbage, FailureKind::Garbage]);
}

#[test]
fn an_endpoint_that_does_not_answer_is_left_after_the_try_timeout_by_a_get_and_is_a_504_for_a_post()
{
    let (get, post, kinds) = both(silent().address);
    assert_eq!((get.text(), post.status), ("good", 504));
    assert_eq!(kinds, [FailureKind::Timeout, FailureKind::Timeout]);
}

#[test]
fn an_endpoints_own_503_is_tried_elsewhere_for_a_get_and_passed_on_for_a_post() {
    for code in [502, 503, 504] {
        let (get, post, kinds) = both(saying(code).address);
        assert_eq!(get.text(), "good");
        assert_eq!((post.status, post.text()), (code, "sorry"));
        assert!(post.field("proxy-status").is_none());
        assert_eq!(kinds, [FailureKind::Status(code); 2]);
    }
    let (get, _, kinds) = both(saying(500).address);
    assert_eq!((get.status, kinds.len()), (500, 0));
}

#[test]
fn a_status_is_passed_on_unchanged_when_no_try_is_left() {
    let all: Vec<_> = (0..3).map(|_| saying(503)).collect();
    let addresses: Vec<_> = all.iter().map(|e| e.address).collect();
    let running = Setup::http(&addresses).start();
    let answer = running.once(&get("/"));
    assert_eq!((answer.status, answer.text()), (503, "sorry"));
    assert!(all.iter().all(|e| e.seen().len() == 1));
}

#[test]
fn each_try_goes_to_an_endpoint_not_tried_yet() {
    let all: Vec<_> = (0..3).map(|_| resetting()).collect();
    let addresses: Vec<_> = all.iter().map(|e| e.address).collect();
    let running = Setup::http(&addresses).start();
    for _ in 0..5 {
        assert_eq!(running.once(&get("/")).status, 502);
    }
    assert!(all.iter().all(|e| e.seen().len() == 5));
    assert_eq!(running.rejected(Reject::BadGateway), 5);
}

#[test]
fn with_one_endpoint_a_get_is_tried_once_more_over_a_new_connection() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let flaky = Endpoint::http(move |_| match counted.fetch_add(1, SeqCst) {
        1 => Vec::new(),
        _ => ok("fine"),
    });
    let running = Setup::http(&[flaky.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    assert_eq!(client.answer().text(), "fine");
    client.send(get("/"));
    assert_eq!(client.answer().text(), "fine");
    let seen: Vec<_> = flaky.seen().iter().map(|r| r.connection).collect();
    assert_eq!(seen, [0, 0, 1]);

    let dead = resetting();
    let running = Setup::http(&[dead.address]).start();
    assert_eq!(running.once(&get("/")).status, 502);
    assert_eq!(dead.seen().len(), 2);
}

#[test]
fn a_failed_try_gives_up_its_place_before_the_next_one_looks_for_one() {
    let count = AtomicUsize::new(0);
    let flaky = Endpoint::http(move |_| match count.fetch_add(1, SeqCst) {
        0 => Vec::new(),
        _ => ok("fine"),
    });
    let running = Setup::http(&[flaky.address])
        .pool(|table| {
            table.limit.per_endpoint = 1;
            table.limit.queue = 0;
        })
        .start();
    assert_eq!(running.once(&get("/")).text(), "fine");
}

#[test]
fn a_body_that_fits_the_buffer_is_sent_again_whole_and_a_larger_one_is_not() {
    let good = Endpoint::http(|r| ok(&r.body.len().to_string()));
    let bad = resetting();
    let running = Setup::http(&[bad.address, good.address])
        .pool(|t| {
            first(t);
            t.retry.body_buffer = 10_000;
        })
        .start();
    let put = |n: usize| {
        let body = String::from_utf8(vec![b'x'; n]).unwrap();
        let request = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n{body}");
        running.once(&request)
    };
    let small = put(9_000);
    assert_eq!((small.status, small.text()), (200, "9000"));
    assert_eq!(put(50_000).status, 502);
    assert_eq!(good.seen().len(), 1);
}

#[test]
fn a_post_may_be_sent_again_only_where_the_configuration_says_so() {
    let good = Endpoint::named("good");
    let bad = resetting();
    let running = Setup::http(&[bad.address, good.address])
        .pool(|t| {
            first(t);
            t.retry.non_idempotent = true;
        })
        .start();
    assert_eq!(running.once(&post("/", "x")).text(), "good");
}

#[test]
fn nothing_is_tried_again_once_a_byte_of_the_answer_went_to_the_client() {
    let good = Endpoint::named("good");
    let bad = Endpoint::raw(|mut client, _| {
        client.head();
        client.send(b"HTTP/1.1 103 Early Hints\r\n\r\n");
    });
    let running = Setup::http(&[bad.address, good.address])
        .pool(first)
        .start();
    let mut client = running.client();
    client.send(get("/"));
    assert!(client.head().unwrap().contains(" 103 "));
    assert_eq!(client.answer().status, 502);
    assert!(good.seen().is_empty());
}

#[test]
fn failures_that_are_not_listed_are_not_tried_again() {
    let good = Endpoint::named("good");
    let bad = resetting();
    let running = Setup::http(&[bad.address, good.address])
        .pool(|t| {
            first(t);
            t.retry.on.reset = false;
        })
        .start();
    assert_eq!(running.once(&get("/")).status, 502);
}

#[test]
fn the_budget_bounds_the_retries_of_a_pool_in_trouble() {
    let bad = resetting();
    let good = Endpoint::named("good");
    let running = Setup::http(&[bad.address, good.address])
        .pool(first)
        .start();
    let mut client = running.client();
    let mut served = 0;
    for _ in 0..200 {
        client.send(get("/"));
        served += usize::from(client.answer().status == 200);
    }
    let counters = running.proxy().counters();
    let pool = &counters.pools["app"];
    // A hundred in ten seconds.
    assert_eq!(served, 100);
    assert_eq!(pool.sum(|w| w.retries.value()), 100);
    assert_eq!(pool.sum(|w| w.retries_refused.value()), 100);
}

#[test]
fn the_routes_timeout_bounds_all_tries_together() {
    let both = [silent(), silent()];
    let running = Setup::http(&[both[0].address, both[1].address])
        .pool(|t| t.retry.per_try_timeout = Duration::from_millis(200))
        .route(|r| r.timeout = Duration::from_millis(300))
        .start();
    let began = Instant::now();
    let answer = running.once(&get("/"));
    assert_eq!(answer.status, 504);
    assert!(
        answer
            .field("proxy-status")
            .unwrap()
            .contains("http_response_timeout")
    );
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(290) && took < Duration::from_millis(900),
        "{took:?}"
    );
}

#[test]
fn gets_that_wait_for_an_endpoint_that_went_down_move_at_once_and_posts_keep_waiting() {
    let frozen = Endpoint::http(|r| {
        if r.method() == "POST" {
            std::thread::sleep(Duration::from_millis(600));
            return ok("thawed");
        }
        std::thread::sleep(PATIENCE);
        Vec::new()
    });
    let good = Endpoint::named("good");
    let running = Setup::http(&[frozen.address, good.address])
        .pool(first)
        .start();
    let mut gets: Vec<_> = (0..20).map(|_| running.client()).collect();
    for client in &mut gets {
        client.send(get("/"));
    }
    let mut posting = running.client();
    posting.send(post("/", "x"));
    until("all wait", || frozen.seen().len() == 21);
    let began = Instant::now();
    running.publish(|t| t.endpoints[0].state = State::Down);
    for client in &mut gets {
        assert_eq!(client.answer().text(), "good");
    }
    assert!(
        began.elapsed() < Duration::from_millis(400),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(posting.answer().text(), "thawed");
    until("nothing is in flight", || {
        running.shared(0).in_flight.load(SeqCst) == 0
    });
}

#[test]
fn a_connection_that_is_still_being_opened_to_an_endpoint_gone_down_is_given_up() {
    // A listener whose queue is full takes no further connection: the handshake hangs.
    let full = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = full.local_addr().unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let _filling: Vec<_> = (0..4)
        .filter_map(|_| {
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()
        })
        .collect();
    let good = Endpoint::named("good");
    let running = Setup::http(&[address, good.address])
        .pool(|t| {
            first(t);
            t.transport.connect_timeout = PATIENCE;
        })
        .start();
    let mut client = running.client();
    client.send(post("/", "x"));
    until("it connects", || {
        running.shared(0).in_flight.load(SeqCst) == 1
    });
    running.publish(|t| t.endpoints[0].state = State::Down);
    assert_eq!(client.answer().text(), "good");
}

#[test]
fn a_connection_that_does_not_open_in_time_is_a_failure_of_its_own() {
    let full = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = full.local_addr().unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let _filling: Vec<_> = (0..4)
        .filter_map(|_| {
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()
        })
        .collect();
    let mut running = Setup::http(&[address])
        .pool(|t| {
            t.transport.connect_timeout = Duration::from_millis(100);
            t.retry.retries = 0;
        })
        .start();
    assert_eq!(running.once(&post("/", "x")).status, 504);
    assert_eq!(running.failures()[0].kind, FailureKind::ConnectTimeout);
}

#[test]
fn a_post_takes_no_idle_connection_that_the_endpoint_has_closed() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    // Answers one request per connection and closes it without saying so.
    let endpoint = Endpoint::raw(move |mut client, _| {
        let head = client.head().unwrap();
        client.body(&head, false);
        counted.fetch_add(1, SeqCst);
        client.send(ok("once"));
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    for i in 1..=20 {
        client.send(post("/", "x"));
        assert_eq!(client.answer().text(), "once");
        until("it was closed", || endpoint.connections.load(SeqCst) == i);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(count.load(SeqCst), 20);
}

#[test]
fn runs_of_failures_are_counted_over_requests_and_end_with_a_success() {
    let fail = Arc::new(AtomicUsize::new(3));
    let left = fail.clone();
    let endpoint =
        Endpoint::http(
            move |_| match left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)) {
                Ok(_) => status(503, ""),
                Err(_) => ok(""),
            },
        );
    let mut running = Setup::http(&[endpoint.address])
        .pool(|t| t.retry.retries = 0)
        .start();
    let mut client = running.client();
    for _ in 0..3 {
        client.send(get("/"));
        client.answer();
    }
    let runs: Vec<_> = running.failures().iter().map(|f| f.run).collect();
    assert_eq!(runs, [1, 2, 3]);
    client.send(get("/"));
    client.answer();
    assert_eq!(running.shared(0).failure_run.load(SeqCst), 0);
    assert_eq!(running.shared(0).workers.sum(|w| w.successes.value()), 1);
}

/// Takes each POST, and then does one of the things that servers do when they die.
fn dying(seed: u32, executed: Arc<Mutex<Vec<String>>>) -> Endpoint {
    let state = AtomicUsize::new(seed as usize);
    Endpoint::raw(move |mut client, _| {
        let draw = || {
            let x = state
                .fetch_add(0x9E37_79B9, SeqCst)
                .wrapping_mul(0x85EB_CA6B);
            (x >> 13) % 8
        };
        if draw() == 0 {
            return;
        }
        while let Some(head) = client.head() {
            let fate = draw();
            if fate == 1 {
                return;
            }
            client.body(&head, false);
            let path = head.split(' ').nth(1).unwrap().to_owned();
            executed.lock().unwrap().push(path);
            let answer = ok("done");
            let answer = match fate {
                2 => return,
                3 => b"HTTP/1.1 2".to_vec(),
                4 => status(503, "no"),
                _ => answer,
            };
            if client.stream.write_all(&answer).is_err() || fate == 3 || fate == 5 {
                return;
            }
        }
    })
}

#[test]
fn no_post_is_ever_executed_twice_whatever_the_endpoints_do() {
    let executed: Arc<Mutex<Vec<String>>> = Arc::default();
    let endpoints: Vec<_> = (1..=3).map(|i| dying(i * 77, executed.clone())).collect();
    let mut addresses: Vec<_> = endpoints.iter().map(|e| e.address).collect();
    addresses.push(Endpoint::refusing());
    let running = Arc::new(Setup::http(&addresses).workers(2).start());
    let load: Vec<_> = (0..4)
        .map(|n| {
            let running = running.clone();
            std::thread::spawn(move || {
                let mut client = running.client();
                let mut served = 0;
                for i in 0..150 {
                    let body = "x".repeat(i * 97 % 3000);
                    client.send(post(&format!("/{n}-{i}"), &body));
                    let answer = client.answer();
                    assert!(matches!(answer.status, 200 | 502 | 503), "{answer:?}");
                    served += usize::from(answer.status == 200);
                    if answer.field("connection") == Some("close") {
                        client = running.client();
                    }
                }
                served
            })
        })
        .collect();
    let served: usize = load.into_iter().map(|l| l.join().unwrap()).sum();
    let mut all = executed.lock().unwrap().clone();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "a POST was executed twice");
    assert!(
        served > 100 && served <= count,
        "{served} served, {count} executed"
    );
    until("nothing is in flight", || {
        (0..4).all(|i| running.shared(i).in_flight.load(SeqCst) == 0)
    });
}
