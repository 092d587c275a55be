//! Waiting in a pool's line until an endpoint has room.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use evenkeel_core::balance::Request;

use crate::pool::{Attempt, Pick, Pool, Ticket};
use crate::rt;
use crate::wire::Stream;
use crate::worker::{Conn, Worker};

/// Why the waiting ended without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// Nobody is usable any more.
    Nobody,
    /// As many as may wait do.
    QueueFull,
    /// It took longer than `queue_timeout`.
    TooLong,
    /// The client closed.
    Gone,
}

/// Waits for an endpoint that has room and is not in `tried`.
pub(crate) async fn wait(
    worker: &Worker,
    pool: &Rc<Pool>,
    conn: &Conn,
    client: &Stream,
    request: &Request<'_>,
) -> Result<Attempt, NoPlace> {
    let limit = pool.current().table.limit.clone();
    let deadline = request.now + limit.queue_timeout;
    let mut ticket: Option<Ticket> = None;
    poll_fn(|cx| {
        let look = match &ticket {
            Some(_) => true,
            None => {
                let bound = request.prefer.is_some() || !request.tried.is_empty();
                let Some((joined, alone)) = Ticket::join(pool, limit.queue, bound, cx) else {
                    return Poll::Ready(Err(NoPlace::QueueFull));
                };
                ticket = Some(joined);
                alone
            }
        };
        if look && let Some(ticket) = &ticket {
            ticket.look(cx);
            let now = rt::now();
            worker.refresh(now);
            match pool.pick(&Request { now, ..*request }) {
                Pick::Attempt(attempt) => return Poll::Ready(Ok(attempt)),
                Pick::Nobody => return Poll::Ready(Err(NoPlace::Nobody)),
                // What became free is of no use here, but may be to who comes after.
                Pick::Full if !request.tried.is_empty() || request.prefer.is_some() => {
                    ticket.pass();
                }
                Pick::Full => {}
            }
        }
        conn.timer.set(deadline);
        if conn.timer.poll_expired(cx) {
            return Poll::Ready(Err(NoPlace::TooLong));
        }
        // Elsewhere a client may close its sending side and still get its answer. Not in line: here an end most likely
        // means that the client gave up, and its place is worth more to the next.
        if client.poll_closing(cx) {
            return Poll::Ready(Err(NoPlace::Gone));
        }
        Poll::Pending
    })
    .await
}
