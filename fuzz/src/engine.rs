//! The whole engine under arbitrary splits, on both sides: a client's bytes become what an endpoint gets, and an endpoint's bytes what
//! the client gets. However the input is cut, the same comes out, and a judge that shares no code with the engine (the one of the
//! proxy's own tests) has nothing to say against it.

use evenkeel_proxy::http1::{
    Asked, Body, Forward, Framing, Limits, Progress, RequestHead, ResponseForward, ResponseHead,
    To, Version, write_request_head, write_response_head,
};

use crate::judge::{self, Seen};

const LIMITS: Limits = Limits {
    max_head: 4096,
    max_fields: 32,
};
/// A client may send so many requests in one input, and an endpoint so many interim answers.
const MESSAGES_MAX: usize = 16;

/// What came out.
#[derive(Debug, Default)]
struct Out {
    bytes: Vec<u8>,
    /// Messages that are whole.
    whole: usize,
    /// Nothing more is read: refused, garbage, or the last message of its connection.
    over: bool,
}

/// The first bytes say how the rest is split; the rest is what a client sends.
pub fn requests(data: &[u8]) {
    let (ends, input) = crate::splits(data);
    let every: Vec<usize> = (0..=input.len()).collect();
    let wanted = read_requests(&forward_requests(input, &[input.len()]));
    assert_eq!(read_requests(&forward_requests(input, &ends)), wanted);
    assert_eq!(read_requests(&forward_requests(input, &every)), wanted);
}

/// What an endpoint reads. How a body is cut into chunks depends on how it came; all else does not.
fn read_requests(out: &Out) -> (Vec<judge::Request>, bool) {
    let mut rest = &out.bytes[..];
    let mut all = Vec::new();
    for _ in 0..out.whole {
        match judge::read(rest) {
            Seen::Request(request) => {
                rest = &rest[request.len..];
                all.push(judge::Request { len: 0, ..*request });
            }
            other => panic!("{other:?}: {:?}", String::from_utf8_lossy(rest)),
        }
    }
    assert!(rest.is_empty(), "more than was whole");
    (all, out.over)
}

/// One direction: what has been forwarded and what is under way.
#[derive(Default)]
struct Way {
    out: Out,
    /// What there is of the message under way. It counts once it is whole: what had gone of one that is refused would be cut off.
    message: Vec<u8>,
    body: Option<(Body, To)>,
    /// Bytes of the input that are dealt with.
    at: usize,
}

impl Way {
    fn new() -> Way {
        Way::default()
    }

    fn begin_body(&mut self, framing: Framing, to: Framing, drops_trailers: bool) {
        let mut body = Body::new(framing);
        if drops_trailers {
            body.drop_trailers();
        }
        let to = match to {
            Framing::Chunked => To::Chunked,
            _ => To::Plain,
        };
        self.body = Some((body, to));
    }

    /// Moves what is there of the body. `None`: more is needed; else whether its end was reached.
    fn copy(&mut self, input: &[u8]) -> Option<bool> {
        let (body, to) = self.body.as_mut()?;
        loop {
            // 64 bytes of room are the least with which anything moves.
            let copied = match body.copy(&input[self.at..], *to, &mut self.message, 64) {
                Ok(copied) => copied,
                Err(_) => {
                    self.out.over = true;
                    return Some(false);
                }
            };
            self.at += copied.consumed;
            if copied.done {
                self.end_message();
                self.body = None;
                return Some(true);
            }
            if copied.consumed == 0 {
                return None;
            }
        }
    }

    fn end_message(&mut self) {
        self.out.bytes.append(&mut self.message);
        self.out.whole += 1;
    }

    fn goes_on(&self) -> bool {
        !self.out.over && self.out.whole < MESSAGES_MAX
    }
}

/// Forwards requests.
fn forward_requests(input: &[u8], ends: &[usize]) -> Out {
    let mut way = Way::new();
    let mut head = RequestHead::default();
    for &end in ends {
        while way.goes_on() {
            if way.body.is_some() {
                match way.copy(&input[..end]) {
                    None => break,
                    Some(true) => way.out.over = !head.persistent(),
                    Some(false) => {}
                }
                continue;
            }
            match head.parse(&input[way.at..end], &LIMITS) {
                Err(_) => way.out.over = true,
                Ok(Progress::Partial) => break,
                Ok(Progress::Complete { len }) => {
                    let bytes = &input[way.at..way.at + len];
                    let forward = Forward {
                        client_ip: "192.0.2.7",
                        proto: "http",
                        request_id: 1,
                        span_id: 2,
                        fallback_host: "127.0.0.1",
                        expect: true,
                        ..Forward::default()
                    };
                    write_request_head(&mut way.message, &head, bytes, &forward);
                    way.at += len;
                    way.begin_body(head.framing(), head.framing(), head.names_fields());
                }
            }
        }
    }
    way.out
}

