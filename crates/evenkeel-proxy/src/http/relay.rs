//! An answer on its way to the client, and the rest of the request beside it. A slow client stops the reading from the
//! endpoint; an answer that the endpoint cuts short is cut short for the client.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use evenkeel_core::counters::Reject;
use evenkeel_core::observe::FailureKind;
use evenkeel_core::time::Time;

use super::Exchange;
use super::attempt::Answered;
use super::forward::Job;
use super::keep::write_answer_head;
use super::own;
use super::request::{Ended, Tally};
use crate::buffer::{IO_SIZE, ROOM_MIN};
use crate::http1::{Body, Framing, ResponseForward, ResponseHead, To};
use crate::pool::Attempt;
use crate::rt;
use crate::splice::{Pump, PumpError, Pumped, SPLICE_FROM};
use crate::stall::Stall;
use crate::wire::Stream;
use crate::worker::GoesFor;

/// The answer's way to the client.
struct Relay<'a> {
    exchange: &'a mut Exchange,
    job: &'a Job<'a>,
    endpoint: &'a Stream,
    body: Body,
    to: To,
    pump: Option<Pump>,
    /// The endpoint's part is read, the client's written.
    done: bool,
    /// The request needs no more doing, or cannot be completed.
    upload_over: bool,
    waits: Waits,
    /// Since when it waits for that.
    since: Time,
    stall: Stall,
    /// Bytes written to the client.
    sent: u64,
}

/// An endpoint in the middle of its answer may be silent for as long as its route gives it to begin one, and at least for
/// this long: events and long polls come with pauses, and a minute is what other proxies have taught their servers.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Nobody,
    Client,
    Endpoint,
}

/// Why it ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The client is gone, or broke its body.
    Client,
    /// The client read nothing for `read_stall`; that is counted already.
    ReadStall,
    /// The client sent its body too slowly.
    TooSlow,
    /// The endpoint ended before its answer did.
    Endpoint,
    /// The endpoint sent what is no body.
    Garbage,
    /// The endpoint said nothing for too long.
    Silent,
}

impl Job<'_> {
    /// Passes the answer on whose head is in `exchange`.
    pub(super) async fn relay(
        &self,
        exchange: &mut Exchange,
        tally: &mut Tally,
        attempt: &Attempt,
        answered: Answered,
    ) -> Ended {
        let Answered {
            stream: endpoint,
            head_len,
            deaf,
        } = answered;
        tally.status = exchange.response.status();
        let forward = ResponseForward {
            client: exchange.request.version(),
            persistent: self.persists(exchange, deaf),
            date: Some(&self.client.worker.date()),
        };
        let begin = exchange.down.data.len();
        self.learn(exchange, attempt, head_len);
        let sent = write_answer_head(exchange, head_len, &forward);
        self.bind(exchange, attempt);
        let reusable = exchange.response.persistent();
        if sent.framing == Framing::Tunnel {
            return Box::pin(self.switch(exchange, tally, &endpoint)).await;
        }
        let mut relay = Relay {
            job: self,
            endpoint: &endpoint,
            body: body_of(&exchange.response),
            to: match sent.framing {
                Framing::Chunked => To::Chunked,
                _ => To::Plain,
            },
            pump: None,
            done: false,
            upload_over: deaf || exchange.upload.is_done(),
            waits: Waits::Nobody,
            since: tally.started,
            stall: Stall::new(self.client.listener.settings().read_stall),
            sent: 0,
            exchange,
        };
        let ended = poll_fn(|cx| relay.poll(cx, reusable)).await;
        tally.sent += relay.sent;
        attempt.endpoint.gives_much.set(relay.pump.is_some());
        if let Err(cut) = ended {
            // What was sent so far, if anything, were interim answers.
            let unsent = (tally.sent == 0 && exchange.down.sent <= begin).then_some(begin);
            let told = self.cut(attempt, cut, sent.framing, unsent.is_none());
            return Box::pin(self.end_early(exchange, tally, told.zip(unsent))).await;
        }
        let complete = exchange.upload.is_done() && !deaf;
        if complete && reusable && exchange.answer_in.is_empty() {
            attempt.keep(endpoint, *tally.ended.insert(rt::now()));
        }
        match sent.close || !complete {
            true => Ended::Close,
            false => Ended::Next,
        }
    }

    /// May the client use its connection again? Not if nobody will take the rest of its request, and it has to be told now.
    fn persists(&self, exchange: &Exchange, deaf: bool) -> bool {
        let upload = &exchange.upload;
        let unwanted =
            deaf || (!upload.is_done() && (!exchange.response.persistent() || upload.expects()));
        exchange.request.persistent() && !unwanted && !self.client.worker.draining.get()
    }

    /// Accounts for an answer that ended early; says how the endpoint failed if it did. `begun`: the client has a part of it.
    fn cut(
        &self,
        attempt: &Attempt,
        cut: Cut,
        framing: Framing,
        begun: bool,
    ) -> Option<FailureKind> {
        let kind = match cut {
            Cut::Client | Cut::ReadStall => None,
            Cut::TooSlow => {
                self.client.listener.reject(Reject::BodyTooSlow);
                None
            }
            Cut::Endpoint => Some(FailureKind::Reset),
            Cut::Garbage => Some(FailureKind::Garbage),
            Cut::Silent => Some(FailureKind::Timeout),
        };
        if let Some(kind) = kind {
            attempt.failed(kind, rt::now());
            if begun {
                self.client.listener.reject(Reject::AnswerCut);
            }
        }
        if framing == Framing::UntilClose && (begun || kind.is_none()) {
            // A plain close would look like the end of the body.
            self.client.stream.reset_on_close();
        }
        kind
    }

    /// Tells the client of the failure where that is still possible: nothing of the answer has left yet, of which `down` holds
    /// the beginning from this place on.
    async fn end_early(
        &self,
        exchange: &mut Exchange,
        tally: &mut Tally,
        unsent: Option<(FailureKind, usize)>,
    ) -> Ended {
        let Some((kind, begin)) = unsent else {
            return Ended::Cut;
        };
        exchange.down.data.truncate(begin);
        let own = own::failed(kind);
        self.client.answer_own(exchange, tally, &own).await
    }
}

