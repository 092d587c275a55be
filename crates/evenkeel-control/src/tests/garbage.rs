//! Whatever is sent, the answer is an error for whom it concerns, and the next request is answered as if nothing had been.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::rig::{PATIENCE, Rig, config, nowhere};
use crate::api::OPERATIONS;

#[test]
fn no_body_of_any_kind_ends_anything() {
    let rig = Rig::new(&config("", &[nowhere()]));
    let deep = "[".repeat(100_000);
    let bodies = [
        "",
        "null",
        "[]",
        "{",
        "{\"state\":",
        "{\"state\":\"up\"}",
        "{\"state\":7}",
        "{\"weight\":1e309}",
        "{\"weight\":-1}",
        "{\"weight\":99999999999999999999}",
        "{\"revision\":\"x\"}",
        "{\"state\":\"ready\",\"state\":\"ready\"}",
        "\0\u{1}\u{2}",
        "💥",
        "[[[[[[",
        deep.as_str(),
    ];
    for operation in OPERATIONS.iter().filter(|o| o.method != "GET") {
        let path = operation.path.replace("{pool}", "app");
        let path = path.replace("{endpoint}", "a1");
        for body in bodies {
            let headers = [("if-match", "*")];
            let answer = rig.ask(operation.method, &path, &headers, body);
            assert!(
                (200..500).contains(&answer.status()),
                "{path} {body:.40}: {answer:?}"
            );
            if answer.status() >= 400 {
                answer.code();
            }
        }
    }
    assert_eq!(rig.get("/healthz").status(), 200);
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let rig = Rig::new(&config("", &[nowhere()]));
    let large = "x".repeat(2 * 1024 * 1024);
    let answer = rig.ask("PUT", "/v1/config", &[("if-match", "*")], &large);
    assert!(matches!(answer.status(), 413 | 0), "{:.200}", answer.0);
    let claimed = format!(
        "PUT /v1/config HTTP/1.1\r\nhost: {}\r\nif-match: *\r\ncontent-length: 2097152\r\n\r\n",
        rig.address
    );
    // Neither one that says so before, nor one that does not say how much comes.
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    let chunked = format!(
        "PUT /v1/config HTTP/1.1\r\nhost: {}\r\nif-match: *\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n",
        rig.address
    );
    assert!(matches!(rig.raw(chunked.as_bytes()).status(), 413 | 0));
    let mut stream = TcpStream::connect(rig.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(claimed.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 413");
    assert_eq!(rig.get("/healthz").status(), 200);
}

#[test]
fn what_is_no_http_ends_its_own_connection_only() {
    let rig = Rig::new(&config("", &[nowhere()]));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(5000));
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"\r\n\r\n:\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v1/reload HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let answer = rig.raw(bytes);
        assert!(
            matches!(answer.status(), 0 | 400..=499),
            "{:?}: {answer:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
        );
    }
    assert_eq!(rig.get("/healthz").status(), 200);
}

#[test]
fn idle_connections_beyond_the_bound_are_closed_and_do_not_stay_in_the_way() {
    let rig = Rig::new(&config("", &[nowhere()]));
    let mut idle: Vec<_> = (0..200)
        .map(|_| TcpStream::connect(rig.address).unwrap())
        .collect();
    // One that was one too many reads its end.
    let last = idle.last_mut().unwrap();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(matches!(last.read(&mut [0; 1]), Ok(0) | Err(_)));
    drop(idle);
    rig.until("an answer again", |rig| rig.get("/healthz").status() == 200);
}
