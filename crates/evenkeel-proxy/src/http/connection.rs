//! A client's connection: one request after the other. Between them it holds a task and a descriptor, no buffer.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_core::counters::Reject;
use evenkeel_core::time::Time;

use super::Exchange;
use super::own::{self, Own};
use super::request::Ended;
use crate::http1::{Limits, Method, OwnAnswer, Progress, Version, write_own_answer};
use crate::rt;
use crate::stall::Stall;
use crate::wire::Stream;
use crate::worker::{Conn, GoesFor, ListenerView, View, Worker};

/// Heads are read in steps of this: most browsers' fit, a flood of small connections costs little.
const HEAD_STEP: usize = 2 * 1024;
/// After the last answer a client may go on sending for this long before the connection is cut, so that it reads the
/// answer instead of a reset.
const LINGER: Duration = Duration::from_secs(2);
/// … and at most this much.
const LINGER_BYTES: usize = 1024 * 1024;

/// A client and what serves it.
pub(crate) struct Client {
    pub(super) worker: Rc<Worker>,
    pub(super) conn: Rc<Conn>,
    pub(super) stream: Stream,
    /// `None` on a unix socket.
    pub(super) ip: Option<IpAddr>,
    /// The same as text; empty on a unix socket.
    pub(super) ip_text: Box<str>,
    /// The snapshot of the request under way.
    pub(super) view: Rc<View>,
    pub(super) listener: Rc<ListenerView>,
    /// When the last request was over.
    pub(super) served: Cell<Time>,
}

/// What came instead of a request, or with it.
enum Head {
    /// The head's length.
    Complete(usize),
    /// To be told before the connection is closed.
    Refused(Own),
    /// The client left, or never began.
    Gone,
}

/// Serves a client until it or we close.
pub(crate) async fn serve(mut client: Box<Client>) {
    let worker = client.worker.clone();
    let mut accepted = true;
    loop {
        let mut runner = worker.take_runner();
        let served = runner.serve(client, accepted).await;
        worker.put_runner(runner);
        accepted = false;
        match served {
            Some(waiting) if waiting.wait_for_request().await => client = waiting,
            _ => return,
        }
    }
}

/// Did the client say itself that this was its last request (RFC 9112 section 9.6), and has all of it been read? Then
/// there is nothing that a plain close could lose.
fn nothing_follows(exchange: &Exchange) -> bool {
    !exchange.request.persistent() && exchange.upload.is_received() && exchange.head_in.is_empty()
}

/// Has the client sent more than empty lines of its next request?
fn has_begun(exchange: &Exchange) -> bool {
    let mut bytes = exchange.head_in.bytes().iter();
    bytes.any(|b| !matches!(b, b'\r' | b'\n'))
}

impl Client {
    pub(crate) fn new(
        worker: Rc<Worker>,
        listener: Rc<ListenerView>,
        conn: Rc<Conn>,
        stream: Stream,
        peer: Option<SocketAddr>,
    ) -> Box<Client> {
        let ip = peer.map(|p| p.ip());
        Box::new(Client {
            view: worker.view(),
            ip,
            ip_text: ip.map(|ip| ip.to_string()).unwrap_or_default().into(),
            worker,
            conn,
            stream,
            listener,
            served: Cell::new(Time::ZERO),
        })
    }

    /// Was no request of it served yet?
    fn is_fresh(&self) -> bool {
        self.served.get() == Time::ZERO
    }

    /// Serves requests for as long as they are there. True: the next has to be waited for. False: the connection is over.
    /// `accepted`: it was accepted just now, and may not have sent anything yet.
    pub(super) async fn serve(&mut self, exchange: &mut Exchange, accepted: bool) -> bool {
        if accepted && !self.read_at_once(exchange).await {
            return true;
        }
        loop {
            let ended = match self.read_head(exchange).await {
                Head::Gone => return false,
                Head::Complete(len) => self.request(exchange, len).await,
                Head::Refused(own) => Box::pin(self.refuse(exchange, own)).await,
            };
            match ended {
                Ended::Next if exchange.head_in.is_empty() => return true,
                Ended::Next => {}
                Ended::Close => {
                    match nothing_follows(exchange) {
                        true => self.stream.at_rest(true),
                        false => Box::pin(self.linger(exchange)).await,
                    }
                    return false;
                }
                Ended::Cut => return false,
            }
        }
    }

