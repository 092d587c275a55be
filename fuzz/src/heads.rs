//! Heads of requests and answers: the same under any split; whatever is accepted is also accepted by a parser used all over
//! the world, and what is written for the other side is read there the same.

use evenkeel_proxy::http1::{
    Asked, Forward, Framing, Limits, Progress, RequestHead, ResponseForward, ResponseHead, Version,
    write_request_head, write_response_head,
};

const LIMITS: Limits = Limits {
    max_head: 4096,
    max_fields: 32,
};
/// What we write has further fields.
const WIDER: Limits = Limits {
    max_head: 8192,
    max_fields: 48,
};

/// The first bytes say how the rest is split; the rest is a request.
pub fn request_head(data: &[u8]) {
    let (ends, input) = crate::splits(data);
    let mut whole = RequestHead::default();
    let wanted = whole.parse(input, &LIMITS);
    let mut head = RequestHead::default();
    let mut seen = Ok(Progress::Partial);
    for end in ends {
        seen = head.parse(&input[..end], &LIMITS);
        if seen != Ok(Progress::Partial) {
            break;
        }
    }
    assert_eq!(seen, wanted);
    if let Ok(Progress::Complete { len }) = wanted {
        assert_eq!(format!("{head:?}"), format!("{whole:?}"));
        for trusted in [false, true] {
            rewritten_request(&head, &input[..len], trusted);
        }
    }
}

fn rewritten_request(head: &RequestHead, bytes: &[u8], trusted: bool) {
    assert!(head.path(bytes).starts_with('/') || head.path(bytes) == "*");
    let forward = Forward {
        client_ip: "192.0.2.7",
        proto: "http",
        trusted,
        request_id: 1,
        span_id: 2,
        fallback_host: "127.0.0.1",
        ..Forward::default()
    };
    let mut out = Vec::new();
    write_request_head(&mut out, head, bytes, &forward);
    let mut again = RequestHead::default();
    let result = again.parse(&out, &WIDER);
    assert_eq!(result, Ok(Progress::Complete { len: out.len() }));
    assert_eq!(again.method_str(&out), head.method_str(bytes));
    assert_eq!(again.path(&out), head.path(bytes));
    assert_eq!(again.query(&out), head.query(bytes));
    assert_eq!(again.framing(), head.framing());
    assert_eq!(offers(again.upgrade(&out)), offers(head.upgrade(bytes)));
    if !head.host().is_empty() {
        assert_eq!(again.host(), head.host());
    }
    let lengths = again.values(&out, "content-length").count();
    let codings = again.values(&out, "transfer-encoding").count();
    assert!(lengths + codings <= 1);
    assert_eq!(again.values(&out, "host").count(), 1);
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let verdict = httparse::Request::new(&mut fields).parse(&out);
    assert_eq!(verdict, Ok(httparse::Status::Complete(out.len())));
}

/// The protocols of an offer; it is written anew in its one form.
fn offers(upgrade: Option<&[u8]>) -> Option<Vec<&[u8]>> {
    let protocols = upgrade?.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    Some(protocols.filter(|p| !p.is_empty()).collect())
}

/// The first byte says what was asked, the next ones how the rest is split; the rest is an answer.
pub fn response_head(data: &[u8]) {
    let Some((&what, data)) = data.split_first() else {
        return;
    };
    let asked = Asked {
        head: what & 1 != 0,
        upgrade: (what & 2 != 0).then_some(b"websocket"),
    };
    let (ends, input) = crate::splits(data);
    let mut whole = ResponseHead::default();
    let wanted = whole.parse(input, &LIMITS, asked);
    let mut head = ResponseHead::default();
    let mut seen = Ok(Progress::Partial);
    for end in ends {
        seen = head.parse(&input[..end], &LIMITS, asked);
        if seen != Ok(Progress::Partial) {
            break;
        }
    }
    assert_eq!(seen, wanted);
    if let Ok(Progress::Complete { len }) = wanted {
        assert_eq!(format!("{head:?}"), format!("{whole:?}"));
        let old = what & 4 != 0;
        rewritten_response(&head, &input[..len], asked, old);
    }
}

fn rewritten_response(head: &ResponseHead, bytes: &[u8], asked: Asked<'_>, old: bool) {
    let client = if old {
        Version::Http10
    } else {
        Version::Http11
    };
    let forward = ResponseForward {
        client,
        persistent: true,
        date: None,
    };
    let mut out = Vec::new();
    let sent = write_response_head(&mut out, head, bytes, &forward);
    assert!(sent.framing == head.framing() || old && sent.framing == Framing::UntilClose);
    if head.interim() && old {
        assert!(out.is_empty());
        return;
    }
    let mut again = ResponseHead::default();
    let result = again.parse(&out, &WIDER, asked);
    assert_eq!(result, Ok(Progress::Complete { len: out.len() }));
    assert_eq!(again.status(), head.status());
    assert_eq!(again.framing(), sent.framing);
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let verdict = httparse::Response::new(&mut fields).parse(&out);
    assert_eq!(verdict, Ok(httparse::Status::Complete(out.len())));
}
