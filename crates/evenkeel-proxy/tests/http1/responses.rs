//! Answers of endpoints: which are garbage, how the others are framed, and what the client gets.

use evenkeel_proxy::http1::{
    Asked, Framing, Garbage, Progress, ResponseForward, ResponseHead, Sent, Version,
    write_response_head,
};

use crate::{LIMITS, judge};

#[rustfmt::skip]
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let ok = |rest: &[u8]| [b"HTTP/1.1 200 OK\r\n", rest, b"\r\n\r\n"].concat();
    let line = |line: &str| format!("{line}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    vec![
        ("9112 4 not HTTP", b"hello\r\n\r\n".to_vec()),
        ("9112 4 not HTTP", b"\x16\x03\x01".to_vec()),
        ("9112 4 not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("9112 4 not HTTP", b"+PONG\r\n".to_vec()),
        ("9112 4 HTTP/0.9", b"<html></html>".to_vec()),
        ("9112 4 empty line first", [b"\r\n".to_vec(), ok(b"Content-Length: 0")].concat()),
        ("9112 4 space first", [b" ".to_vec(), ok(b"Content-Length: 0")].concat()),
        ("9112 2.3 version", line("HTTP/2.0 200 OK")),
        ("9112 2.3 version", line("HTTP/1.10 200 OK")),
        ("9112 2.3 version", line("http/1.1 200 OK")),
        ("9112 2.3 version", line("HTTP/11 200 OK")),
        ("9112 2.3 version", line("ICY 200 OK")),
        ("9112 4 status", line("HTTP/1.1 20 OK")),
        ("9112 4 status", line("HTTP/1.1 2000 OK")),
        ("9112 4 status", line("HTTP/1.1 2x0 OK")),
        ("9112 4 status", line("HTTP/1.1 099 OK")),
        ("9112 4 status", line("HTTP/1.1 -20 OK")),
        ("9110 15 status", line("HTTP/1.1 600 OK")),
        ("9110 15 status", line("HTTP/1.1 999 OK")),
        ("9110 15.2 interim with a body", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n".to_vec()),
        ("9110 15.2 interim with a body", b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
        ("9112 4 status", line("HTTP/1.1  200 OK")),
        ("9112 4 status", line("HTTP/1.1\t200 OK")),
        ("9112 4 status", line("HTTP/1.1 200OK")),
        ("9112 4 status", line("HTTP/1.1 ")),
        ("9112 4 status", line("HTTP/1.1")),
        ("9112 4 reason", ok(b"").windows(1).flatten().copied().map(|b| if b == b'K' { 0 } else { b }).collect()),
        ("9112 4 reason", b"HTTP/1.1 200 O\rK\r\n\r\n".to_vec()),
        ("9112 2.2 lone LF", b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n".to_vec()),
        ("9112 2.2 lone LF", b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n".to_vec()),
        ("9112 2.2 lone LF", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n".to_vec()),
        ("9112 5.2 folding", ok(b"X: 1\r\n 2\r\nContent-Length: 0")),
        ("9112 5.2 folding", ok(b" X: 1\r\nContent-Length: 0")),
        ("9112 5.1 space before the colon", ok(b"Content-Length : 0")),
        ("9112 5 no colon", ok(b"Content-Length")),
        ("9110 5.1 name", ok(b": 0")),
        ("9110 5.1 name", ok(b"X Y: 0")),
        ("9110 5.1 name", ok(b"X\x80: 0")),
        ("9110 5.5 NUL", ok(b"X: a\x00")),
        ("9110 5.5 control", ok(b"X: a\x08")),
        ("9110 5.5 lone CR", ok(b"X: a\rSet-Cookie: b")),
        ("9112 6.1 both", ok(b"Content-Length: 5\r\nTransfer-Encoding: chunked")),
        ("9112 6.1 both", ok(b"Transfer-Encoding: chunked\r\nContent-Length: 5")),
        ("9112 6.3 two lengths", ok(b"Content-Length: 5\r\nContent-Length: 6")),
        ("9112 6.3 two equal lengths", ok(b"Content-Length: 5\r\nContent-Length: 5")),
        ("9112 6.3 list", ok(b"Content-Length: 5, 5")),
        ("9110 8.6 length", ok(b"Content-Length: -1")),
        ("9110 8.6 length", ok(b"Content-Length: x")),
        ("9110 8.6 length", ok(b"Content-Length:")),
        ("9110 8.6 length", ok(b"Content-Length: 99999999999999999999")),
        ("9112 6.1 coding", ok(b"Transfer-Encoding: gzip, chunked")),
        ("9112 6.1 coding", ok(b"Transfer-Encoding: identity")),
        ("9112 6.1 coding", ok(b"Transfer-Encoding: chunked, chunked")),
        ("9112 6.1 coding", ok(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
        ("9112 6.1 coding", ok(b"Transfer-Encoding:")),
        ("9112 6.1 HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
        ("9110 15.2.2 unasked 101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n".to_vec()),
        ("9110 7.6.1 Connection", ok(b"Connection: content-length\r\nContent-Length: 5")),
        ("9110 7.6.1 Connection", ok(b"Connection: a b")),
        ("too large", ok(&[b"X: ".to_vec(), vec![b'a'; 32 * 1024]].concat())),
        ("too many fields", ok(&b"X: 1\r\n".repeat(129))),
    ]
}

fn parse_as(bytes: &[u8], asked: Asked<'_>) -> (ResponseHead, Result<Progress, Garbage>) {
    let mut head = ResponseHead::default();
    let result = head.parse(bytes, &LIMITS, asked);
    (head, result)
}

fn parse(bytes: &[u8]) -> (ResponseHead, Result<Progress, Garbage>) {
    parse_as(bytes, Asked::default())
}

#[test]
fn an_answer_that_is_not_what_it_should_be_is_garbage() {
    let cases = garbage();
    assert!(cases.len() >= 40, "{}", cases.len());
    for (section, bytes) in &cases {
        let result = parse(bytes).1;
        assert!(
            result.is_err(),
            "{section}: {result:?}: {:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

const HEAD: Asked<'static> = Asked {
    head: true,
    upgrade: None,
};
const GET: Asked<'static> = Asked {
    head: false,
    upgrade: None,
};
const UPGRADE: Asked<'static> = Asked {
    head: false,
    upgrade: Some(b"websocket"),
};

#[rustfmt::skip]
fn fine() -> Vec<(&'static str, &'static str, Asked<'static>, Framing, bool)> {
    vec![
        ("9112 6.3 length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", GET, Framing::Length(5), true),
        ("9112 6.3 length 0", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", GET, Framing::Length(0), true),
        ("9112 6.3 chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", GET, Framing::Chunked, true),
        ("9112 6.3 until close", "HTTP/1.1 200 OK\r\n\r\n", GET, Framing::UntilClose, false),
        ("9112 4 no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", GET, Framing::Length(0), true),
        ("9112 4 no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", GET, Framing::Length(0), true),
        ("9112 4 reason", "HTTP/1.1 404 Nicht gefunden: \u{fc}\r\nContent-Length: 0\r\n\r\n", GET, Framing::Length(0), true),
        ("9112 2.3 a higher minor version", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", GET, Framing::Length(0), true),
        ("9110 15 other statuses", "HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n", GET, Framing::Length(0), true),
        ("9112 9.6 close", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", GET, Framing::Length(5), false),
        ("9112 9.3 HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", GET, Framing::Length(5), false),
        ("9112 9.3 HTTP/1.0 keep-alive", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", GET, Framing::Length(5), true),
        ("9110 9.3.2 HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HEAD, Framing::None, true),
        ("9110 9.3.2 HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HEAD, Framing::None, true),
        ("9110 9.3.2 HEAD", "HTTP/1.1 200 OK\r\n\r\n", HEAD, Framing::None, true),
        ("9110 15.3.5 204", "HTTP/1.1 204 No Content\r\n\r\n", GET, Framing::None, true),
        ("9110 15.3.5 204", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", GET, Framing::None, true),
        ("9110 8.6 204 that announces a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", GET, Framing::None, false),
        ("9112 6.1 204 that announces a body", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", GET, Framing::None, false),
        ("9110 15.4.5 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", GET, Framing::None, true),
        ("9110 15.2 100", "HTTP/1.1 100 Continue\r\n\r\n", GET, Framing::None, true),
        ("9110 15.2 103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", GET, Framing::None, true),
        ("9110 15.2.2 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", UPGRADE, Framing::Tunnel, false),
        ("9110 7.8 upgrade refused", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", UPGRADE, Framing::Length(1), true),
        ("9110 15.3.6 205", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", GET, Framing::Length(0), true),
    ]
}

#[test]
fn every_answer_is_framed_by_status_request_and_length_fields() {
    for (section, text, asked, framing, persistent) in fine() {
        let bytes = text.as_bytes();
        let (head, result) = parse_as(bytes, asked);
        assert_eq!(
            result,
            Ok(Progress::Complete { len: bytes.len() }),
            "{section}"
        );
        assert_eq!(
            (head.framing(), head.persistent()),
            (framing, persistent),
            "{section}: {text:?}"
        );
    }
}

#[test]
fn every_split_of_an_answer_gives_the_same_verdict() {
    let all = fine().into_iter().map(|f| (f.1.as_bytes().to_vec(), f.2));
    let bad = garbage()
        .into_iter()
        .map(|g| (g.1, GET))
        .filter(|g| g.0.len() < 2000);
    for (bytes, asked) in all.chain(bad) {
        let (whole_head, whole) = parse_as(&bytes, asked);
        for split in 0..bytes.len() {
            let mut head = ResponseHead::default();
            let mut result = head.parse(&bytes[..split], &LIMITS, asked);
            if result == Ok(Progress::Partial) {
                result = head.parse(&bytes, &LIMITS, asked);
            }
            assert_eq!(
                result,
                whole,
                "split at {split}: {:?}",
                String::from_utf8_lossy(&bytes)
            );
            if whole.is_ok() {
                assert_eq!(format!("{head:?}"), format!("{whole_head:?}"));
            }
        }
    }
}

fn sent(text: &str, asked: Asked<'_>, forward: ResponseForward<'_>) -> (Sent, Vec<u8>) {
    let (head, result) = parse_as(text.as_bytes(), asked);
    result.expect("a right head");
    let mut out = Vec::new();
    let sent = write_response_head(&mut out, &head, text.as_bytes(), &forward);
    (sent, out)
}

const KEEP: ResponseForward<'static> = ResponseForward {
    client: Version::Http11,
    persistent: true,
    date: None,
};

#[test]
fn every_answer_reaches_the_client_in_one_framing() {
    for (section, text, asked, framing, _) in fine() {
        let (sent, out) = sent(text, asked, KEEP);
        assert_eq!(sent.framing, framing, "{section}");
        let (line, judged) = judge::response(&out);
        assert_eq!(line[9..12], text[9..12], "{section}: {line}");
        let ends_by_close = matches!(framing, Framing::UntilClose | Framing::Tunnel);
        assert_eq!(sent.close, ends_by_close, "{section}");
        assert_eq!(
            judged.one("transfer-encoding").is_some(),
            framing == Framing::Chunked,
            "{section}"
        );
        if let Framing::Length(length) = framing {
            assert_eq!(
                judged.one("content-length"),
                Some(length.to_string()),
                "{section}"
            );
        }
        let connection = judged.one("connection");
        match framing {
            Framing::UntilClose => assert_eq!(connection.as_deref(), Some("close"), "{section}"),
            Framing::Tunnel => assert_eq!(connection.as_deref(), Some("upgrade"), "{section}"),
            _ => assert_eq!(connection, None, "{section}"),
        }
        let mut fields = [httparse::EMPTY_HEADER; 160];
        let status = httparse::Response::new(&mut fields).parse(&out);
        assert_eq!(
            status,
            Ok(httparse::Status::Complete(out.len())),
            "{section}"
        );
    }
}

#[test]
fn an_endpoint_switches_to_what_was_offered_or_to_nothing() {
    let switch = |rest: &str| {
        let text = format!("HTTP/1.1 101 Switching Protocols\r\n{rest}\r\n");
        parse_as(text.as_bytes(), UPGRADE).1.is_ok()
    };
    assert!(switch("Upgrade: WebSocket\r\nConnection: Upgrade\r\n"));
    for wrong in [
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Upgrade:\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n",
    ] {
        assert!(!switch(wrong), "{wrong:?}");
    }
}

#[test]
fn hop_by_hop_fields_of_an_answer_go_no_further() {
    let text = "HTTP/1.1 200 OK\r\nServer: x\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\n\
        Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTE: x\r\nTrailer: X\r\nContent-Length: 3\r\nX-Kept: \u{fc}\r\n\r\n";
    let (_, out) = sent(text, GET, KEEP);
    let (_, judged) = judge::response(&out);
    let names: Vec<&str> = judged
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["server", "x-kept", "content-length"]);
    assert_eq!(judged.all("x-kept"), ["\u{fc}".as_bytes()]);
}

#[test]
fn an_old_client_gets_no_chunks_and_no_interim_answer() {
    let old = ResponseForward {
        client: Version::Http10,
        ..KEEP
    };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n";
    let (how, out) = sent(chunked, GET, old);
    assert_eq!(
        how,
        Sent {
            framing: Framing::UntilClose,
            close: true
        }
    );
    let (_, judged) = judge::response(&out);
    assert_eq!(
        judged.fields,
        [("connection".to_owned(), b"close".to_vec())]
    );

    let (how, out) = sent("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", GET, old);
    assert!(!how.close);
    assert_eq!(
        judge::response(&out).1.one("connection").as_deref(),
        Some("keep-alive")
    );

    let (_, out) = sent("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", GET, old);
    assert_eq!(out, b"");
}

#[test]
fn a_client_that_wants_to_close_is_told_so() {
    let closing = ResponseForward {
        persistent: false,
        ..KEEP
    };
    let (how, out) = sent("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", GET, closing);
    assert!(how.close);
    assert_eq!(
        judge::response(&out).1.one("connection").as_deref(),
        Some("close")
    );
    let (how, out) = sent("HTTP/1.1 100 Continue\r\n\r\n", GET, closing);
    assert!(!how.close, "an interim answer ends nothing");
    assert_eq!(judge::response(&out).1.fields, []);
}

#[test]
fn a_head_answer_keeps_the_length_of_the_body_that_does_not_come() {
    let (_, out) = sent("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HEAD, KEEP);
    assert_eq!(
        judge::response(&out).1.one("content-length").as_deref(),
        Some("5")
    );
    let (_, out) = sent(
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        GET,
        KEEP,
    );
    assert_eq!(judge::response(&out).1.fields, []);
}

#[test]
fn an_answer_without_a_date_gets_one() {
    let dated = ResponseForward {
        date: Some(b"Sun, 06 Nov 1994 08:49:37 GMT"),
        ..KEEP
    };
    let (_, out) = sent("HTTP/1.1 204 No Content\r\n\r\n", GET, dated);
    assert_eq!(
        judge::response(&out).1.one("date").as_deref(),
        Some("Sun, 06 Nov 1994 08:49:37 GMT")
    );
    let (_, out) = sent("HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", GET, dated);
    assert_eq!(judge::response(&out).1.one("date").as_deref(), Some("x"));
}