    /// Reads right after accept: with `TCP_DEFER_ACCEPT`, and mostly without, the request is there already.
    async fn read_at_once(&self, exchange: &mut Exchange) -> bool {
        poll_fn(|cx| {
            let tail = exchange.head_in.tail(HEAD_STEP);
            // An end or an error is met again by whoever reads next.
            Poll::Ready(matches!(
                self.stream.poll_read(cx, tail),
                Poll::Ready(Ok(1..))
            ))
        })
        .await
    }

    /// What the client spoke.
    pub(super) fn proto(&self) -> &'static str {
        match self.stream.is_plain() {
            true => "http",
            false => "https",
        }
    }

    /// Waits for the first byte of a request, without a buffer. False: nothing more is to come, or to be served.
    async fn wait_for_request(&self) -> bool {
        let fresh = self.is_fresh();
        let settings = self.listener.settings();
        let (since, limit, reason) = match fresh {
            true => (rt::now(), settings.header_timeout, Reject::HeadTimeout),
            false => (
                self.served.get(),
                settings.idle_timeout,
                Reject::IdleTimeout,
            ),
        };
        self.conn.timer.set(since + limit);
        self.conn.idle.set(!fresh);
        self.conn.may_go_for.set(GoesFor::Idle(since));
        self.stream.at_rest(true);
        let came = poll_fn(|cx| {
            if let Poll::Ready(readable) = self.stream.poll_readable(cx) {
                return Poll::Ready(readable.is_ok());
            }
            // A request that is here already is served, even now.
            if self.worker.draining.get() && !fresh && self.stream.is_quiet() {
                return Poll::Ready(false);
            }
            if self.conn.must_go.get() && self.stream.is_quiet() {
                self.listener.reject(Reject::MadeRoom);
                return Poll::Ready(false);
            }
            if self.conn.timer.poll_expired(cx) {
                self.listener.reject(reason);
                return Poll::Ready(false);
            }
            Poll::Pending
        })
        .await;
        self.conn.idle.set(false);
        self.conn.must_go.set(false);
        self.stream.at_rest(!came);
        came
    }

    /// Reads until the head is complete.
    async fn read_head(&self, exchange: &mut Exchange) -> Head {
        let settings = self.listener.settings();
        let limits = Limits {
            max_head: settings.max_header_bytes as usize,
            max_fields: settings.max_headers as usize,
        };
        let mut deadline = match self.conn.may_go_for.replace(GoesFor::Nothing) {
            // A head begun late has no more time than one begun at once.
            GoesFor::Idle(since) if self.is_fresh() => Some(since + settings.header_timeout),
            _ => None,
        };
        exchange.request.reset();
        exchange.request.over_tls(!self.stream.is_plain());
        let head = poll_fn(|cx| {
            loop {
                if !exchange.head_in.is_empty() {
                    match exchange.request.parse(exchange.head_in.bytes(), &limits) {
                        Ok(Progress::Complete { len }) => return Poll::Ready(Head::Complete(len)),
                        Ok(Progress::Partial) => {}
                        Err(refusal) => {
                            let own = own::refused(refusal.status, refusal.reason);
                            return Poll::Ready(Head::Refused(own));
                        }
                    }
                }
                match self.stream.poll_read(cx, exchange.head_in.tail(HEAD_STEP)) {
                    Poll::Ready(Ok(n)) if n > 0 => {}
                    Poll::Ready(Ok(_)) if has_begun(exchange) => {
                        return Poll::Ready(Head::Refused(own::HEAD_ENDED));
                    }
                    Poll::Ready(_) => return Poll::Ready(Head::Gone),
                    Poll::Pending => break,
                }
            }
            if exchange.request.is_hopeless(exchange.head_in.bytes()) {
                return Poll::Ready(Head::Refused(own::HEAD_HOPELESS));
            }
            let deadline = *deadline.get_or_insert_with(|| rt::now() + settings.header_timeout);
            self.conn.timer.set(deadline);
            if self.conn.timer.poll_expired(cx) {
                return Poll::Ready(Head::Refused(own::HEAD_TOO_SLOW));
            }
            if self.conn.must_go.get() {
                self.listener.reject(Reject::MadeRoom);
                return Poll::Ready(Head::Gone);
            }
            let limit_ns = settings.header_timeout.as_nanos() as u64;
            let began = Time::from_nanos(deadline.as_nanos().saturating_sub(limit_ns));
            self.conn.may_go_for.set(GoesFor::Head(began));
            // Thousands of slow heads hold what they sent, and no room for more.
            exchange.head_in.shrink();
            self.worker
                .head_holds(&self.conn, Some(exchange.head_in.len()));
            Poll::Pending
        })
        .await;
        self.worker.head_holds(&self.conn, None);
        self.conn.may_go_for.set(GoesFor::Nothing);
        self.conn.must_go.set(false);
        head
    }

    /// Answers what is not a request.
    async fn refuse(&self, exchange: &mut Exchange, own: Own) -> Ended {
        self.listener.reject(own.reject);
        self.listener
            .counters()
            .bytes_in
            .add(exchange.head_in.len() as u64);
        exchange.down.rest();
        let date = self.worker.date();
        write_own_answer(
            exchange.down.tail(),
            &OwnAnswer {
                status: own.status,
                error: own.error,
                detail: own.detail,
                head_only: exchange.request.method() == Method::Head,
                close: true,
                client: Version::Http11,
                date: Some(&date),
                ..OwnAnswer::default()
            },
        );
        self.log_refused(own.status, exchange.down.data.len());
        let flushed = self.flush(exchange).await;
        self.listener
            .counters()
            .bytes_out
            .add(exchange.down.sent as u64);
        match flushed {
            true => Ended::Close,
            false => Ended::Cut,
        }
    }

    /// Writes what is on its way to the client. False if that could not be done within `read_stall`.
    pub(super) async fn flush(&self, exchange: &mut Exchange) -> bool {
        let down = &mut exchange.down;
        let mut stall = Stall::new(self.listener.settings().read_stall);
        poll_fn(|cx| {
            while !down.is_sent() {
                match self.stream.poll_write(cx, down.unsent()) {
                    Poll::Ready(Ok(n)) => {
                        down.sent += n;
                        stall.took(n as u64);
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => {
                        return match self.poll_stalled(cx, stall.waits(rt::now)) {
                            true => Poll::Ready(false),
                            false => Poll::Pending,
                        };
                    }
                }
            }
            Poll::Ready(true)
        })
        .await
    }

    /// Has the client taken next to nothing until this deadline, or is its place needed more? Then what it would not take goes with the connection.
    pub(super) fn poll_stalled(&self, cx: &mut Context<'_>, deadline: Time) -> bool {
        self.conn.timer.set(deadline);
        let why = match self.conn.timer.poll_expired(cx) {
            true => Reject::ReadStall,
            false if self.conn.must_go.get() => Reject::MadeRoom,
            false => {
                let limit_ns = self.listener.settings().read_stall.as_nanos() as u64;
                let since = Time::from_nanos(deadline.as_nanos().saturating_sub(limit_ns));
                self.conn.may_go_for.set(GoesFor::Stalled(since));
                return false;
            }
        };
        self.listener.reject(why);
        self.stream.reset_on_close();
        true
    }

    /// Closes in order: says that nothing more comes and takes what the client still sends for a while, since closing
    /// with unread bytes would reset the connection and could destroy the answer on its way.
    async fn linger(&self, exchange: &mut Exchange) {
        self.stream.shutdown_write();
        // Thousands may be sent away at once: none of them holds the buffers of its request meanwhile.
        exchange.recycle();
        self.conn.timer.set(rt::now() + LINGER);
        let mut left = LINGER_BYTES;
        poll_fn(|cx| {
            loop {
                exchange.head_in.clear();
                match self.stream.poll_read(cx, exchange.head_in.wide_tail()) {
                    Poll::Ready(Ok(n)) if n > 0 && n < left => left -= n,
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            exchange.head_in.rest();
            match self.conn.timer.poll_expired(cx) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        exchange.head_in.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, F: Future>(_: fn(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_is_small() {
        assert!(size_of_future(serve) <= 192, "{}", size_of_future(serve));
        assert!(size_of::<Client>() <= 128, "{}", size_of::<Client>());
    }
}
