//! The admin API: HTTP/1.1 or https on loopback, any address or a unix socket. Everything is bounded: connections, heads, bodies,
//! and how long each may take. Questions go to the control loop through a queue; a slow caller slows down only itself.

mod access;
mod door;
mod handlers;
mod operations;
mod peer;
mod serve;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use evenkeel_schema::admin::{ErrorAnswer, ErrorCode};
use serde::Serialize;

use crate::ask::{Asker, Outcome};

pub(crate) use door::{Door, Way};
pub(crate) use operations::{OPERATIONS, Operation};
pub(crate) use peer::Peer;
pub(crate) use serve::serve;

/// Largest request body: a configuration of thousands of endpoints.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// A body of that size over a slow line.
const BODY_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// A request as a handler sees it.
pub(crate) struct Call {
    pub(crate) asker: Asker,
    pub(crate) headers: HeaderMap,
    /// The path's segments, percent-decoded.
    pub(crate) segments: Vec<String>,
    /// What is behind the question mark, as it came.
    pub(crate) query: String,
    pub(crate) body: Bytes,
}

/// The routes, out of the list of operations.
fn router(asker: Asker) -> Router {
    let mut router = Router::new();
    for operation in OPERATIONS {
        let handler = move |State(asker): State<Asker>, request: Request| async move {
            let (parts, body) = request.into_parts();
            let answered = operate(operation, asker, parts, body).await;
            answered.unwrap_or_else(|error| refusal(&error))
        };
        let Ok(filter) = MethodFilter::try_from(operation.method()) else {
            continue;
        };
        router = router.route(operation.path, on(filter, handler));
    }
    router
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
        .with_state(asker)
}

async fn operate(
    operation: &'static Operation,
    asker: Asker,
    parts: Parts,
    body: Body,
) -> Outcome<Response> {
    let segments = segments(parts.uri.path())?;
    let query = parts.uri.query().unwrap_or_default().to_owned();
    if operation.changes {
        let settings = asker.ask(crate::ask::Ask::Access).await?;
        access::may_change(&parts, &settings).await?;
    }
    let body = read(body).await?;
    let headers = parts.headers;
    let call = Call {
        asker,
        headers,
        segments,
        query,
        body,
    };
    (operation.handler)(call).await
}

async fn read(body: Body) -> Outcome<Bytes> {
    use hyper::body::Body as _;
    // Who says at once that it is too much is told at once.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX);
    let wrong = |message: String| {
        let hint = "send the whole body at once, as long as Content-Length says";
        ErrorAnswer::new(ErrorCode::BadRequest, message, hint)
    };
    match tokio::time::timeout(BODY_WITHIN, bytes).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.to_string().contains("length limit") => Err(too_large()),
        Ok(Err(error)) => Err(wrong(format!("the body cannot be read: {error}"))),
        Err(_) => {
            let limit = BODY_WITHIN.as_secs();
            Err(wrong(format!("the body did not arrive within {limit}s")))
        }
    }
}

fn too_large() -> ErrorAnswer {
    let limit = BODY_BYTES_MAX / 1024;
    let hint = format!("at most {limit} KiB are read");
    ErrorAnswer::new(ErrorCode::TooLarge, "the body is too large", hint)
}

/// The path's segments, percent-decoded after splitting, so that an encoded slash belongs to a name.
fn segments(path: &str) -> Outcome<Vec<String>> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| decode(segment).ok_or(segment))
        .collect::<Result<_, _>>()
        .map_err(|segment| {
            ErrorAnswer::new(
                ErrorCode::BadRequest,
                format!("{segment:.80} is no percent-encoded UTF-8"),
                "write bytes as %2F",
            )
        })
}

pub(crate) fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

async fn wrong_method(request: Request) -> Response {
    let path = request.uri().path();
    let there = OPERATIONS.iter().filter(|o| o.fits(path));
    let methods: Vec<_> = there.map(|o| o.method).collect();
    let methods = methods.join(", ");
    let mut response = refusal(&ErrorAnswer::new(
        ErrorCode::MethodNotAllowed,
        format!("{} is not possible here", request.method()),
        format!("this path has {methods}"),
    ));
    if let Ok(methods) = HeaderValue::try_from(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

async fn nothing_here(request: Request) -> Response {
    const PROMISED: [&str; 1] = ["/v1/events"];
    let path = request.uri().path();
    let promised = PROMISED
        .iter()
        .find(|root| path.strip_prefix(**root).is_some_and(is_border));
    let answer = match promised {
        Some(root) => ErrorAnswer::new(
            ErrorCode::NotInThisBuild,
            format!("{root} is not in this build"),
            "GET / says what is",
        ),
        None => ErrorAnswer::new(
            ErrorCode::NotFound,
            format!("there is nothing at {path:.200}"),
            "GET / says what there is",
        ),
    };
    refusal(&answer)
}

fn is_border(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            with_type(status, "application/json", bytes)
        }
        Err(error) => with_type(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/plain; charset=utf-8",
            error.to_string(),
        ),
    }
}

/// An answer of any type; none is kept by a cache, since all of it is about now.
pub(crate) fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// An error in its envelope.
fn refusal(error: &ErrorAnswer) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, error);
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}