fn body_of(answer: &ResponseHead) -> Body {
    let mut body = Body::new(answer.framing());
    if answer.names_fields() {
        body.drop_trailers();
    }
    body
}

impl Relay<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, reusable: bool) -> Poll<Result<(), Cut>> {
        if !self.upload_over
            && let Poll::Ready(uploaded) = self.poll_upload(cx)
        {
            uploaded?;
            self.upload_over = true;
        }
        if !self.done
            && let Poll::Ready(answered) = self.poll_answer(cx)
        {
            answered?;
            self.done = true;
            self.waits = Waits::Nobody;
        }
        // An endpoint that is about to close wants nothing more of the request.
        if self.done && (self.upload_over || !reusable || self.exchange.upload.expects()) {
            return Poll::Ready(Ok(()));
        }
        self.poll_too_late(cx)
    }

    fn poll_too_late(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let client = self.job.client;
        let (deadline, cut) = self.deadline();
        if cut == Cut::ReadStall {
            return match client.poll_stalled(cx, deadline) {
                true => Poll::Ready(Err(cut)),
                false => Poll::Pending,
            };
        }
        client.conn.may_go_for.set(GoesFor::Nothing);
        client.conn.timer.set(deadline);
        match client.conn.timer.poll_expired(cx) {
            true => Poll::Ready(Err(cut)),
            false => Poll::Pending,
        }
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        use super::upload::UploadError;
        let client = self.job.client;
        let upload = &mut self.exchange.upload;
        match ready!(upload.poll(cx, &client.stream, self.endpoint, &client.worker.pipes)) {
            // The endpoint has answered: whether it takes the rest is its own business.
            Ok(()) | Err(UploadError::Endpoint) => Poll::Ready(Ok(())),
            Err(_) => Poll::Ready(Err(Cut::Client)),
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let client = &self.job.client.stream;
        loop {
            // Filled before it is written: a small answer leaves in one write.
            self.fill()?;
            if !self.exchange.down.is_sent() {
                let more = self.poll_early(cx);
                ready!(self.poll_give(cx, more))?;
                continue;
            }
            if let Some(pump) = &mut self.pump {
                let polled = pump.poll(cx, self.endpoint, client, self.body.remaining());
                if ready!(self.pumped(polled))? {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            if self.body.is_done() {
                return Poll::Ready(Ok(()));
            }
            if self.exchange.answer_in.is_empty() && self.body.remaining() > SPLICE_FROM {
                self.pump = Some(Pump::new(&self.job.client.worker.pipes));
                continue;
            }
            if ready!(self.poll_take(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Moves what was read into what is to be written, as far as there is room.
    fn fill(&mut self) -> Result<(), Cut> {
        let Exchange {
            answer_in, down, ..
        } = &mut *self.exchange;
        while !answer_in.is_empty() && !self.body.is_done() {
            let room = (2 * IO_SIZE).saturating_sub(down.unsent().len());
            if room < ROOM_MIN {
                break;
            }
            let copied = self
                .body
                .copy(answer_in.bytes(), self.to, &mut down.data, room)
                .map_err(|_| Cut::Garbage)?;
            answer_in.consume(copied.consumed);
            if copied.consumed == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Of a body that is to be spliced: fetches what is there of it before its first part is written, so that both leave
    /// together. Does anything wait in the pump? What goes wrong here goes wrong again once the first part is written.
    fn poll_early(&mut self, cx: &mut Context<'_>) -> bool {
        let left = self.body.remaining();
        // Only of a known length: one that ends with the connection must not have its error taken for its end.
        if self.pump.is_none()
            && self.exchange.answer_in.is_empty()
            && (SPLICE_FROM + 1..u64::MAX).contains(&left)
        {
            let mut pump = Pump::new(&self.job.client.worker.pipes);
            let client = &self.job.client.stream;
            let polled = pump.poll_fill(cx, self.endpoint, client, left);
            if let Poll::Ready(Ok(Pumped::Took(n))) = polled {
                self.body.passed(n);
            }
            self.pump = Some(pump);
        }
        self.pump.as_ref().is_some_and(|pump| !pump.is_empty())
    }

    fn poll_give(&mut self, cx: &mut Context<'_>, more: bool) -> Poll<Result<(), Cut>> {
        let down = &mut self.exchange.down;
        let client = &self.job.client.stream;
        let written = match more {
            true => client.poll_write_more(cx, down.unsent()),
            false => client.poll_write(cx, down.unsent()),
        };
        match written {
            Poll::Pending => {
                self.wait(Waits::Client);
                Poll::Pending
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Cut::Client)),
            Poll::Ready(Ok(n)) => {
                down.sent += n;
                self.stall.took(n as u64);
                if down.is_sent() {
                    self.sent += down.sent as u64;
                    down.clear();
                }
                self.waits = Waits::Nobody;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// True at the body's end.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Cut>> {
        match self
            .endpoint
            .poll_read(cx, self.exchange.answer_in.wide_tail())
        {
            Poll::Pending => {
                self.exchange.answer_in.rest_if_empty();
                self.wait(Waits::Endpoint);
                Poll::Pending
            }
            Poll::Ready(Ok(0)) => Poll::Ready(self.closed()),
            Poll::Ready(Ok(_)) => {
                self.waits = Waits::Nobody;
                Poll::Ready(Ok(false))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Cut::Endpoint)),
        }
    }

    /// The endpoint closed: a proper end only where the body ends so.
    fn closed(&mut self) -> Result<bool, Cut> {
        match self.body.closed() {
            true => Ok(true),
            false => Err(Cut::Endpoint),
        }
    }

    /// True at the body's end.
    fn pumped(&mut self, polled: Poll<Result<Pumped, PumpError>>) -> Poll<Result<bool, Cut>> {
        let empty = self.pump.as_ref().is_none_or(Pump::is_empty);
        match polled {
            Poll::Pending => {
                self.wait(match empty {
                    true => Waits::Endpoint,
                    false => Waits::Client,
                });
                return Poll::Pending;
            }
            Poll::Ready(Ok(Pumped::Took(n))) => self.body.passed(n),
            Poll::Ready(Ok(Pumped::Gave(n))) => {
                self.sent += n;
                self.stall.took(n);
                if empty && self.body.is_done() {
                    return Poll::Ready(Ok(true));
                }
            }
            Poll::Ready(Ok(Pumped::Ended)) => return Poll::Ready(self.closed()),
            Poll::Ready(Err(PumpError::Source)) => return Poll::Ready(Err(Cut::Endpoint)),
            Poll::Ready(Err(PumpError::Sink)) => return Poll::Ready(Err(Cut::Client)),
        }
        self.waits = Waits::Nobody;
        Poll::Ready(Ok(false))
    }

    /// A client that does not read holds no more than what it does not read.
    fn rest(&mut self) {
        self.exchange.answer_in.rest_if_empty();
        if self.exchange.down.is_sent() {
            self.exchange.down.rest();
        }
        if self.exchange.upload.is_done() {
            self.exchange.upload.recycle();
        }
    }

    fn wait(&mut self, whom: Waits) {
        if self.waits != whom {
            self.waits = whom;
            self.since = rt::now();
            match whom {
                Waits::Client => {
                    self.stall.waits(|| self.since);
                    self.rest();
                }
                _ => self.stall.over(),
            }
        }
    }

    fn deadline(&mut self) -> (Time, Cut) {
        let settings = self.job.client.listener.settings();
        let mut first = match self.waits {
            Waits::Nobody => (Time::NEVER, Cut::Silent),
            Waits::Client => (self.stall.waits(|| self.since), Cut::ReadStall),
            Waits::Endpoint => {
                let silence = self.job.route.timeout.max(SILENCE);
                let at_most = silence.min(settings.tunnel_timeout);
                (self.since + at_most, Cut::Silent)
            }
        };
        let slow = self.exchange.upload.client_deadline();
        if !self.upload_over && slow < first.0 {
            first = (slow, Cut::TooSlow);
        }
        first
    }
}
