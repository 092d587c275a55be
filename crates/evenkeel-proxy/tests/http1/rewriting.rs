//! What a request gains and loses on its way to an endpoint.

use evenkeel_proxy::http1::{Forward, RequestHead, write_request_head};

use crate::LIMITS;
use crate::judge::{Judged, request};

const FORWARD: Forward<'static> = Forward {
    client_ip: "192.0.2.7",
    proto: "http",
    trusted: false,
    request_id: 0x0123_4567_89ab_cdef_0011_2233_4455_6677,
    span_id: 0x0102_0304_0506_0708,
    fallback_host: "10.0.0.1:9001",
    close: false,
    expect: true,
};
const TRUSTED: Forward<'static> = Forward {
    trusted: true,
    ..FORWARD
};
const ID: &str = "0123456789abcdef0011223344556677";

fn forwarded(text: &str, forward: &Forward<'_>) -> Judged {
    let mut head = RequestHead::default();
    head.parse(text.as_bytes(), &LIMITS).expect("a right head");
    let mut out = Vec::new();
    write_request_head(&mut out, &head, text.as_bytes(), forward);
    request(&out)
}

fn get(rest: &str, forward: &Forward<'_>) -> Judged {
    forwarded(
        &format!("GET / HTTP/1.1\r\nHost: Shop.example:81\r\n{rest}\r\n"),
        forward,
    )
}

#[test]
fn hop_by_hop_fields_and_those_named_by_connection_are_removed() {
    let judged = get(
        "Connection: close, X-Hop\r\nX-Hop: 1\r\nx-hop: 2\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\n\
         Trailer: X\r\nUpgrade: websocket\r\nProxy-Authorization: x\r\nX-Kept: 1\r\nCookie: a=b\r\n",
        &FORWARD,
    );
    let names: Vec<&str> = judged
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "host",
            "x-kept",
            "cookie",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-request-id",
            "traceparent"
        ]
    );
}

