//! The tries of one request: pick, try, and on a failure decide whether and where to try again.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use evenkeel_core::id::EndpointId;
use evenkeel_core::observe::FailureKind;
use evenkeel_core::settings::RouteSpec;
use evenkeel_core::time::Time;

use super::Exchange;
use super::attempt::Try;
use super::connection::Client;
use super::own::{self, Own};
use super::request::{Ended, Tally};
use super::rule::{Tried, may_replay, may_retry};
use super::upload::UploadError;
use crate::pool::{Attempt, Pick, Pool, Ticket};
use crate::rt;

/// A request that is forwarded.
pub(super) struct Job<'a> {
    pub(super) client: &'a Client,
    pub(super) pool: &'a Rc<Pool>,
    pub(super) route: &'a RouteSpec,
    /// The method may be done twice.
    pub(super) idempotent: bool,
    /// The client is a trusted proxy.
    pub(super) trusted: bool,
    pub(super) request_id: u128,
}

/// What a request ends with when it is not an endpoint's answer.
enum Failed {
    /// This is told to the client.
    Own(Own),
    /// The client is gone.
    Gone,
}

impl Job<'_> {
    /// Forwards the request and its answer.
    pub(super) async fn run(&self, exchange: &mut Exchange, tally: &mut Tally) -> Ended {
        self.pool.count_request(tally.started);
        match self.tries(exchange, tally).await {
            Ok(ended) => ended,
            Err(Failed::Gone) => Ended::Cut,
            Err(Failed::Own(own)) => self.client.answer_own(exchange, tally, &own).await,
        }
    }

    async fn tries(&self, exchange: &mut Exchange, tally: &mut Tally) -> Result<Ended, Failed> {
        let mut now = tally.started;
        let mut attempt = self.first(now).await?;
        let mut again = false;
        loop {
            tally.tries += 1;
            tally.endpoint = Some(attempt.name());
            exchange.tried.push(attempt.endpoint.id);
            let tried = self.attempt(exchange, &attempt, again, now).await;
            now = rt::now();
            let (next, failed) = match tried {
                Try::Answered {
                    stream,
                    head_len,
                    deaf,
                } => {
                    let status = exchange.response.status();
                    let mut next = None;
                    if matches!(status, 502..=504) {
                        let kind = FailureKind::Status(status);
                        attempt.failed(kind, now);
                        // The answer in hand is better than waiting in line for another.
                        next = self.next(exchange, &attempt, kind, tally, now).ok();
                    } else {
                        attempt.succeeded();
                    }
                    match next {
                        Some(next) => (Some(next), own::NO_ENDPOINT),
                        None => {
                            let relayed =
                                self.relay(exchange, tally, &attempt, stream, head_len, deaf);
                            return Ok(relayed.await);
                        }
                    }
                }
                Try::Failed(kind) => {
                    attempt.failed(kind, now);
                    let next = self
                        .next_or_wait(exchange, &attempt, kind, tally, now)
                        .await?;
                    (next, own::failed(kind))
                }
                Try::OutOfTime => {
                    attempt.failed(FailureKind::Timeout, now);
                    (None, own::failed(FailureKind::Timeout))
                }
                Try::Local => {
                    let kind = FailureKind::Connect;
                    let next = self
                        .next_or_wait(exchange, &attempt, kind, tally, now)
                        .await?;
                    (next, own::LOCAL)
                }
                Try::Moved => (self.moved(exchange, now), own::NO_ENDPOINT),
                Try::TooSlow => return Err(Failed::Own(own::BODY_TOO_SLOW)),
                Try::Client(e) => return Err(client_failed(&e)),
            };
            let Some((following, repeated)) = next else {
                return Err(Failed::Own(failed));
            };
            self.pool.counters().retries.inc();
            (attempt, again) = (following, repeated);
        }
    }

    /// The endpoint of the first try; waits for one with room if need be.
    async fn first(&self, now: Time) -> Result<Attempt, Failed> {
        if self.pool.cell.queue.is_empty() {
            match self.pool.pick(&[], now) {
                Pick::Attempt(attempt) => return Ok(attempt),
                Pick::Nobody => return Err(Failed::Own(own::NO_ENDPOINT)),
                Pick::Full => {}
            }
        }
        self.wait(&[], now).await
    }

    /// Waits in the pool's line for one not in `tried`.
    async fn wait(&self, tried: &[EndpointId], now: Time) -> Result<Attempt, Failed> {
        let limit = self.pool.current().table.limit.clone();
        let deadline = now + limit.queue_timeout;
        let mut ticket = None;
        poll_fn(|cx| {
            let look = match &ticket {
                Some(_) => true,
                None => {
                    let Some((joined, alone)) = Ticket::join(self.pool, limit.queue, cx) else {
                        return Poll::Ready(Err(Failed::Own(own::QUEUE_FULL)));
                    };
                    ticket = Some(joined);
                    alone
                }
            };
            if look && let Some(ticket) = &ticket {
                ticket.look(cx);
                let now = rt::now();
                self.client.worker.refresh(now);
                match self.pool.pick(tried, now) {
                    Pick::Attempt(attempt) => return Poll::Ready(Ok(attempt)),
                    Pick::Nobody => return Poll::Ready(Err(Failed::Own(own::NO_ENDPOINT))),
                    // What became free is of no use here, but may be to who comes after.
                    Pick::Full if !tried.is_empty() => ticket.pass(),
                    Pick::Full => {}
                }
            }
            let timer = &self.client.conn.timer;
            timer.set(deadline);
            if timer.poll_expired(cx) {
                return Poll::Ready(Err(Failed::Own(own::QUEUE_TIMEOUT)));
            }
            // Nobody pays for half-closing here but who waits in line: there, an end most likely means that the client
            // gave up, and its place is worth more to the next.
            if self.client.stream.poll_closing(cx) {
                return Poll::Ready(Err(Failed::Gone));
            }
            Poll::Pending
        })
        .await
    }

    /// Where to try again after this failure, and whether that endpoint was tried before.
    fn next(
        &self,
        exchange: &Exchange,
        failed: &Attempt,
        kind: FailureKind,
        tally: &Tally,
        now: Time,
    ) -> Result<(Attempt, bool), Stop> {
        let retry = &failed.current.table.retry;
        let tried = self.tried(exchange, tally.tries);
        let untouched = exchange.down.data.is_empty();
        if !untouched || !may_retry(retry, kind, &tried) || self.late(exchange, now) {
            return Err(Stop::Over);
        }
        self.client.worker.refresh(now);
        if !self.pool.spend_retry(now) {
            return Err(Stop::Over);
        }
        match self.pool.pick(&exchange.tried, now) {
            Pick::Attempt(attempt) => accept(exchange, attempt),
            Pick::Full => Err(Stop::Full),
            Pick::Nobody => Err(Stop::Over),
        }
    }

    /// The same, waiting in line if all who are left are busy. `None`: nowhere.
    async fn next_or_wait(
        &self,
        exchange: &Exchange,
        failed: &Attempt,
        kind: FailureKind,
        tally: &Tally,
        now: Time,
    ) -> Result<Option<(Attempt, bool)>, Failed> {
        match self.next(exchange, failed, kind, tally, now) {
            Ok(next) => Ok(Some(next)),
            Err(Stop::Over) => Ok(None),
            Err(Stop::Full) => match self.wait(&exchange.tried, now).await {
                Ok(attempt) => Ok(accept(exchange, attempt).ok()),
                Err(Failed::Own(_)) => Ok(None),
                Err(Failed::Gone) => Err(Failed::Gone),
            },
        }
    }

    fn late(&self, exchange: &Exchange, now: Time) -> bool {
        let ended = exchange.upload.ended();
        ended.is_some_and(|ended| now.since(ended) >= self.route.timeout)
    }

    /// Where to go on after the endpoint went down under the request. Counted as a retry, but not held back by the budget:
    /// the load was there already.
    fn moved(&self, exchange: &Exchange, now: Time) -> Option<(Attempt, bool)> {
        let _ = self.pool.spend_retry(now);
        match self.pool.pick(&exchange.tried, now) {
            Pick::Attempt(attempt) => {
                let before = exchange.tried.contains(&attempt.endpoint.id);
                Some((attempt, before))
            }
            Pick::Full | Pick::Nobody => None,
        }
    }

    /// May the request leave the endpoint it waits for, and is there somewhere to go?
    pub(super) fn may_move(&self, exchange: &Exchange, attempt: &Attempt) -> bool {
        let retry = &attempt.current.table.retry;
        let tried = self.tried(exchange, exchange.tried.len() as u32);
        exchange.down.data.is_empty()
            && tried.tries <= retry.retries
            && may_replay(retry, &tried)
            && self.pool.has_untried(&exchange.tried)
    }

    fn tried(&self, exchange: &Exchange, tries: u32) -> Tried {
        Tried {
            idempotent: self.idempotent,
            replayable: exchange.upload.replayable(),
            written: exchange.upload.written(),
            tries,
        }
    }
}

/// Why there is no next try, or not yet.
enum Stop {
    /// It may not be tried again, or there is nobody.
    Over,
    /// All who are left are busy.
    Full,
}

/// An endpoint tried before is taken once more, but only once. Says whether it is such a one.
fn accept(exchange: &Exchange, attempt: Attempt) -> Result<(Attempt, bool), Stop> {
    let again = exchange.tried.contains(&attempt.endpoint.id);
    match again && has_repeat(&exchange.tried) {
        true => Err(Stop::Over),
        false => Ok((attempt, again)),
    }
}

/// Is some endpoint in the list twice?
fn has_repeat(tried: &[EndpointId]) -> bool {
    tried
        .iter()
        .enumerate()
        .any(|(i, id)| tried[..i].contains(id))
}

fn client_failed(e: &UploadError) -> Failed {
    match e {
        UploadError::Gone | UploadError::Endpoint => Failed::Gone,
        UploadError::Malformed(bad) => Failed::Own(own::refused(400, bad.reason)),
        UploadError::TooLarge => Failed::Own(own::BODY_TOO_LARGE),
    }
}
