//! One try: a connection to the endpoint, the request on its way, until the head of the answer is there.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use evenkeel_core::address::Address;
use evenkeel_core::observe::FailureKind;
use evenkeel_core::time::Time;
use evenkeel_tls::Speaks;

use super::Exchange;
use super::forward::Job;
use super::keep::{KEY, add_field};
use super::upload::{Upload, UploadError};
use crate::http1::{
    Asked, Forward, Limits, Method, Progress, ResponseForward, write_request_head,
    write_response_head,
};
use crate::pool::{Attempt, ConnectError};
use crate::rt;
use crate::wire::Stream;
use crate::worker::GoesFor;

/// How an endpoint's head may be at most. Wider than what clients may send: set-cookie fields pile up.
const ANSWER_LIMITS: Limits = Limits {
    max_head: 128 * 1024,
    max_fields: 512,
};
/// An endpoint may say this much in interim answers to one request: two thousand of the usual length. More is a flood,
/// which would be held here for as long as the final answer does not come.
const INTERIM_MAX: usize = 64 * 1024;

/// How a try ended.
pub(super) enum Try {
    /// The head is in `exchange.response`.
    Answered(Answered),
    /// It failed; the endpoint is to blame.
    Failed(FailureKind),
    /// No connection could be opened, for want of something here.
    Local,
    /// The route's `timeout` has passed.
    OutOfTime,
    /// The endpoint went down while it was waited for, and there is another.
    Moved,
    /// The client's part failed.
    Client(UploadError),
    /// The client was too slow with its body.
    TooSlow,
}

/// An endpoint that has begun to answer.
pub(super) struct Answered {
    pub(super) stream: Stream,
    /// The head's bytes at the front of `answer_in`.
    pub(super) head_len: usize,
    /// The endpoint takes no more of the request.
    pub(super) deaf: bool,
}

/// Whose deadline comes first.
#[derive(Clone, Copy)]
enum Due {
    Try,
    Route,
    Client,
}

