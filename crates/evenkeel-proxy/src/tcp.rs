//! TCP listeners: pick, connect, carry bytes both ways.
//!
//! Until it is connected nothing of the client was given to anybody, so any other endpoint will do; after that nothing can
//! be tried again.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, ready};

use evenkeel_core::balance::Request;
use evenkeel_core::counters::{Handshake, Reject};
use evenkeel_core::id::EndpointId;
use evenkeel_core::observe::{FailureKind, TlsFailure};
use evenkeel_core::time::Time;
use evenkeel_tls::{Hello, Speaks};

use crate::http::key;
use crate::line::{self, NoPlace};
use crate::pool::{Attempt, ConnectError, Pick, Pool};
use crate::rt;
use crate::tunnel::Tunnel;
use crate::wire::{self, HelloError, Stream};
use crate::worker::{Conn, ListenerView, Worker};

/// Serves one client until both directions have ended.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    listener: Rc<ListenerView>,
    conn: Rc<Conn>,
    client: Stream,
    peer: Option<SocketAddr>,
) {
    client.tune(true);
    worker.refresh(rt::now());
    match &listener.pool {
        None => listener.reject(Reject::NoEndpoint),
        Some(pool) => {
            let early = Early {
                key: key(peer),
                ..Early::default()
            };
            carry(&worker, &listener, &conn, client, pool, early).await;
        }
    }
}

/// Serves one client whose TLS is meant for an endpoint: its hello chooses the pool.
pub(crate) async fn pass(
    worker: Rc<Worker>,
    listener: Rc<ListenerView>,
    conn: Rc<Conn>,
    client: rt::Stream,
    peer: Option<SocketAddr>,
) {
    client.tune(true);
    let began = rt::now();
    let deadline = began + listener.settings().header_timeout;
    // Boxed, so that a tunnel has no room for it.
    let peeking = Box::pin(wire::peek(&client, &conn.timer, deadline, true));
    let opening = match conn.unless_it_must_go(began, peeking).await {
        Some(Ok(opening)) => opening,
        Some(Err(why)) => return not_begun(&listener, &client, why),
        None => return listener.reject(Reject::MadeRoom),
    };
    worker.refresh(rt::now());
    let name = opening.hello.server_name.as_deref().unwrap_or_default();
    let Some(pool) = listener.passed_to(name) else {
        listener.reject(Reject::NoRoute);
        return wire::refuse(&client, &Hello::unrecognized_name());
    };
    let early = Early {
        bytes: &opening.bytes,
        ask: opening.asked,
        key: key(peer),
    };
    carry(&worker, &listener, &conn, client.into(), pool, early).await;
}

fn not_begun(listener: &ListenerView, client: &rt::Stream, why: HelloError) {
    let how = match why {
        HelloError::Late => Handshake::Timeout,
        HelloError::Gone => Handshake::Failed,
        HelloError::Refused { why, alert } => {
            tracing::debug!(why, "no TLS to pass through");
            wire::refuse(client, &alert);
            Handshake::Failed
        }
    };
    listener.counters().handshakes(how).inc();
}

/// What the pool's policy goes by, if it goes by something: of bytes only the address is known that they come from.
fn key(peer: Option<SocketAddr>) -> Option<u64> {
    peer.map(|peer| key::of_address(peer.ip()))
}

/// What is known before the client's bytes flow, and what is to be said to an endpoint.
#[derive(Clone, Copy, Default)]
struct Early<'a> {
    /// Read from the client already.
    bytes: &'a [u8],
    /// Ask in PostgreSQL's way whether it speaks TLS.
    ask: bool,
    /// For a policy that goes by the client's address.
    key: Option<u64>,
}

/// Connects and carries bytes until both directions have ended.
async fn carry(
    worker: &Worker,
    listener: &ListenerView,
    conn: &Conn,
    client: Stream,
    pool: &Rc<Pool>,
    early: Early<'_>,
) {
    let (attempt, endpoint) = match connect(worker, pool, conn, &client, &early).await {
        Ok(connected) => connected,
        Err(reason) => {
            reason
                .into_iter()
                .for_each(|reason| listener.reject(reason));
            return;
        }
    };
    endpoint.tune(true);
    let tunnel = Tunnel {
        worker,
        timer: &conn.timer,
        client: &client,
        endpoint: &endpoint,
        timeout: listener.settings().tunnel_timeout,
    };
    let carried = tunnel.run(early.bytes, &[]).await;
    if carried.quiet {
        listener.reject(Reject::TunnelTimeout);
    }
    if carried.endpoint_failed {
        attempt.failed(FailureKind::Reset, rt::now());
        // The client must not take this for a proper end.
        client.reset_on_close();
    }
    listener.counters().bytes_in.add(carried.up);
    listener.counters().bytes_out.add(carried.down);
}

