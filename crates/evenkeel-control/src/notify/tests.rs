//! Webhooks against real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use evenkeel_core::time::WallTime;
use evenkeel_schema::Stamp;

use super::*;

fn notice() -> Notice {
    Notice {
        delivery: "0123".into(),
        event: "test".into(),
        node: "lb-1".into(),
        pools: vec!["app".into()],
        why: "a test".into(),
        at: Stamp(WallTime(1_700_000_000_000)),
        sent_at: Stamp(WallTime(1_700_000_000_999)),
        incident: None,
    }
}

/// Answers once with this; gives back what was asked.
fn server(answer: &'static str) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (said, heard) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        // The body ends with the object's brace.
        while !text.ends_with(b"}") {
            match stream.read(&mut buffer) {
                Ok(n) if n > 0 => text.extend_from_slice(&buffer[..n]),
                _ => break,
            }
        }
        let _ = stream.write_all(answer.as_bytes());
        let _ = said.send(String::from_utf8(text).unwrap());
    });
    (address, heard)
}

fn post(url: &str, secret: Option<&Secret>) -> Result<String, Missed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let body = serde_json::to_vec(&notice()).unwrap();
    runtime.block_on(webhook::post(url, secret, &notice(), body))
}

#[test]
fn a_webhook_is_one_signed_post_and_nothing_of_its_url_is_lost() {
    let (address, heard) = server("HTTP/1.1 204 No Content\r\n\r\n");
    let secret = Secret::new("key".into());
    let said = post(&format!("http://{address}/x/y?z=1#part"), Some(&secret));
    assert_eq!(said.unwrap(), "HTTP 204");
    let text = heard.recv().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /x/y?z=1 HTTP/1.1\r\n"), "{head}");
    let signed = sign::signature(&secret, WallTime(1_700_000_000_999), body.as_bytes());
    for field in [
        format!("host: {address}"),
        "content-type: application/json".into(),
        "evenkeel-event: test".into(),
        "evenkeel-delivery: 0123".into(),
        format!("evenkeel-signature: {signed}"),
    ] {
        assert!(head.lines().any(|line| line == field), "{field} in {head}");
    }
    let read: Notice = serde_json::from_str(body).unwrap();
    assert_eq!(read, notice());
}

#[test]
fn a_signature_is_hmac_sha256_over_moment_and_body() {
    // By another implementation: python3 -c 'import hmac; print(hmac.new(b"key", b"1700000000.{}", "sha256").hexdigest())'
    let signed = sign::signature(
        &Secret::new("key".into()),
        WallTime(1_700_000_000_123),
        b"{}",
    );
    let (moment, mac) = signed.split_once(",v1=").unwrap();
    assert_eq!(moment, "t=1700000000");
    assert_eq!(mac, EXPECTED);
}

const EXPECTED: &str = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";

#[test]
fn what_an_answer_means_for_the_next_try() {
    let cases = [
        ("HTTP/1.1 200 OK\r\n\r\n", None),
        (
            "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
            Some(Failure::Refused),
        ),
        ("HTTP/1.1 404 Not Found\r\n\r\n", Some(Failure::Refused)),
        (
            "HTTP/1.1 500 X\r\n\r\n",
            Some(Failure::Failed { not_before: None }),
        ),
        (
            "HTTP/1.1 429 X\r\nRetry-After: 7\r\n\r\n",
            Some(Failure::Failed {
                not_before: Some(Duration::from_secs(7)),
            }),
        ),
        (
            "garbage\r\n\r\n",
            Some(Failure::Failed { not_before: None }),
        ),
        ("", Some(Failure::Failed { not_before: None })),
    ];
    for (answer, expected) in cases {
        let (address, _heard) = server(answer);
        let found = post(&format!("http://{address}"), None);
        assert_eq!(
            found.err().map(|(failure, _)| failure),
            expected,
            "{answer}"
        );
    }
    // Bound, so that nobody else gets it, and not listening.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed_at = closed.local_addr().unwrap();
    let (failure, why) = post(&format!("http://{closed_at}/"), None).unwrap_err();
    assert_eq!(failure, Failure::Failed { not_before: None });
    assert!(why.contains("refused"), "{why}");
}

#[test]
fn numbers_differ_and_nothing_behind_a_host_is_shown() {
    assert_ne!(number(), number());
    let shows = |url: &str| shown(&Messenger::Webhook(url.into()));
    assert_eq!(
        shows("https://hooks.example.com/T0/s3cret"),
        "https://hooks.example.com/…"
    );
    assert_eq!(shows("http://[::1]:80?key=s3cret"), "http://[::1]:80/…");
    assert_eq!(shows("http://a"), "http://a");
}
