//! One function for each operation: ask the control loop, turn what it says into an answer.

use std::fmt::Write as _;

use axum::http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use evenkeel_core::account::what_if::Question;
use evenkeel_core::diagnose::Cause;
use evenkeel_schema::admin::{
    ActionRequest, ErrorAnswer, ErrorCode, HeartbeatResult, Heartbeats, LabelRequest, PoolStatus,
    RevisionAnswer, Revisions, RollbackRequest, StateRequest, WeightRequest, parse_heartbeats,
    parse_request, parse_what_if,
};

use super::{Call, OPERATIONS, decode, json, with_type};
use crate::ask::{Ask, Change, Outcome, unavailable};
use crate::metrics;

const PLAIN: &str = "text/plain; charset=utf-8";

pub(super) async fn index(_: Call) -> Outcome<Response> {
    let mut text = format!(
        "evenkeel {}: a load balancer that heals what it balances.\n\n",
        env!("CARGO_PKG_VERSION")
    );
    for operation in OPERATIONS {
        let (method, path, about) = (operation.method, operation.path, operation.about);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{method:<4} {path:<48} {about}");
    }
    text.push_str("\nOn a terminal: evenkeel status\n");
    Ok(with_type(StatusCode::OK, PLAIN, text))
}

pub(super) async fn healthz(call: Call) -> Outcome<Response> {
    call.asker.ask(Ask::Access).await?;
    Ok(with_type(StatusCode::OK, PLAIN, "ok\n"))
}

pub(super) async fn readyz(call: Call) -> Outcome<Response> {
    Ok(match call.asker.ask(Ask::Ready).await? {
        Ok(()) => with_type(StatusCode::OK, PLAIN, "ready\n"),
        Err(why) => with_type(
            StatusCode::SERVICE_UNAVAILABLE,
            PLAIN,
            format!("not ready: {why}\n"),
        ),
    })
}

pub(super) async fn metrics(call: Call) -> Outcome<Response> {
    let sample = call.asker.ask(Ask::Metrics).await?;
    let accept = call.headers.get(ACCEPT).and_then(|v| v.to_str().ok());
    let (content_type, text) = metrics::page(sample, accept.unwrap_or_default());
    Ok(with_type(StatusCode::OK, content_type, text))
}

pub(super) async fn openapi(_: Call) -> Outcome<Response> {
    let text = include_str!("openapi.json");
    Ok(with_type(StatusCode::OK, "application/json", text))
}

pub(super) async fn status(call: Call) -> Outcome<Response> {
    let status = call.asker.ask(Ask::Status).await?;
    Ok(json(StatusCode::OK, &status))
}

pub(super) async fn pools(call: Call) -> Outcome<Response> {
    let status = call.asker.ask(Ask::Status).await?;
    Ok(json(StatusCode::OK, &status.pools))
}

pub(super) async fn pool(call: Call) -> Outcome<Response> {
    let status = call.asker.ask(Ask::Status).await?;
    let wanted = name(&call, 2);
    match status.pools.iter().find(|pool| pool.name == wanted) {
        Some(pool) => Ok(json(StatusCode::OK, pool)),
        None => Err(no_such_pool(wanted, &status.pools)),
    }
}

fn no_such_pool(wanted: &str, pools: &[PoolStatus]) -> ErrorAnswer {
    let names: Vec<_> = pools.iter().map(|pool| pool.name.as_str()).collect();
    ErrorAnswer::new(
        ErrorCode::NoSuchPool,
        format!("there is no pool {wanted:?}"),
        match names.is_empty() {
            true => "there is none".to_owned(),
            false => format!("there is {}", names.join(", ")),
        },
    )
}

pub(super) async fn availabilities(call: Call) -> Outcome<Response> {
    let what_if = what_if(&call.query)?;
    let question = |answer| Ask::Availabilities(what_if, answer);
    let answer = call.asker.ask(question).await??;
    Ok(json(StatusCode::OK, &answer))
}

pub(super) async fn availability(call: Call) -> Outcome<Response> {
    let (what_if, pool) = (what_if(&call.query)?, name(&call, 2).to_owned());
    let question = |answer| Ask::Availability(pool, what_if, answer);
    let answer = call.asker.ask(question).await??;
    Ok(json(StatusCode::OK, &answer))
}