impl Job<'_> {
    /// Makes a try. `again`: the endpoint was tried before, so only a new connection will do.
    pub(super) async fn attempt(
        &self,
        exchange: &mut Exchange,
        attempt: &Attempt,
        again: bool,
        now: Time,
    ) -> Try {
        self.client.conn.moved.set(false);
        self.client.conn.waiting_on.set(Some(attempt.endpoint.id));
        if exchange.upload.is_received() {
            attempt.hand_over_request(now);
        }
        let idle = match again {
            true => None,
            false => attempt.endpoint.take_idle(self.idempotent, now),
        };
        let stream = match idle {
            Some(stream) => Ok(stream),
            None => Box::pin(self.connection(exchange, attempt, again, now)).await,
        };
        let result = match stream {
            Ok(stream) => self.answer(exchange, attempt, stream, now).await,
            Err(ended) => ended,
        };
        self.client.conn.waiting_on.set(None);
        result
    }

    /// An idle connection or a new one. If there is no descriptor for it, room is made, and it is tried again for as long as
    /// connecting may take.
    async fn connection(
        &self,
        exchange: &Exchange,
        attempt: &Attempt,
        again: bool,
        now: Time,
    ) -> Result<Stream, Try> {
        let until = now + attempt.current.table.transport.connect_timeout;
        loop {
            match self.connection_now(exchange, attempt, again, now).await {
                Err(Try::Local) if rt::now() < until => {
                    self.client
                        .worker
                        .wait_for_descriptor(&self.client.listener)
                        .await;
                }
                other => return other,
            }
        }
    }

    async fn connection_now(
        &self,
        exchange: &Exchange,
        attempt: &Attempt,
        again: bool,
        now: Time,
    ) -> Result<Stream, Try> {
        if !again && let Some(stream) = attempt.endpoint.take_idle(self.idempotent, now) {
            return Ok(stream);
        }
        let timeout = attempt.current.table.transport.connect_timeout;
        let route = self.route_deadline(&exchange.upload);
        let late = route < now + timeout;
        let deadline = route.min(now + timeout);
        let mut connecting = pin!(
            attempt
                .endpoint
                .connect(attempt.current.tls.as_deref(), Speaks::Http)
        );
        let timer = &self.client.conn.timer;
        let connected = poll_fn(|cx| {
            if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
                return Poll::Ready(connected.map_err(|e| match e {
                    ConnectError::Endpoint(kind) => Try::Failed(kind),
                    ConnectError::Local(error) => {
                        self.client.worker.cannot_connect(&error);
                        Try::Local
                    }
                }));
            }
            timer.set(deadline);
            if timer.poll_expired(cx) {
                return Poll::Ready(Err(match late {
                    true => Try::OutOfTime,
                    false => Try::Failed(FailureKind::ConnectTimeout),
                }));
            }
            if self.client.conn.moved.take() && self.has_elsewhere(exchange, attempt) {
                return Poll::Ready(Err(Try::Moved));
            }
            if self.client.stream.poll_gone(cx) {
                return Poll::Ready(Err(Try::Client(UploadError::Gone)));
            }
            Poll::Pending
        })
        .await?;
        attempt.counters().connects.inc();
        Ok(connected)
    }

    /// Sends the request and waits for the head of its answer.
    async fn answer(
        &self,
        exchange: &mut Exchange,
        attempt: &Attempt,
        stream: Stream,
        now: Time,
    ) -> Try {
        let host = match exchange.request.host().is_empty() {
            true => attempt.endpoint.address.as_ref().map(host_of),
            false => None,
        };
        self.write_head(exchange, now, host.as_deref());
        exchange.answer_in.rest();
        exchange.interim = 0;
        exchange.response.reset();
        let mut deaf = false;
        let ended = poll_fn(|cx| self.poll_answer(cx, exchange, attempt, &stream, &mut deaf)).await;
        match ended {
            Ok(head_len) => Try::Answered(Answered {
                stream,
                head_len,
                deaf,
            }),
            Err(ended) => ended,
        }
    }

    /// The head as an endpoint gets it, unless it is there already. `host` stands for the one that a client did not name.
    pub(super) fn write_head(&self, exchange: &mut Exchange, now: Time, host: Option<&str>) {
        let Exchange {
            upload,
            request,
            head_in,
            ticket,
            ..
        } = exchange;
        upload.restart(now, |out| {
            let forward = Forward {
                client_ip: &self.client.ip_text,
                proto: self.client.proto(),
                trusted: self.trusted,
                request_id: self.request_id,
                span_id: self.client.worker.random.next(),
                fallback_host: host.unwrap_or_default(),
                close: false,
                // One that is to be written down was asked for its body already.
                expect: ticket.is_none(),
            };
            write_request_head(out, request, head_in.bytes(), &forward);
            if let Some(key) = ticket.as_ref().and_then(|ticket| ticket.own_key()) {
                add_field(out, KEY, key);
            }
        });
    }

    fn poll_answer(
        &self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        attempt: &Attempt,
        stream: &Stream,
        deaf: &mut bool,
    ) -> Poll<Result<usize, Try>> {
        let client = &self.client.stream;
        if !*deaf && !exchange.upload.is_done() {
            let pipes = &self.client.worker.pipes;
            match exchange.upload.poll(cx, client, stream, pipes) {
                Poll::Pending | Poll::Ready(Ok(())) => {}
                // It may have answered before it closed.
                Poll::Ready(Err(UploadError::Endpoint)) => *deaf = true,
                Poll::Ready(Err(e)) => return Poll::Ready(Err(Try::Client(e))),
            }
            if exchange.upload.is_received()
                && let Some(since) = exchange.upload.endpoint_since()
            {
                attempt.hand_over_request(since);
            }
        }
        if let Poll::Ready(head) = self.poll_head(cx, exchange, attempt, stream) {
            return Poll::Ready(head.map_err(Try::Failed));
        }
        let (deadline, due) = self.deadline(&exchange.upload, attempt);
        let timer = &self.client.conn.timer;
        timer.set(deadline);
        if timer.poll_expired(cx) {
            return Poll::Ready(Err(match due {
                Due::Try => Try::Failed(FailureKind::Timeout),
                Due::Route => Try::OutOfTime,
                Due::Client => Try::TooSlow,
            }));
        }
        let conn = &self.client.conn;
        let stalled = exchange.upload.client_since().map(GoesFor::Stalled);
        conn.may_go_for.set(stalled.unwrap_or(GoesFor::Nothing));
        if stalled.is_some() && conn.must_go.get() {
            return Poll::Ready(Err(Try::TooSlow));
        }
        if conn.moved.take() && self.may_move(exchange, attempt) {
            return Poll::Ready(Err(Try::Moved));
        }
        if exchange.upload.is_received() {
            if client.poll_gone(cx) {
                return Poll::Ready(Err(Try::Client(UploadError::Gone)));
            }
            // Who came with his request on a new connection was not waited for so far, and is from here on.
            if client.poll_closing(cx) {
                attempt.client_closed();
            }
        }
        Poll::Pending
    }

    /// Reads until the head of the final answer is complete; interim answers are passed on at once.
    fn poll_head(
        &self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        attempt: &Attempt,
        stream: &Stream,
    ) -> Poll<Result<usize, FailureKind>> {
        loop {
            self.poll_interim(cx, exchange);
            if exchange.interim > INTERIM_MAX {
                return Poll::Ready(Err(FailureKind::Garbage));
            }
            if !exchange.answer_in.is_empty() {
                let bytes = exchange.answer_in.bytes();
                let asked = Asked {
                    head: exchange.request.method() == Method::Head,
                    upgrade: exchange.request.upgrade(exchange.head_in.bytes()),
                };
                match exchange.response.parse(bytes, &ANSWER_LIMITS, asked) {
                    Err(_) => return Poll::Ready(Err(FailureKind::Garbage)),
                    Ok(Progress::Partial) => {}
                    Ok(Progress::Complete { len }) if !exchange.response.interim() => {
                        return Poll::Ready(Ok(len));
                    }
                    Ok(Progress::Complete { len }) => {
                        self.pass_interim(exchange, len);
                        continue;
                    }
                }
            }
            let tail = match attempt.endpoint.gives_much.get() {
                true => exchange.answer_in.head_tail(),
                false => exchange.answer_in.wide_tail(),
            };
            match stream.poll_read(cx, tail) {
                Poll::Pending => {
                    // Most of a request's time is spent here.
                    exchange.answer_in.rest_if_empty();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(n)) if n > 0 => {}
                Poll::Ready(_) => return Poll::Ready(Err(FailureKind::Reset)),
            }
        }
    }

    fn pass_interim(&self, exchange: &mut Exchange, len: usize) {
        if exchange.response.status() == 100 {
            exchange.upload.invited();
        }
        let forward = ResponseForward {
            client: exchange.request.version(),
            persistent: exchange.request.persistent(),
            ..ResponseForward::default()
        };
        let head = &exchange.answer_in.bytes()[..len];
        write_response_head(exchange.down.tail(), &exchange.response, head, &forward);
        exchange.answer_in.consume(len);
        exchange.interim += len;
    }

    /// Writes interim answers; what fails here is met again with the final one.
    fn poll_interim(&self, cx: &mut Context<'_>, exchange: &mut Exchange) {
        while !exchange.down.is_sent() {
            match self.client.stream.poll_write(cx, exchange.down.unsent()) {
                Poll::Ready(Ok(n)) => exchange.down.sent += n,
                Poll::Ready(Err(_)) | Poll::Pending => return,
            }
        }
    }

    fn deadline(&self, upload: &Upload, attempt: &Attempt) -> (Time, Due) {
        let per_try = attempt.current.table.retry.per_try_timeout;
        let of_try = upload
            .endpoint_since()
            .map_or(Time::NEVER, |since| since + per_try);
        let mut first = (of_try, Due::Try);
        let route = self.route_deadline(upload);
        if route < first.0 {
            first = (route, Due::Route);
        }
        let slow = upload.client_deadline();
        if slow < first.0 {
            first = (slow, Due::Client);
        }
        first
    }

    /// From the end of the request on.
    fn route_deadline(&self, upload: &Upload) -> Time {
        upload
            .ended()
            .map_or(Time::NEVER, |ended| ended + self.route.timeout)
    }
}

/// What stands for the host that an HTTP/1.0 client did not name. A socket's path is none.
fn host_of(address: &Address) -> String {
    match address {
        Address::Ip(ip) => ip.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}
