//! The http check: one GET over a connection of its own, judged by its status and, if wanted, a text in its body.

use std::time::Duration;

use evenkeel_core::diagnose::Evidence;
use evenkeel_core::observe::Contact;
use evenkeel_core::settings::{CheckKind, CheckSettings};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use crate::stream::{Stream, evidence, words};
use crate::{BODY_BYTES_MAX, Layer, Seen, text};

pub(crate) async fn probe(
    check: &CheckSettings,
    stream: Stream,
    host: &str,
    deadline: Instant,
) -> Seen {
    let request = match request(&check.kind, host) {
        Ok(request) => request,
        Err(seen) => return seen,
    };
    let asked = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| broken(&e))?;
        // The connection is driven here and dropped with this probe: no task outlives it.
        let answer = async {
            let response = sender.send_request(request).await.map_err(|e| broken(&e))?;
            judge(&check.kind, response).await
        };
        tokio::pin!(answer);
        tokio::select! {
            biased;
            seen = &mut answer => seen,
            // An ended connection has handed on all it read; if that was no answer, it knows best why.
            ended = connection => match (answer.await, ended) {
                (Err(_), Err(error)) => Err(broken(&error)),
                (seen, _) => seen,
            },
        }
    };
    match timeout_at(deadline, asked).await {
        Ok(Ok(seen) | Err(seen)) => seen,
        Err(_) => too_slow(check.timeout),
    }
}

fn too_slow(limit: Duration) -> Seen {
    let detail = format!("no answer within {}", text(limit));
    let seen = Seen::fail(Layer::L7, detail).because(Evidence::NoAnswer);
    seen.but(Contact::TimedOut)
}

/// The configuration was checked before, so a request that cannot be built is told rather than relied on.
fn request(kind: &CheckKind, default_host: &str) -> Result<Request<Empty<Bytes>>, Seen> {
    let CheckKind::Http {
        path,
        host,
        headers,
        ..
    } = kind
    else {
        return Err(Seen::fail(Layer::L7, "not an http check"));
    };
    let wrong = |what: &str| Seen::fail(Layer::L7, format!("{what} cannot be sent"));
    let host = host.as_deref().unwrap_or(default_host);
    let mut request = Request::get(path.as_str())
        .body(Empty::new())
        .map_err(|_| wrong("the check's path"))?;
    let fields = request.headers_mut();
    let host = HeaderValue::from_str(host).map_err(|_| wrong("the check's host"))?;
    fields.insert(HOST, host);
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
    fields.insert(USER_AGENT, HeaderValue::from_static("evenkeel-check"));
    for (name, value) in headers {
        let field = HeaderName::try_from(name.as_str()).ok();
        let value = HeaderValue::try_from(value.as_str()).ok();
        let (Some(field), Some(value)) = (field, value) else {
            return Err(wrong(&format!("the check's header {name}")));
        };
        fields.insert(field, value);
    }
    Ok(request)
}

async fn judge(kind: &CheckKind, response: hyper::Response<Incoming>) -> Result<Seen, Seen> {
    let CheckKind::Http { expect, body, .. } = kind else {
        return Err(Seen::fail(Layer::L7, "not an http check"));
    };
    let status = response.status().as_u16();
    if !expect
        .iter()
        .any(|&(from, to)| (from..=to).contains(&status))
    {
        let wanted = ranges(expect);
        let seen = Seen::fail(Layer::L7, format!("HTTP {status}, wanted {wanted}"));
        return Ok(seen.because(match status {
            500..=599 => Evidence::ErrorStatus,
            _ => Evidence::WrongAnswer,
        }));
    }
    if let Some(wanted) = body {
        let (found, whole) = first_bytes(response.into_body()).await?;
        if !contains(&found, wanted.as_bytes()) {
            let beginning = if whole { "" } else { "the first 64 KiB of " };
            let detail =
                format!("HTTP {status}, but {beginning}its body does not contain {wanted:?}");
            return Ok(Seen::fail(Layer::L7, detail).because(Evidence::WrongAnswer));
        }
    }
    Ok(Seen::pass(Layer::L7, format!("HTTP {status}")))
}

/// The body's first [`BODY_BYTES_MAX`] bytes, and whether that is all of it.
async fn first_bytes(mut body: Incoming) -> Result<(Vec<u8>, bool), Seen> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| broken(&e))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let room = BODY_BYTES_MAX - bytes.len();
        bytes.extend_from_slice(&data[..data.len().min(room)]);
        if bytes.len() == BODY_BYTES_MAX {
            return Ok((bytes, body.is_end_stream() && data.len() <= room));
        }
    }
    Ok((bytes, true))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|w| w == needle)
}

fn ranges(expect: &[(u16, u16)]) -> String {
    let texts: Vec<_> = expect
        .iter()
        .map(|&(from, to)| match from == to {
            true => from.to_string(),
            false => format!("{from}-{to}"),
        })
        .collect();
    texts.join(", ")
}

/// An answer that is none.
fn broken(error: &hyper::Error) -> Seen {
    let io = std::error::Error::source(error).and_then(|e| e.downcast_ref::<std::io::Error>());
    let (detail, why) = match io {
        // In TLS 1.3 a server refuses our certificate only after our handshake is over.
        Some(io) => match evenkeel_tls::words_of_io(io) {
            Some(tls) => {
                let seen = Seen::fail(Layer::L6, format!("tls: {tls}"));
                return seen.because(Evidence::TlsFailed);
            }
            None => (words(io), evidence(io)),
        },
        None if error.is_incomplete_message() => (
            "connection closed before an answer".into(),
            Some(Evidence::ConnectionReset),
        ),
        None if error.is_parse() => (
            format!("the answer is not HTTP ({error})"),
            Some(Evidence::Garbage),
        ),
        None => (error.to_string(), Some(Evidence::ConnectionReset)),
    };
    let seen = Seen::fail(Layer::L7, detail);
    match why {
        Some(why) => seen.because(why),
        None => seen,
    }
}
