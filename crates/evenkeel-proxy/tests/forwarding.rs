//! What goes in at one side comes out at the other: every kind of body, both ways.

mod support;

use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use evenkeel_core::settings::RouteAction;
use support::*;

#[test]
fn a_get_is_answered_by_the_endpoint_and_both_connections_are_used_again() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    for _ in 0..50 {
        client.send(get("/x?y=1"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "a1"));
    }
    let seen = endpoint.seen();
    assert_eq!(seen.len(), 50);
    assert_eq!(seen[0].path(), "/x?y=1");
    assert_eq!(seen[0].field("host"), Some("example.com"));
    assert_eq!(seen[0].field("x-forwarded-for"), Some("127.0.0.1"));
    assert!(seen[0].field("x-request-id").is_some());
    assert_eq!(
        endpoint
            .connections
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let endpoint = Endpoint::http(|request| ok(request.path()));
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    let all: String = (0..200)
        .map(|i| {
            if i % 3 == 0 {
                post(&format!("/{i}"), "body")
            } else {
                get(&format!("/{i}"))
            }
        })
        .collect();
    client.send(all);
    for i in 0..200 {
        assert_eq!(client.answer().text(), format!("/{i}"));
    }
    assert!(
        endpoint
            .seen()
            .iter()
            .all(|r| r.method() == "GET" || r.body == b"body")
    );
}

#[test]
fn a_request_that_comes_byte_by_byte_is_the_same_request() {
    let endpoint = Endpoint::http(|r| ok(std::str::from_utf8(&r.body).unwrap()));
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    for byte in post("/slow", "hello").bytes() {
        client.send([byte]);
    }
    assert_eq!(client.answer().text(), "hello");
}

#[test]
fn bodies_of_any_length_pass_unchanged_in_both_directions() {
    let endpoint = Endpoint::http(|request| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        )
        .into_bytes();
        answer.extend_from_slice(&request.body);
        answer
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    for len in [
        0, 1, 100, 16_383, 16_384, 16_385, 40_000, 70_000, 300_000, 3_000_000,
    ] {
        let body = noise(len);
        let mut writing = client.stream.try_clone().unwrap();
        let sent = body.clone();
        let writer = std::thread::spawn(move || {
            use std::io::Write;
            let head = format!(
                "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                sent.len()
            );
            writing.write_all(head.as_bytes()).unwrap();
            writing.write_all(&sent).unwrap();
        });
        let answer = client.answer();
        writer.join().unwrap();
        assert!(answer.complete && answer.body == body, "{len} bytes");
    }
}

#[test]
fn what_came_of_a_large_body_reaches_the_client_before_the_rest_is_sent() {
    let body = noise(200_000);
    for first in [0, 100, 16_000, 20_000, 60_000] {
        let (arrived, go_on) = std::sync::mpsc::channel::<()>();
        let (sent, go_on) = (body.clone(), std::sync::Mutex::new(go_on));
        let endpoint = Endpoint::raw(move |mut client, _| {
            client.head();
            let mut part = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n".to_vec();
            part.extend_from_slice(&sent[..first]);
            client.send(part);
            go_on.lock().unwrap().recv().unwrap();
            client.send(&sent[first..]);
        });
        let running = Setup::http(&[endpoint.address]).start();
        let mut client = running.client();
        client.send(get("/"));
        client.head().expect("a head");
        assert!(client.take(first) == body[..first], "{first} bytes");
        arrived.send(()).unwrap();
        assert!(
            client.take(200_000 - first) == body[first..],
            "after {first}"
        );
    }
}