/// `what_if=…` of a query; anything else in it is a slip of the pen and told.
fn what_if(query: &str) -> Outcome<Option<Question>> {
    let refused = |message: String| {
        let hint = "after the question mark, for example: what_if=endpoints=4,needed=3,crews=1";
        ErrorAnswer::new(ErrorCode::BadRequest, message, hint)
    };
    let Some((key, value)) = query.split_once('=') else {
        return match query {
            "" => Ok(None),
            other => Err(refused(format!("found {other:.80?} in the query"))),
        };
    };
    let value = decode(value).filter(|value| key == "what_if" && !value.contains('&'));
    let value = value.ok_or_else(|| refused(format!("found {query:.80?} in the query")))?;
    parse_what_if(&value).map(Some).map_err(refused)
}

pub(super) async fn state(call: Call) -> Outcome<Response> {
    let request: StateRequest = parse_request(&call.body)?;
    let (pool, endpoint) = endpoint(&call);
    let state = request.state;
    let order = |answer| Ask::Order {
        pool,
        endpoint,
        state,
        answer,
    };
    let status = call.asker.ask(order).await??;
    Ok(json(StatusCode::OK, &status))
}

pub(super) async fn weight(call: Call) -> Outcome<Response> {
    let request: WeightRequest = parse_request(&call.body)?;
    let (pool, endpoint) = endpoint(&call);
    let weight = request.weight;
    let order = |answer| Ask::Weight {
        pool,
        endpoint,
        weight,
        answer,
    };
    let status = call.asker.ask(order).await??;
    Ok(json(StatusCode::OK, &status))
}

/// Each of a list is answered in its place, so that one unknown endpoint does not silence the others of a host.
pub(super) async fn heartbeats(call: Call) -> Outcome<Response> {
    let list = match parse_heartbeats(&call.body)? {
        Heartbeats::One(beat) => {
            let heard = call.asker.ask(|answer| Ask::Beats(vec![beat], answer));
            let none = || unavailable("the heartbeat was not answered");
            let answer = heard.await?.pop().ok_or_else(none)??;
            return Ok(json(StatusCode::OK, &answer));
        }
        Heartbeats::List(list) => list,
    };
    let good = list.iter().filter_map(|beat| beat.as_ref().ok()).cloned();
    let good: Vec<_> = good.collect();
    let heard = call.asker.ask(|answer| Ask::Beats(good, answer)).await?;
    let mut heard = heard.into_iter();
    let answers = list.into_iter().map(|beat| match beat {
        Ok(_) => heard
            .next()
            .unwrap_or_else(|| Err(unavailable("the heartbeat was not answered"))),
        Err(wrong) => Err(wrong),
    });
    let answers: Vec<_> = answers
        .map(|answer| match answer {
            Ok(taken) => HeartbeatResult::Taken(taken),
            Err(ErrorAnswer { error }) => HeartbeatResult::Refused { error },
        })
        .collect();
    Ok(json(StatusCode::OK, &answers))
}

pub(super) async fn incidents(call: Call) -> Outcome<Response> {
    let incidents = call.asker.ask(Ask::Incidents).await?;
    Ok(json(StatusCode::OK, &incidents))
}

pub(super) async fn incident(call: Call) -> Outcome<Response> {
    let id = incident_number(&call)?;
    let incident = call.asker.ask(|answer| Ask::Incident(id, answer)).await??;
    Ok(json(StatusCode::OK, &incident))
}

pub(super) async fn label(call: Call) -> Outcome<Response> {
    let request: LabelRequest = parse_request(&call.body)?;
    let id = incident_number(&call)?;
    let cause = request.cause().unwrap_or(Cause::Unknown);
    let said = (cause, request.by().unwrap_or_default());
    let label = |answer| Ask::Label { id, said, answer };
    let incident = call.asker.ask(label).await??;
    Ok(json(StatusCode::OK, &incident))
}

fn incident_number(call: &Call) -> Outcome<u64> {
    let text = name(call, 2);
    text.parse().map_err(|_| {
        let message = format!("found {text:.40?}, wanted the number of an incident");
        let hint = "`evenkeel incidents` lists them";
        ErrorAnswer::new(ErrorCode::BadRequest, message, hint)
    })
}

