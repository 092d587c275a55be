//! A request on its way to an endpoint: head and body, streamed with bounded memory, and kept for another try for as long
//! as it fits `body_buffer`.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use evenkeel_core::time::Time;

use super::patience::Patience;
use crate::buffer::{Buf, IO_SIZE, Out, ROOM_MIN};
use crate::http1::{BadFraming, Body, Framing, To};
use crate::rt;
use crate::splice::{Pipes, Pump, PumpError, Pumped, SPLICE_FROM};
use crate::wire::Stream;

/// Bounds for one request's body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UploadLimits {
    /// Largest body; 0 = no limit.
    pub(crate) max_body: u64,
    /// Bytes a second; 0 = no limit.
    pub(crate) min_rate: u64,
    /// A larger body is not kept for another try.
    pub(crate) body_buffer: u64,
    /// No trailer goes on.
    pub(crate) drops_trailers: bool,
}

/// Whom the upload waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Waits {
    #[default]
    Nobody,
    Client,
    Endpoint,
}

/// What went wrong with it.
#[derive(Debug)]
pub(crate) enum UploadError {
    /// The client left.
    Gone,
    /// The client's chunks are none, or it ended its body too early: it may still listen.
    Malformed(BadFraming),
    /// More than `max_body`.
    TooLarge,
    /// The endpoint takes no more. It may have answered already.
    Endpoint,
}

const ENDED: UploadError = UploadError::Malformed(BadFraming {
    reason: "the connection ended before the body did",
});

/// One request's way to an endpoint.
#[derive(Default)]
pub(crate) struct Upload {
    /// Body bytes as they came.
    pub(crate) raw: Buf,
    /// Head and body as the endpoint gets them; all of it from the start while `keeps`, else what is not written yet.
    out: Out,
    head_len: usize,
    body: Option<Body>,
    to: Option<To>,
    limits: UploadLimits,
    keeps: bool,
    /// A byte of it was written to a connection.
    written: bool,
    /// Bytes read from the client for it.
    pub(crate) received: u64,
    /// The client's part was complete.
    ended: Option<Time>,
    waits: Waits,
    /// The endpoint may be expected to move since then.
    endpoint_since: Time,
    client_since: Time,
    /// How long the client may be waited for from `client_since` on.
    patience: Patience,
    /// The client waits for a 100 before it sends its body.
    expects: bool,
    pump: Option<Pump>,
}

impl Upload {
    /// At the start of a request.
    pub(crate) fn begin(
        &mut self,
        framing: Framing,
        expects: bool,
        limits: UploadLimits,
        now: Time,
    ) {
        self.out.rest();
        self.head_len = 0;
        let mut body = Body::new(framing);
        if limits.drops_trailers {
            body.drop_trailers();
        }
        self.ended = body.is_done().then_some(now);
        self.body = (!body.is_done()).then_some(body);
        self.to = Some(match framing {
            Framing::Chunked => To::Chunked,
            _ => To::Plain,
        });
        self.limits = limits;
        self.keeps = true;
        self.written = false;
        self.received = self.raw.len() as u64;
        self.waits = Waits::Nobody;
        self.patience = Patience::new(limits.min_rate);
        self.patience.earn(self.received);
        self.expects = expects && self.raw.is_empty();
        self.pump = None;
    }

    pub(crate) fn recycle(&mut self) {
        self.raw.rest();
        self.out.rest();
        self.body = None;
        self.pump = None;
    }

    /// Before a try: sends it from the start. `write_head` appends the head, if there is none yet.
    pub(crate) fn restart(&mut self, now: Time, write_head: impl FnOnce(&mut Vec<u8>)) {
        if self.out.data.is_empty() {
            write_head(self.out.tail());
            self.head_len = self.out.data.len();
        }
        self.out.sent = 0;
        self.endpoint_since = now;
        self.waits = Waits::Nobody;
    }