#[test]
fn a_stranger_is_not_believed() {
    let judged = get(
        "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: bank\r\nX-Forwarded-Port: 443\r\n\
         X_Forwarded_For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Request-Id: mine\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\n",
        &FORWARD,
    );
    assert_eq!(judged.one("x-forwarded-for").as_deref(), Some("192.0.2.7"));
    assert_eq!(judged.one("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(
        judged.one("x-forwarded-host").as_deref(),
        Some("Shop.example:81")
    );
    assert_eq!(judged.one("x-request-id").as_deref(), Some(ID));
    assert_eq!(
        judged.one("traceparent"),
        Some(format!("00-{ID}-0102030405060708-01"))
    );
    for gone in [
        "x-forwarded-port",
        "x_forwarded_for",
        "forwarded",
        "tracestate",
    ] {
        assert!(judged.all(gone).is_empty(), "{gone}");
    }
}

#[test]
fn a_trusted_proxy_is_believed_and_added_to() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let judged = get(
        &format!(
            "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\nX-Forwarded-Proto: https\r\n\
             X-Forwarded-Host: shop\r\nX-Forwarded-Port: 443\r\nForwarded: for=1.1.1.1\r\nX-Request-Id: theirs\r\n\
             tracestate: a=b\r\ntraceparent: {trace}\r\n"
        ),
        &TRUSTED,
    );
    assert_eq!(
        judged.one("x-forwarded-for").as_deref(),
        Some("1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7")
    );
    assert_eq!(judged.one("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(judged.one("x-forwarded-host").as_deref(), Some("shop"));
    assert_eq!(judged.one("x-forwarded-port").as_deref(), Some("443"));
    assert_eq!(judged.one("forwarded").as_deref(), Some("for=1.1.1.1"));
    assert_eq!(judged.one("x-request-id").as_deref(), Some("theirs"));
    assert_eq!(judged.one("traceparent").as_deref(), Some(trace));
    assert_eq!(judged.one("tracestate").as_deref(), Some("a=b"));
}

#[test]
fn what_a_trusted_proxy_left_out_or_broke_is_made_new() {
    for broken in [
        "",
        "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\ntracestate: a=b\r\n",
        "traceparent: 00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01\r\n",
        "tracestate: a=b\r\ntraceparent: x\r\n",
        "traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01\r\n",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n",
        "X-Request-Id:\r\n",
    ] {
        let judged = get(broken, &TRUSTED);
        assert_eq!(
            judged.one("traceparent"),
            Some(format!("00-{ID}-0102030405060708-01")),
            "{broken}"
        );
        assert!(judged.all("tracestate").is_empty(), "{broken}");
        assert_eq!(judged.one("x-request-id").as_deref(), Some(ID), "{broken}");
        assert_eq!(judged.one("x-forwarded-for").as_deref(), Some("192.0.2.7"));
    }
}

#[test]
fn one_value_of_each_forwarded_field_is_kept() {
    let judged = get(
        "X-Request-Id: a\r\nX-Request-Id: b\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
        &TRUSTED,
    );
    assert_eq!(judged.one("x-request-id").as_deref(), Some("a"));
    assert_eq!(judged.one("x-forwarded-proto").as_deref(), Some("https"));
}

#[test]
fn forwarded_fields_named_by_connection_are_made_new() {
    let judged = get(
        "Connection: X-Forwarded-For, X-Request-Id\r\nX-Forwarded-For: 1.1.1.1\r\nX-Request-Id: a\r\n",
        &TRUSTED,
    );
    assert_eq!(judged.one("x-forwarded-for").as_deref(), Some("192.0.2.7"));
    assert_eq!(judged.one("x-request-id").as_deref(), Some(ID));
}

#[test]
fn a_client_without_an_address_adds_nothing() {
    let unix = Forward {
        client_ip: "",
        ..FORWARD
    };
    assert!(get("", &unix).all("x-forwarded-for").is_empty());
    let trusted = Forward {
        client_ip: "",
        ..TRUSTED
    };
    let judged = get("X-Forwarded-For: 1.1.1.1\r\n", &trusted);
    assert_eq!(judged.one("x-forwarded-for").as_deref(), Some("1.1.1.1"));
}

#[test]
fn the_absolute_form_decides_the_host() {
    let judged = forwarded(
        "GET http://b.example:82/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
        &FORWARD,
    );
    assert_eq!(judged.target, "/x?y");
    assert_eq!(judged.one("host").as_deref(), Some("b.example:82"));
    assert_eq!(
        judged.one("x-forwarded-host").as_deref(),
        Some("b.example:82")
    );
}

#[test]
fn a_request_without_host_gets_the_endpoints_address() {
    let judged = forwarded("GET / HTTP/1.0\r\n\r\n", &FORWARD);
    assert_eq!(judged.one("host").as_deref(), Some("10.0.0.1:9001"));
}

#[test]
fn an_upgrade_goes_on_whole() {
    let judged = get(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n",
        &FORWARD,
    );
    assert_eq!(judged.one("upgrade").as_deref(), Some("websocket"));
    assert_eq!(judged.one("connection").as_deref(), Some("upgrade"));
    assert_eq!(judged.one("sec-websocket-key").as_deref(), Some("x"));
}

#[test]
fn the_expectation_goes_on_only_where_it_is_not_answered_here() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(
        forwarded(post, &FORWARD).one("expect").as_deref(),
        Some("100-continue")
    );
    let answered = Forward {
        expect: false,
        ..FORWARD
    };
    assert!(forwarded(post, &answered).all("expect").is_empty());
    let old = "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    assert!(forwarded(old, &FORWARD).all("expect").is_empty());
}

#[test]
fn a_hop_is_taken_off_what_may_go_only_so_far() {
    for (sent, goes_on) in [("7", "6"), ("0001", "0"), ("99999999999999", "4294967294")] {
        let options = format!("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {sent}\r\n\r\n");
        assert_eq!(
            forwarded(&options, &FORWARD).one("max-forwards").as_deref(),
            Some(goes_on)
        );
    }
    assert_eq!(
        get("Max-Forwards: 7\r\n", &FORWARD)
            .one("max-forwards")
            .as_deref(),
        Some("7")
    );
    let named =
        "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: max-forwards\r\nMax-Forwards: 7\r\n\r\n";
    assert_eq!(
        forwarded(named, &FORWARD).one("max-forwards").as_deref(),
        Some("6")
    );
}

#[test]
fn an_expectation_is_said_once_and_not_if_it_was_for_us_alone() {
    let post = |rest: &str| {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n{rest}\r\n");
        forwarded(&text, &FORWARD)
    };
    let twice = post("Expect: 100-continue\r\nExpect: , 100-Continue\r\n");
    assert_eq!(twice.one("expect").as_deref(), Some("100-continue"));
    assert!(post("Expect:\r\n").all("expect").is_empty());
    assert!(
        post("Expect: 100-continue\r\nConnection: expect\r\n")
            .all("expect")
            .is_empty()
    );
}

#[test]
fn nothing_of_an_upgrade_to_http_2_goes_on() {
    for rest in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "HTTP2-Settings: x\r\n",
    ] {
        let judged = get(rest, &FORWARD);
        for gone in ["upgrade", "connection", "http2-settings"] {
            assert!(judged.all(gone).is_empty(), "{gone}: {rest}");
        }
    }
}