#[test]
fn chunked_bodies_pass_in_both_directions_with_their_trailers() {
    let endpoint = Endpoint::http(|request| {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in request.body.chunks(700) {
            answer.extend_from_slice(format!("{:x};ext=1\r\n", piece.len()).as_bytes());
            answer.extend_from_slice(piece);
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"0\r\nX-Sum: 7\r\n\r\n");
        answer
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    for len in [1, 699, 20_000, 200_000] {
        let body = noise(len);
        let mut request =
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in body.chunks(333) {
            request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            request.extend_from_slice(piece);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\n\r\n");
        let mut writing = client.stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            use std::io::Write;
            writing.write_all(&request).unwrap();
        });
        let answer = client.answer();
        writer.join().unwrap();
        assert!(answer.complete && answer.body == body, "{len} bytes");
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    }
}

#[test]
fn a_body_until_close_ends_with_the_connection() {
    let body = noise(500_000);
    let sent = body.clone();
    let endpoint = Endpoint::raw(move |mut client, _| {
        client.head();
        client.send(b"HTTP/1.1 200 OK\r\n\r\n");
        client.send(&sent);
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    let answer = client.answer();
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(answer.body, body);
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let endpoint = Endpoint::http(|request| match request.path() {
        "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n".to_vec(),
        _ if request.method() == "HEAD" => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_vec()
        }
        _ => ok("body"),
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    for path in ["/204", "/304", "/x"] {
        client.send(get(path));
        client.answer();
        client.send("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer_to(true).field("content-length"), Some("10"));
    }
    client.send(get("/"));
    assert_eq!(client.answer().text(), "body");
    assert_eq!(
        endpoint
            .connections
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
}

#[test]
fn an_answer_may_begin_and_end_before_the_request_body_does() {
    let endpoint = Endpoint::raw(|mut client, _| {
        client.head();
        client.send(ok("early"));
        // It reads the rest and serves on.
        let body = client.take(10);
        assert_eq!(body, b"0123456789");
        client.head();
        client.send(ok("next"));
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    assert_eq!(client.answer().text(), "early");
    client.send("56789");
    client.send(get("/"));
    assert_eq!(client.answer().text(), "next");
}

#[test]
fn an_answer_of_an_endpoint_that_closes_early_reaches_the_client() {
    let endpoint = Endpoint::raw(|mut client, _| {
        client.head();
        client.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!");
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    client.send(noise(10_000));
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (413, "no!"));
    assert!(client.ended());
}

#[test]
fn a_client_that_expects_is_told_to_continue_by_the_endpoint() {
    let endpoint = Endpoint::raw(|mut client, _| {
        let head = client.head().unwrap();
        assert_eq!(field(&head, "expect"), Some("100-continue"));
        client.send(b"HTTP/1.1 100 Continue\r\n\r\n");
        let body = client.take(5);
        client.send(ok(std::str::from_utf8(&body).unwrap()));
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert!(client.head().unwrap().starts_with("HTTP/1.1 100 "));
    client.send("hello");
    assert_eq!(client.answer().text(), "hello");
}

/// It will not send the body, so the connection cannot be used again, and a client that is not told so would try.
#[test]
fn a_client_whose_expectation_is_refused_is_told_that_the_connection_closes() {
    let endpoint = Endpoint::raw(|mut client, _| {
        client.head();
        client.send(status(417, "no"));
        client.ended();
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (417, "no"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.ended());
}

#[test]
fn interim_answers_are_passed_on_before_the_final_one() {
    let endpoint = Endpoint::http(|_| {
        let mut all = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec();
        all.extend(ok("final"));
        all
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    let early = client.head().unwrap();
    assert!(early.starts_with("HTTP/1.1 103 ") && field(&early, "link") == Some("</a>"));
    assert_eq!(client.answer().text(), "final");
}

/// Whether the client reads them or not: what is held for it must not grow with what the endpoint sends.
#[test]
fn an_endpoint_that_floods_with_interim_answers_is_cut_off() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let endpoint = Endpoint::raw(move |mut client, _| {
        client.head();
        let some = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n".repeat(100);
        while client.stream.write_all(some.as_bytes()).is_ok() {
            count.fetch_add(some.len(), SeqCst);
        }
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    let last = loop {
        let head = client.head().unwrap();
        if !head.starts_with("HTTP/1.1 103 ") {
            break head;
        }
    };
    assert!(last.starts_with("HTTP/1.1 502 "), "{last}");
    // Beside what was passed on, the sockets' own buffers.
    assert!(sent.load(SeqCst) < 16 << 20, "{}", sent.load(SeqCst));
}

#[test]
fn a_client_that_half_closes_still_gets_its_answer() {
    let endpoint = Endpoint::http(|_| {
        std::thread::sleep(Duration::from_millis(50));
        ok("late")
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send(get("/"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.answer().text(), "late");
    assert!(client.ended());
    // Those who leave look the same.
    let counted = |running: &Running| {
        let workers = &running.shared(0).workers;
        [
            workers.sum(|w| w.successes.value()),
            workers.sum(|w| w.answered.value()),
            workers.sum(|w| w.in_vain.value()),
        ]
    };
    assert_eq!(counted(&running), [1, 0, 1]);
    assert_eq!(running.once(&get("/")).text(), "late");
    assert_eq!(counted(&running), [2, 1, 1]);
}

#[test]
fn an_answer_cut_short_by_the_endpoint_is_cut_short_for_the_client() {
    let endpoint = Endpoint::raw(|mut client, _| {
        let head = client.head().unwrap();
        let path = head.split(' ').nth(1).unwrap();
        client.send(match path {
            "/length" => &b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"[..],
            _ => &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"[..],
        });
    });
    let mut running = Setup::http(&[endpoint.address]).start();
    for path in ["/length", "/chunked"] {
        let answer = running.once(&get(path));
        assert_eq!(
            (answer.status, &answer.body[..], answer.complete),
            (200, &b"half"[..], false)
        );
    }
    until("both were reported", || {
        running.shared(0).workers.sum(|w| w.failures.value()) == 2
    });
    assert_eq!(running.failures().len(), 2);
}

#[test]
fn an_upgrade_becomes_a_tunnel_after_the_endpoints_101() {
    let endpoint = Endpoint::raw(|mut client, _| {
        let head = client.head().unwrap();
        assert_eq!(field(&head, "upgrade"), Some("websocket"));
        client.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi");
        while client.more() {
            let echoed = std::mem::take(&mut client.ahead);
            client.send(echoed);
        }
    });
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "));
    assert_eq!(client.take(2), b"hi");
    for len in [1, 1000, 200_000] {
        let sent = noise(len);
        let mut writing = client.stream.try_clone().unwrap();
        let bytes = sent.clone();
        let writer =
            std::thread::spawn(move || std::io::Write::write_all(&mut writing, &bytes).unwrap());
        assert!(client.take(len) == sent);
        writer.join().unwrap();
    }
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(client.ended());
}

#[test]
fn an_upgrade_that_the_endpoint_declines_stays_http() {
    let endpoint = Endpoint::named("no");
    let running = Setup::http(&[endpoint.address]).start();
    let mut client = running.client();
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.answer().text(), "no");
    client.send(get("/"));
    assert_eq!(client.answer().text(), "no");
}

#[test]
fn redirects_and_fixed_answers_need_no_endpoint() {
    let mut redirect = route(RouteAction::Redirect {
        to: "https://example.com/new".to_owned(),
        status: 308,
    });
    redirect.path = Some(evenkeel_core::settings::PathPattern::Exact(
        "/old".to_owned(),
    ));
    let respond = route(RouteAction::Respond {
        status: 200,
        body: "fixed".to_owned(),
        content_type: "text/plain".to_owned(),
    });
    let running = Setup::http(&[Endpoint::refusing()])
        .routes(vec![redirect, respond])
        .start();
    let mut client = running.client();
    client.send(get("/old"));
    let answer = client.answer();
    assert_eq!(answer.status, 308);
    assert_eq!(answer.field("location"), Some("https://example.com/new"));
    client.send(get("/other"));
    assert_eq!(client.answer().text(), "fixed");
}

#[test]
fn a_request_that_no_route_fits_gets_404_and_may_go_on() {
    let endpoint = Endpoint::named("a1");
    let running = Setup::http(&[endpoint.address])
        .route(|r| {
            r.host = Some(evenkeel_core::settings::HostPattern::Exact(
                "a.example".to_owned(),
            ))
        })
        .start();
    let mut client = running.client();
    client.send(get("/"));
    let answer = client.answer();
    assert_eq!(answer.status, 404);
    assert!(
        answer
            .field("proxy-status")
            .unwrap()
            .starts_with("evenkeel; error=")
    );
    client.send("GET / HTTP/1.1\r\nHost: A.example:80\r\n\r\n");
    assert_eq!(client.answer().text(), "a1");
}