    /// Reads from the client until all of it is there, or it is too large to be sent again. Before any endpoint is asked,
    /// and after the head was written.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        client: &Stream,
    ) -> Poll<Result<(), UploadError>> {
        let held = usize::try_from(self.limits.body_buffer).unwrap_or(usize::MAX);
        let most = self.head_len.saturating_add(held).saturating_add(IO_SIZE);
        loop {
            self.decode(most)?;
            if self.body.is_none() || !self.keeps {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_take(cx, client))?;
        }
    }

    /// Head and body as they go to an endpoint, while all of it is held.
    pub(crate) fn whole(&self) -> &[u8] {
        &self.out.data
    }

    /// Has everything been given to the endpoint?
    pub(crate) fn is_done(&self) -> bool {
        self.body.is_none() && self.out.is_sent() && self.pump.is_none()
    }

    /// Has the client sent all of it?
    pub(crate) fn is_received(&self) -> bool {
        self.body.is_none()
    }

    /// When it had.
    pub(crate) fn ended(&self) -> Option<Time> {
        self.ended
    }

    /// Can it be sent again from the start?
    pub(crate) fn replayable(&self) -> bool {
        self.keeps
    }

    /// Was a byte of it written to any connection?
    pub(crate) fn written(&self) -> bool {
        self.written
    }

    /// Does the client still hold its body back until it sees a 100?
    pub(crate) fn expects(&self) -> bool {
        self.expects
    }

    /// The client may send now.
    pub(crate) fn invited(&mut self) {
        self.expects = false;
        // So far it waited for this, and not we for it.
        self.client_since = rt::now();
    }

    /// Since when the endpoint has been expected to move: take bytes, or answer. `None` while the client has to.
    pub(crate) fn endpoint_since(&self) -> Option<Time> {
        (self.waits != Waits::Client || self.expects).then_some(self.endpoint_since)
    }

    /// Since when the client is waited for, if it is.
    pub(crate) fn client_since(&self) -> Option<Time> {
        (self.waits == Waits::Client && !self.expects).then_some(self.client_since)
    }

    /// When the client will have been too slow.
    pub(crate) fn client_deadline(&self) -> Time {
        match self.patience.left() {
            Some(left) if self.waits == Waits::Client && !self.expects => self.client_since + left,
            _ => Time::NEVER,
        }
    }

    /// Moves what can be moved; ready once all of it was given to the endpoint.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &Stream,
        endpoint: &Stream,
        pipes: &Rc<Pipes>,
    ) -> Poll<Result<(), UploadError>> {
        loop {
            // Decoded first: a small body leaves with its head in one write.
            self.decode(IO_SIZE)?;
            if !self.out.is_sent() {
                ready!(self.poll_give(cx, endpoint))?;
                continue;
            }
            if let Some(pump) = &mut self.pump {
                let polled = pump.poll(cx, client, endpoint, splice_left(&self.body));
                ready!(self.pumped(polled))?;
                continue;
            }
            let Some(body) = &self.body else {
                return Poll::Ready(Ok(()));
            };
            if !self.keeps && self.raw.is_empty() && body.remaining() > SPLICE_FROM {
                self.pump = Some(Pump::new(pipes));
                continue;
            }
            ready!(self.poll_take(cx, client))?;
        }
    }

    fn poll_give(
        &mut self,
        cx: &mut Context<'_>,
        endpoint: &Stream,
    ) -> Poll<Result<(), UploadError>> {
        match endpoint.poll_write(cx, self.out.unsent()) {
            Poll::Pending => {
                self.wait(Waits::Endpoint);
                Poll::Pending
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(UploadError::Endpoint)),
            Poll::Ready(Ok(n)) => {
                self.out.sent += n;
                self.gave(n as u64);
                if self.out.is_sent() && (!self.keeps || self.is_head_only()) {
                    self.out.rest();
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        client: &Stream,
    ) -> Poll<Result<(), UploadError>> {
        match client.poll_read(cx, self.raw.wide_tail()) {
            Poll::Pending => {
                self.raw.rest_if_empty();
                self.wait(Waits::Client);
                Poll::Pending
            }
            Poll::Ready(Ok(n)) if n > 0 => {
                self.took(n as u64);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Err(ENDED)),
            Poll::Ready(Err(_)) => Poll::Ready(Err(UploadError::Gone)),
        }
    }

    fn pumped(&mut self, polled: Poll<Result<Pumped, PumpError>>) -> Poll<Result<(), UploadError>> {
        let empty = self.pump.as_ref().is_none_or(Pump::is_empty);
        match polled {
            Poll::Pending => {
                self.wait(if empty {
                    Waits::Client
                } else {
                    Waits::Endpoint
                });
                return Poll::Pending;
            }
            Poll::Ready(Ok(Pumped::Took(n))) => {
                self.took(n);
                if let Some(body) = &mut self.body {
                    body.passed(n);
                    if body.is_done() {
                        self.body_ended();
                    }
                }
            }
            Poll::Ready(Ok(Pumped::Gave(n))) => {
                self.gave(n);
                if empty && self.body.is_none() {
                    self.pump = None;
                }
            }
            Poll::Ready(Ok(Pumped::Ended)) => return Poll::Ready(Err(ENDED)),
            Poll::Ready(Err(PumpError::Source)) => {
                return Poll::Ready(Err(UploadError::Gone));
            }
            Poll::Ready(Err(PumpError::Sink)) => {
                return Poll::Ready(Err(UploadError::Endpoint));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Turns bytes as they came into bytes as they are sent, as far as there is room: at most so many are to be sent at once.
    fn decode(&mut self, most: usize) -> Result<(), UploadError> {
        while let (Some(body), Some(to)) = (&mut self.body, self.to) {
            let room = most.saturating_sub(self.out.unsent().len());
            if self.raw.is_empty() || room < ROOM_MIN {
                return Ok(());
            }
            let copied = body
                .copy(self.raw.bytes(), to, &mut self.out.data, room)
                .map_err(UploadError::Malformed)?;
            self.raw.consume(copied.consumed);
            let payload = body.payload();
            if self.limits.max_body > 0 && payload > self.limits.max_body {
                return Err(UploadError::TooLarge);
            }
            let held = (self.out.data.len() - self.head_len) as u64;
            if self.keeps && held > self.limits.body_buffer {
                self.let_go();
            }
            if copied.done {
                self.body_ended();
            } else if copied.consumed == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// From here on it cannot be sent again.
    pub(crate) fn let_go(&mut self) {
        self.keeps = false;
        self.out.data.drain(..self.out.sent);
        self.out.sent = 0;
        self.head_len = 0;
    }

    /// Was no body sent with it? Then a head can be written again for another try, and need not be kept.
    fn is_head_only(&self) -> bool {
        self.body.is_none() && self.out.data.len() == self.head_len
    }

    fn body_ended(&mut self) {
        self.body = None;
        self.ended = Some(rt::now());
        if self.pump.as_ref().is_some_and(Pump::is_empty) {
            self.pump = None;
        }
    }

    fn took(&mut self, n: u64) {
        self.received += n;
        self.expects = false;
        if self.waits == Waits::Client {
            self.wait(Waits::Nobody);
        }
        self.patience.earn(n);
    }

    fn gave(&mut self, n: u64) {
        if n > 0 {
            self.written = true;
        }
        if self.body.is_some() || self.waits == Waits::Endpoint {
            self.endpoint_since = rt::now();
        }
        if self.waits == Waits::Endpoint {
            self.waits = Waits::Nobody;
        }
    }

    fn wait(&mut self, whom: Waits) {
        if self.waits == whom {
            return;
        }
        let now = rt::now();
        if self.waits == Waits::Client {
            self.patience.waited(now.since(self.client_since));
            self.endpoint_since = now;
        }
        if whom == Waits::Client {
            self.client_since = now;
        }
        self.waits = whom;
    }
}

/// Bytes of the body that may be spliced.
fn splice_left(body: &Option<Body>) -> u64 {
    body.as_ref().map_or(0, Body::remaining)
}

impl From<io::Error> for UploadError {
    fn from(_: io::Error) -> UploadError {
        UploadError::Gone
    }
}
