//! What clients see while endpoints fail and come back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::io::{Read, Write};
use std::net::SocketAddr;

use support::{Answer, Endpoint, Evenkeel, app, connect, eventually, get, request};

fn names(address: SocketAddr, n: usize) -> Vec<String> {
    (0..n)
        .map(|_| get(address, "/").map(|a| a.text()).unwrap_or_default())
        .collect()
}

#[test]
fn three_endpoints_take_turns() {
    let endpoints = [
        Endpoint::start("a1"),
        Endpoint::start("a2"),
        Endpoint::start("a3"),
    ];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    let web = evenkeel.address("web");
    names(web, 30);
    for endpoint in &endpoints {
        assert_eq!(endpoint.hits(), 10, "{}", endpoint.name);
    }
}

#[test]
fn a_dead_endpoint_costs_no_request_and_comes_back() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    let web = evenkeel.address("web");
    endpoints[1].close();
    for _ in 0..50 {
        assert_eq!(get(web, "/").unwrap().status, 200);
    }
    let down = evenkeel.until("app", "a2", "down");
    assert!(
        down["why"].as_str().unwrap().contains("refused")
            || down["why"].as_str().unwrap().contains("reset"),
        "{down}"
    );
    let back = Endpoint::start_on("a2", endpoints[1].address.port());
    evenkeel.until("app", "a2", "up");
    eventually("it serves again", || {
        names(web, 4);
        (back.hits() > 0).then_some(())
    });
}

#[test]
fn an_endpoint_that_fails_its_check_gets_no_traffic() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    let web = evenkeel.address("web");
    endpoints[0]
        .health
        .store(503, std::sync::atomic::Ordering::SeqCst);
    let down = evenkeel.until("app", "a1", "down");
    assert_eq!(down["decided_by"], "check");
    assert!(down["why"].as_str().unwrap().contains("503"), "{down}");
    let before = endpoints[0].hits();
    names(web, 10);
    assert_eq!(endpoints[0].hits(), before);
}

#[test]
fn errors_in_real_traffic_eject_an_endpoint_whose_check_is_fine() {
    let endpoints = [
        Endpoint::start("a1"),
        Endpoint::start("a2"),
        Endpoint::start("a3"),
    ];
    let extra = "[pool.app.outlier]\nbase_ejection = \"1s\"\n";
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), extra));
    let web = evenkeel.address("web");
    endpoints[2]
        .answer
        .store(503, std::sync::atomic::Ordering::SeqCst);
    let ejected = eventually("it is ejected", || {
        assert_eq!(
            get(web, "/").unwrap().status,
            200,
            "a GET is tried again elsewhere"
        );
        evenkeel
            .endpoint("app", "a3")
            .filter(|e| e["state"] == "down")
    });
    assert_eq!(ejected["decided_by"], "outlier");
    endpoints[2]
        .answer
        .store(200, std::sync::atomic::Ordering::SeqCst);
    eventually("a trial brings it back", || {
        names(web, 6);
        evenkeel
            .endpoint("app", "a3")
            .filter(|e| e["state"] == "up")
    });
}

#[test]
fn a_post_is_never_executed_twice() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    let web = evenkeel.address("web");
    endpoints[0]
        .answer
        .store(503, std::sync::atomic::Ordering::SeqCst);
    let statuses: Vec<u16> = (0..20)
        .map(|i| {
            request(web, "POST", "/", &format!("order-{i}"))
                .unwrap()
                .status
        })
        .collect();
    assert!(
        statuses.contains(&503),
        "the endpoint's own answer is passed on: {statuses:?}"
    );
    let mut posts: Vec<String> = endpoints
        .iter()
        .flat_map(|e| e.posts.lock().unwrap().clone())
        .collect();
    let all = posts.len();
    posts.sort();
    posts.dedup();
    assert_eq!((all, posts.len()), (20, 20));
}

#[test]
fn posts_avoid_an_endpoint_that_just_failed() {
    let endpoints = [
        Endpoint::start("a1"),
        Endpoint::start("a2"),
        Endpoint::start("a3"),
    ];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    let web = evenkeel.address("web");
    endpoints[2]
        .answer
        .store(503, std::sync::atomic::Ordering::SeqCst);
    let failed = (0..12)
        .filter(|i| {
            request(web, "POST", "/", &format!("order-{i}"))
                .unwrap()
                .status
                == 503
        })
        .count();
    // One finds out; a machine so slow that a second passes may send another.
    assert!((1..=3).contains(&failed), "{failed} of 12");
}

#[test]
fn with_nothing_usable_the_answer_says_so() {
    let endpoint = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
    let web = evenkeel.address("web");
    evenkeel.ask(
        "POST",
        "/v1/pools/app/endpoints/a1/state",
        r#"{"state":"maintenance"}"#,
    );
    let answer = eventually("maintenance holds", || {
        get(web, "/").ok().filter(|a| a.status == 503)
    });
    assert!(answer.field("retry-after").is_some(), "{}", answer.head);
    assert!(
        answer
            .field("proxy-status")
            .unwrap()
            .starts_with("evenkeel"),
        "{}",
        answer.head
    );
    evenkeel.ask(
        "POST",
        "/v1/pools/app/endpoints/a1/state",
        r#"{"state":"ready"}"#,
    );
    eventually("ready takes it back", || {
        get(web, "/").ok().filter(|a| a.status == 200)
    });
}

#[test]
fn what_is_ambiguous_is_refused_and_never_forwarded() {
    let endpoint = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
    let web = evenkeel.address("web");
    for bad in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /../x HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut stream = connect(web).unwrap();
        stream.write_all(bad.as_bytes()).unwrap();
        let answer = Answer::read(&mut stream).unwrap();
        assert_eq!(answer.status, 400, "{bad:?}");
        assert_eq!(
            stream.read(&mut [0; 1]).unwrap_or(0),
            0,
            "the connection is closed after {bad:?}"
        );
    }
    assert_eq!(endpoint.hits(), 0);
}