pub(super) async fn reload(call: Call) -> Outcome<Response> {
    changed(call.asker.change(Change::Reload).await?)
}

pub(super) async fn rollback(call: Call) -> Outcome<Response> {
    let request: RollbackRequest = parse_request(&call.body)?;
    let change = Change::Rollback(request.revision);
    changed(call.asker.change(change).await?)
}

pub(super) async fn put_config(call: Call) -> Outcome<Response> {
    let Some(if_match) = call.headers.get(IF_MATCH) else {
        return Err(ErrorAnswer::new(
            ErrorCode::IfMatchRequired,
            "If-Match is missing",
            "GET /v1/config, make your change there, and send it with its ETag as If-Match",
        ));
    };
    let if_match = if_match.to_str().unwrap_or_default().trim().to_owned();
    is_toml(&call.headers)?;
    let text = String::from_utf8(call.body.to_vec()).map_err(|_| {
        ErrorAnswer::new(
            ErrorCode::BadRequest,
            "the body is not UTF-8",
            "TOML is written in UTF-8",
        )
    })?;
    changed(call.asker.change(Change::Put { text, if_match }).await?)
}

/// A body sent without saying what it is is taken for what belongs here.
fn is_toml(headers: &HeaderMap) -> Outcome<()> {
    let Some(found) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let found = found.to_str().unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/toml" | "text/plain" => Ok(()),
        _ => Err(ErrorAnswer::new(
            ErrorCode::WrongMediaType,
            format!("found content type {found:.80}, wanted application/toml"),
            "curl: -H 'content-type: application/toml' --data-binary @FILE",
        )),
    }
}

fn changed(answer: RevisionAnswer) -> Outcome<Response> {
    Ok(json(StatusCode::OK, &answer))
}

pub(super) async fn config(call: Call) -> Outcome<Response> {
    let current = call.asker.ask(Ask::Config).await?;
    let text = current.text.to_string();
    let mut response = with_type(StatusCode::OK, "application/toml; charset=utf-8", text);
    if let Ok(tag) = HeaderValue::try_from(current.etag) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

pub(super) async fn revisions(call: Call) -> Outcome<Response> {
    let revisions = call.asker.ask(Ask::Revisions).await?;
    Ok(json(StatusCode::OK, &Revisions { revisions }))
}

/// A segment of the path; the route made sure that it is there.
fn name(call: &Call, at: usize) -> &str {
    call.segments.get(at).map_or("", String::as_str)
}

fn endpoint(call: &Call) -> (String, String) {
    (name(call, 2).to_owned(), name(call, 4).to_owned())
}

pub(super) async fn recovery_points(call: Call) -> Outcome<Response> {
    let points = call.asker.ask(Ask::RecoveryPoints).await?;
    Ok(json(StatusCode::OK, &points))
}

pub(super) async fn verify(call: Call) -> Outcome<Response> {
    let (service, id) = (name(&call, 2).to_owned(), name(&call, 3).to_owned());
    let question = |answer| Ask::Verify {
        service,
        id,
        answer,
    };
    let verified = call.asker.recover(question).await??;
    Ok(json(StatusCode::OK, &verified))
}

pub(super) async fn restore(call: Call) -> Outcome<Response> {
    let (service, id) = (name(&call, 2).to_owned(), name(&call, 3).to_owned());
    let question = |answer| Ask::Restore {
        service,
        id,
        answer,
    };
    let restored = call.asker.recover(question).await??;
    Ok(json(StatusCode::OK, &restored))
}

pub(super) async fn act(call: Call) -> Outcome<Response> {
    let request: ActionRequest = parse_request(&call.body)?;
    let service = name(&call, 2).to_owned();
    let question = |answer| Ask::Act {
        service,
        request,
        answer,
    };
    let acted = call.asker.recover(question).await??;
    Ok(json(StatusCode::OK, &acted))
}

pub(super) async fn notify(call: Call) -> Outcome<Response> {
    let pool = name(&call, 2).to_owned();
    let question = |answer| Ask::Notify(pool, answer);
    let told = call.asker.recover(question).await??;
    Ok(json(StatusCode::OK, &told))
}