/// The first byte says what was asked, the next ones how the rest is split; the rest is what an endpoint sends before it closes.
pub fn answers(data: &[u8]) {
    let Some((&what, data)) = data.split_first() else {
        return;
    };
    let (ends, input) = crate::splits(data);
    let every: Vec<usize> = (0..=input.len()).collect();
    let wanted = read_answers(&forward_answer(input, &[input.len()], what), what);
    assert_eq!(
        read_answers(&forward_answer(input, &ends, what), what),
        wanted
    );
    assert_eq!(
        read_answers(&forward_answer(input, &every, what), what),
        wanted
    );
}

/// Head, payload, trailers.
type Answer = (Vec<u8>, Vec<u8>, Vec<judge::Field>);

/// What a client reads.
fn read_answers(out: &Out, what: u8) -> Vec<Answer> {
    let mut rest = &out.bytes[..];
    let mut all = Vec::new();
    for last in (0..out.whole).rev() {
        let (answer, len) = read_answer(rest, what & 1 != 0, last == 0);
        rest = &rest[len..];
        all.push(answer);
    }
    assert!(rest.is_empty(), "more than was whole");
    all
}

fn read_answer(bytes: &[u8], head_request: bool, last: bool) -> (Answer, usize) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut seen = httparse::Response::new(&mut fields);
    let verdict = seen.parse(bytes).expect("a right head");
    let httparse::Status::Complete(len) = verdict else {
        panic!("half a head");
    };
    let status = seen.code.expect("a status");
    let is_final = status >= 200 || status == 101;
    assert_eq!(last, is_final, "{status}");
    let value = |name: &str| {
        let mut of_name = seen
            .headers
            .iter()
            .filter(|h| h.name.eq_ignore_ascii_case(name));
        let first = of_name
            .next()
            .map(|h| String::from_utf8_lossy(h.value).into_owned());
        assert!(of_name.next().is_none(), "{name} comes more than once");
        first
    };
    let (length, coding) = (value("content-length"), value("transfer-encoding"));
    assert!(length.is_none() || coding.is_none(), "two framings");
    let (head, rest) = bytes.split_at(len);
    let none = |body: &[u8]| ((head.to_vec(), body.to_vec(), Vec::new()), len + body.len());
    if status == 101 {
        return none(rest);
    }
    if !is_final || head_request || status == 204 || status == 304 {
        assert!(coding.is_none() && (status >= 200 || length.is_none()));
        return none(b"");
    }
    if coding.is_some() {
        let chunks = judge::chunks(rest).expect("chunks in their one form");
        let (body, trailers, end) = chunks.expect("all of them");
        return ((head.to_vec(), body, trailers), len + end);
    }
    match length {
        Some(length) => none(&rest[..length.parse().expect("a number")]),
        None => none(rest),
    }
}

fn forward_answer(input: &[u8], ends: &[usize], what: u8) -> Out {
    let asked = Asked {
        head: what & 1 != 0,
        upgrade: (what & 2 != 0).then_some(b"websocket"),
    };
    let forward = ResponseForward {
        client: match what & 4 {
            0 => Version::Http11,
            _ => Version::Http10,
        },
        persistent: true,
        date: None,
    };
    let mut way = Way::new();
    let mut head = ResponseHead::default();
    for &end in ends {
        while way.goes_on() {
            if way.body.is_some() {
                match way.copy(&input[..end]) {
                    None => break,
                    Some(_) => way.out.over = true,
                }
                continue;
            }
            match head.parse(&input[way.at..end], &LIMITS, asked) {
                Err(_) => way.out.over = true,
                Ok(Progress::Partial) => break,
                Ok(Progress::Complete { len }) => {
                    let bytes = &input[way.at..way.at + len];
                    let sent = write_response_head(&mut way.message, &head, bytes, &forward);
                    way.at += len;
                    if !head.interim() {
                        way.begin_body(head.framing(), sent.framing, head.names_fields());
                    } else if !way.message.is_empty() {
                        way.end_message();
                    }
                }
            }
        }
    }
    // The endpoint closes: the end of some bodies, a cut for others.
    if !way.out.over && way.body.as_mut().is_some_and(|(body, _)| body.closed()) {
        way.end_message();
    }
    match body_is_missing(&way.out) {
        true => Out::default(),
        false => way.out,
    }
}

/// Only interim answers came.
fn body_is_missing(out: &Out) -> bool {
    let mut rest = &out.bytes[..];
    for _ in 0..out.whole {
        let status = rest.get(9..12).unwrap_or_default();
        if status >= &b"200"[..] || status == b"101" {
            return false;
        }
        let end = judge::find(rest, b"\r\n\r\n").map_or(rest.len(), |at| at + 4);
        rest = &rest[end..];
    }
    true
}