#[test]
fn a_program_cannot_be_given_a_proxy() {
    assert!(
        get("Proxy: evil.example\r\n", &FORWARD)
            .all("proxy")
            .is_empty()
    );
}

#[test]
fn an_offer_is_written_in_its_one_form() {
    let judged = get(
        "Upgrade: , a/1 ,,websocket\r\nConnection: upgrade\r\n",
        &FORWARD,
    );
    assert_eq!(judged.one("upgrade").as_deref(), Some("a/1, websocket"));
}

#[test]
fn a_port_is_written_in_its_one_form() {
    for (sent, host) in [
        ("a:", "a"),
        ("A:0080", "A:80"),
        ("[::1]:", "[::1]"),
        ("a:80", "a:80"),
    ] {
        for text in [
            format!("GET / HTTP/1.1\r\nHost: {sent}\r\n\r\n"),
            format!("GET http://{sent}/ HTTP/1.1\r\nHost: b:0081\r\n\r\n"),
        ] {
            let judged = forwarded(&text, &FORWARD);
            assert_eq!(judged.one("host").as_deref(), Some(host));
            assert_eq!(judged.one("x-forwarded-host").as_deref(), Some(host));
        }
    }
}

#[test]
fn an_absolute_target_has_the_scheme_of_its_connection() {
    for (tls, scheme, fine) in [
        (false, "http", true),
        (false, "https", false),
        (true, "HTTPS", true),
        (true, "http", false),
    ] {
        let text = format!("GET {scheme}://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut head = RequestHead::default();
        head.over_tls(tls);
        for _ in 0..2 {
            let result = head.parse(text.as_bytes(), &LIMITS);
            assert_eq!(result.is_ok(), fine, "{scheme}, TLS {tls}");
        }
    }
}

#[test]
fn a_half_read_head_that_can_become_none_need_not_be_waited_for() {
    for (text, hopeless) in [
        ("GET / HTTP/1.1\r\nHost: a\r", false),
        ("GET / HTTP/1.1\r\nHost: \ta\u{e9}", false),
        ("GET / HTTP/1.1\rHost: a", true),
        ("GET / HTTP/1.1\r\nHost: a\0", true),
        ("GET / HTTP/1.1\r\nHost: \u{7f}\r\nX: ", true),
        ("GET \u{1b}", true),
    ] {
        let bytes = text.as_bytes();
        let mut head = RequestHead::default();
        let _ = head.parse(bytes, &LIMITS);
        assert_eq!(head.is_hopeless(bytes), hopeless, "{text:?}");
        head.reset();
        let seen = (1..=bytes.len()).any(|end| head.is_hopeless(&bytes[..end]));
        assert_eq!(seen, hopeless, "{text:?} byte by byte");
    }
}

#[test]
fn the_last_request_of_a_connection_says_so() {
    let closing = Forward {
        close: true,
        ..FORWARD
    };
    assert_eq!(
        get("", &closing).one("connection").as_deref(),
        Some("close")
    );
    assert!(
        get("Connection: close\r\n", &FORWARD)
            .all("connection")
            .is_empty()
    );
}

#[test]
fn trailers_are_announced_only_with_chunks() {
    let chunked = get("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", &FORWARD);
    assert_eq!(chunked.one("trailer").as_deref(), Some("X-Sum"));
    let length = get("Content-Length: 1\r\nTrailer: X-Sum\r\n", &FORWARD);
    assert!(length.all("trailer").is_empty());
    for never in ["X-Sum, Content-Length", "Transfer-Encoding", "Host", ""] {
        let rest = format!("Transfer-Encoding: chunked\r\nTrailer: {never}\r\n");
        assert!(get(&rest, &FORWARD).all("trailer").is_empty(), "{never}");
    }
}