/// Connects to one endpoint after the other, each once. `Err(None)`: the client left.
async fn connect(
    worker: &Worker,
    pool: &Rc<Pool>,
    conn: &Conn,
    client: &Stream,
    early: &Early<'_>,
) -> Result<(Attempt, Stream), Option<Reject>> {
    let mut tried: Vec<EndpointId> = Vec::new();
    let mut reason = Reject::NoEndpoint;
    loop {
        let now = rt::now();
        worker.refresh(now);
        let request = Request::at(now).keyed(early.key).without(&tried);
        let attempt = match pool.pick(&request) {
            Pick::Attempt(attempt) => attempt,
            Pick::Full => line::wait(worker, pool, conn, client, &request)
                .await
                .map_err(|no| match no {
                    NoPlace::Nobody => Some(reason),
                    NoPlace::QueueFull => Some(Reject::QueueFull),
                    NoPlace::TooLong => Some(Reject::QueueTimeout),
                    NoPlace::Gone => None,
                })?,
            Pick::Nobody => return Err(Some(reason)),
        };
        if tried.contains(&attempt.endpoint.id) {
            return Err(Some(reason));
        }
        if !tried.is_empty() {
            pool.counters().retries.inc();
        }
        tried.push(attempt.endpoint.id);
        attempt.hand_over(now);
        match open(worker, &attempt, conn, early.ask).await {
            Ok(stream) => {
                attempt.counters().connects.inc();
                let at = rt::now();
                attempt.succeeded(Some(at.since(now)), at);
                return Ok((attempt, stream));
            }
            Err(ConnectError::Endpoint(kind)) => {
                attempt.failed(kind, rt::now());
                reason = match kind {
                    FailureKind::ConnectTimeout => Reject::GatewayTimeout,
                    _ => Reject::BadGateway,
                };
            }
            Err(ConnectError::Local(error)) => {
                attempt.withdraw();
                worker.cannot_connect(&error);
                return Err(Some(Reject::NoResources));
            }
        }
    }
}

/// Connects. If there is no descriptor for it, room is made, and it is tried again for as long as connecting may take.
async fn open(
    worker: &Worker,
    attempt: &Attempt,
    conn: &Conn,
    ask: bool,
) -> Result<Stream, ConnectError> {
    let deadline = rt::now() + attempt.current.table.transport.connect_timeout;
    loop {
        match open_now(attempt, conn, ask, deadline).await {
            Err(ConnectError::Local(_)) if rt::now() < deadline => {
                worker.wait_for_descriptor(&conn.listener).await;
            }
            other => return other,
        }
    }
}

async fn open_now(
    attempt: &Attempt,
    conn: &Conn,
    ask: bool,
    deadline: Time,
) -> Result<Stream, ConnectError> {
    let connecting = async {
        let tls = attempt.current.tls.as_deref();
        let stream = attempt.endpoint.connect(tls, Speaks::Bytes).await?;
        if ask {
            let asked = asked_for_tls(&stream).await;
            asked.map_err(|why| ConnectError::Endpoint(FailureKind::Tls(why)))?;
        }
        Ok(stream)
    };
    let late = Err(ConnectError::Endpoint(FailureKind::ConnectTimeout));
    conn.timer
        .within(deadline, connecting)
        .await
        .unwrap_or(late)
}

/// Asks an endpoint in PostgreSQL's way whether it speaks TLS. It must say so in one byte: what comes behind that before
/// TLS has begun could be anybody's.
async fn asked_for_tls(stream: &Stream) -> Result<(), TlsFailure> {
    let mut asked = 0;
    let mut answer = Vec::with_capacity(1);
    poll_fn(|cx| {
        while asked < wire::SSL_REQUEST.len() {
            match ready!(stream.poll_write(cx, &wire::SSL_REQUEST[asked..])) {
                Ok(n @ 1..) => asked += n,
                _ => return Poll::Ready(Err(TlsFailure::Closed)),
            }
        }
        match ready!(stream.poll_read_at_most(cx, &mut answer, 1)) {
            Ok(1..) => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(TlsFailure::Closed)),
        }
    })
    .await?;
    match answer.as_slice() {
        b"S" if stream.is_quiet() => Ok(()),
        b"N" => Err(TlsFailure::Refused),
        _ => Err(TlsFailure::Protocol),
    }
}
