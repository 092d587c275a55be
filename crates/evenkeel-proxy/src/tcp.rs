//! TCP listeners: pick, connect, carry bytes both ways.
//!
//! Until it is connected nothing of the client was given to anybody, so any other endpoint will do; after that nothing can
//! be tried again.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use evenkeel_core::counters::Reject;
use evenkeel_core::id::EndpointId;
use evenkeel_core::observe::FailureKind;
use evenkeel_core::time::Time;

use crate::line::{self, NoPlace};
use crate::pool::{Attempt, ConnectError, Pick, Pool};
use crate::rt::{self, Stream};
use crate::tunnel::Tunnel;
use crate::worker::{Conn, ListenerView, Worker};

/// Serves one client until both directions have ended.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    listener: Rc<ListenerView>,
    conn: Rc<Conn>,
    client: Stream,
    _peer: Option<SocketAddr>,
) {
    client.tune(true);
    worker.refresh(rt::now());
    let Some(pool) = &listener.pool else {
        listener.reject(Reject::NoEndpoint);
        return;
    };
    let (attempt, endpoint) = match connect(&worker, pool, &conn, &client).await {
        Ok(connected) => connected,
        Err(reason) => {
            reason
                .into_iter()
                .for_each(|reason| listener.reject(reason));
            return;
        }
    };
    endpoint.tune(true);
    attempt.succeeded();
    let tunnel = Tunnel {
        worker: &worker,
        timer: &conn.timer,
        client: &client,
        endpoint: &endpoint,
        timeout: listener.settings().tunnel_timeout,
    };
    let carried = tunnel.run(&[], &[]).await;
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
) -> Result<(Attempt, Stream), Option<Reject>> {
    let mut tried: Vec<EndpointId> = Vec::new();
    let mut reason = Reject::NoEndpoint;
    loop {
        let now = rt::now();
        worker.refresh(now);
        let attempt = match pool.pick(&tried, now) {
            Pick::Attempt(attempt) => attempt,
            Pick::Full => line::wait(worker, pool, conn, client, &tried, now)
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
        match open(worker, &attempt, conn).await {
            Ok(stream) => {
                attempt.counters().connects.inc();
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
                worker.cannot_connect(&error);
                return Err(Some(Reject::NoResources));
            }
        }
    }
}

/// Connects. If there is no descriptor for it, room is made, and it is tried again for as long as connecting may take.
async fn open(worker: &Worker, attempt: &Attempt, conn: &Conn) -> Result<Stream, ConnectError> {
    let deadline = rt::now() + attempt.current.table.transport.connect_timeout;
    loop {
        match open_now(attempt, conn, deadline).await {
            Err(ConnectError::Local(_)) if rt::now() < deadline => {
                worker.wait_for_descriptor(&conn.listener).await;
            }
            other => return other,
        }
    }
}

async fn open_now(attempt: &Attempt, conn: &Conn, deadline: Time) -> Result<Stream, ConnectError> {
    let mut connecting = pin!(attempt.endpoint.connect());
    poll_fn(|cx| {
        if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
            return Poll::Ready(connected);
        }
        conn.timer.set(deadline);
        match conn.timer.poll_expired(cx) {
            true => Poll::Ready(Err(ConnectError::Endpoint(FailureKind::ConnectTimeout))),
            false => Poll::Pending,
        }
    })
    .await
}
