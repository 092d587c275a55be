//! The tries of one request: pick, try, and on a failure decide whether and where to try again.

use std::rc::Rc;

use evenkeel_core::balance::{Kind, Report, Request};
use evenkeel_core::id::EndpointId;
use evenkeel_core::observe::FailureKind;
use evenkeel_core::settings::{KeySource, RouteSpec};
use evenkeel_core::time::Time;

use super::Exchange;
use super::attempt::Try;
use super::connection::Client;
use super::key;
use super::kind;
use super::load_report;
use super::own::{self, Own};
use super::request::{Ended, Tally};
use super::rule::{Tried, is_failure, may_replay, may_retry};
use super::upload::UploadError;
use crate::line::{self, NoPlace};
use crate::pool::{Attempt, Current, Pick, Pool};
use crate::rt;

/// A request that is forwarded.
pub(super) struct Job<'a> {
    pub(super) client: &'a Client,
    pub(super) pool: &'a Rc<Pool>,
    pub(super) route: &'a RouteSpec,
    /// What policies that learn know the route by.
    pub(super) route_number: u32,
    /// The method may be done twice.
    pub(super) idempotent: bool,
    /// The client is a trusted proxy.
    pub(super) trusted: bool,
    pub(super) request_id: u128,
}

/// What a request ends with when it is not an endpoint's answer.
pub(super) enum Failed {
    /// This is told to the client.
    Own(Own),
    /// The client is gone.
    Gone,
}

// What is seldom awaited is boxed here and below: a future is as large as the largest it may wait for, and each request
// under way has one.
impl Job<'_> {
    /// Forwards the request and its answer.
    pub(super) async fn run(&self, exchange: &mut Exchange, tally: &mut Tally) -> Ended {
        self.pool.count_request(tally.started);
        exchange.key = self.balance_key(exchange);
        exchange.kind = self.kind(exchange);
        self.recognise(exchange, tally.started);
        match self.route.journal {
            true => Box::pin(self.run_kept(exchange, tally)).await,
            false => self.run_tries(exchange, tally).await,
        }
    }

    /// What the pool's policy goes by, if it goes by something of the request.
    fn balance_key(&self, exchange: &Exchange) -> Option<u64> {
        let current = self.pool.current();
        self.read_key(current.key.as_ref()?, exchange)
    }

    /// What sort of request it is, if the pool's policy goes by that.
    fn kind(&self, exchange: &Exchange) -> Kind {
        match self.pool.current().kinds {
            true => kind::of(&exchange.request, self.route_number),
            false => Kind::default(),
        }
    }

    /// What this source says of the request.
    pub(super) fn read_key(&self, source: &KeySource, exchange: &Exchange) -> Option<u64> {
        let trusted = &self.client.listener.settings().trusted_proxies;
        let head = exchange.head_in.bytes();
        key::of(source, &exchange.request, head, self.client.ip, trusted)
    }

    pub(super) async fn run_tries(&self, exchange: &mut Exchange, tally: &mut Tally) -> Ended {
        match self.tries(exchange, tally).await {
            Ok(ended) => ended,
            Err(failed) => Box::pin(self.fail(exchange, tally, failed)).await,
        }
    }

    pub(super) async fn fail(
        &self,
        exchange: &mut Exchange,
        tally: &mut Tally,
        failed: Failed,
    ) -> Ended {
        match failed {
            Failed::Gone => Ended::Cut,
            Failed::Own(own) => self.client.answer_own(exchange, tally, &own).await,
        }
    }

    async fn tries(&self, exchange: &mut Exchange, tally: &mut Tally) -> Result<Ended, Failed> {
        let mut now = tally.started;
        let mut attempt = self.first(exchange, now).await?;
        let mut again = false;
        loop {
            tally.tries += 1;
            tally.endpoint = Some(attempt.name());
            exchange.tried.push(attempt.endpoint.id);
            let tried = self.attempt(exchange, &attempt, again, now).await;
            now = rt::now();
            let next = match tried {
                Try::Answered(answered) => match self.judge(exchange, &attempt, tally, now) {
                    Some(next) => next,
                    None => return Ok(self.relay(exchange, tally, &attempt, answered).await),
                },
                tried => Box::pin(self.recover(exchange, attempt, tried, tally, now)).await?,
            };
            self.pool.counters().retries.inc();
            (attempt, again) = next;
        }
    }

    /// Looks at an answer's status before anything of it is passed on: where to try again instead, if it is a failure and
    /// there is somewhere.
    fn judge(
        &self,
        exchange: &Exchange,
        attempt: &Attempt,
        tally: &Tally,
        now: Time,
    ) -> Option<(Attempt, bool)> {
        let status = exchange.response.status();
        if attempt.current.usage {
            read_load(exchange, attempt, now);
        }
        if attempt.current.reports {
            read_report(exchange, attempt, now);
        }
        if !is_failure(&attempt.current.table.retry, status) {
            let since = exchange.upload.endpoint_since();
            attempt.succeeded(since.map(|since| now.since(since)), now);
            return None;
        }
        let kind = FailureKind::Status(status);
        attempt.failed(kind, now);
        // The answer in hand is better than waiting in line for another.
        self.next(exchange, &attempt.current, kind, tally, now).ok()
    }

    /// Where to go on after a try without an answer, or what the client is told. The try gives up its place before another
    /// is looked for: at `limit.per_endpoint` that may be the only one.
    async fn recover(
        &self,
        exchange: &Exchange,
        attempt: Attempt,
        tried: Try,
        tally: &Tally,
        now: Time,
    ) -> Result<(Attempt, bool), Failed> {
        let (kind, told) = match tried {
            Try::Failed(kind) => {
                attempt.failed(kind, now);
                (kind, own::failed(kind))
            }
            Try::Local => {
                attempt.withdraw();
                (FailureKind::Connect, own::LOCAL)
            }
            Try::OutOfTime => {
                attempt.failed(FailureKind::Timeout, now);
                return Err(Failed::Own(own::failed(FailureKind::Timeout)));
            }
            Try::Moved => return self.moved(exchange, attempt, now).await,
            Try::TooSlow => return Err(Failed::Own(own::BODY_TOO_SLOW)),
            Try::Client(e) => return Err(client_failed(&e)),
            Try::Answered(_) => return Err(Failed::Gone),
        };
        let failed = attempt.current.clone();
        drop(attempt);
        match self.next(exchange, &failed, kind, tally, now) {
            Ok(next) => Ok(next),
            Err(Stop::Over) => Err(Failed::Own(told)),
            Err(Stop::Full) => match self.wait(&exchange.again(now)).await {
                Ok(next) => accept(exchange, next).map_err(|_| Failed::Own(told)),
                Err(Failed::Own(_)) => Err(Failed::Own(told)),
                Err(Failed::Gone) => Err(Failed::Gone),
            },
        }
    }

    /// The endpoint of the first try; waits for one with room if need be.
    async fn first(&self, exchange: &Exchange, now: Time) -> Result<Attempt, Failed> {
        let request = Request {
            once: !self.idempotent,
            ..exchange.again(now)
        };
        if self.pool.cell.queue.is_open() {
            match self.pool.pick(&request) {
                Pick::Attempt(attempt) => return Ok(attempt),
                Pick::Nobody => return Err(Failed::Own(own::NO_ENDPOINT)),
                Pick::Full => {}
            }
        }
        Box::pin(self.wait(&request)).await
    }

    /// Waits in the pool's line for one it was not tried at.
    async fn wait(&self, request: &Request<'_>) -> Result<Attempt, Failed> {
        let client = self.client;
        line::wait(
            &client.worker,
            self.pool,
            &client.conn,
            &client.stream,
            request,
        )
        .await
        .map_err(|no| match no {
            NoPlace::Nobody => Failed::Own(own::NO_ENDPOINT),
            NoPlace::QueueFull => Failed::Own(own::QUEUE_FULL),
            NoPlace::TooLong => Failed::Own(own::QUEUE_TIMEOUT),
            NoPlace::Gone => Failed::Gone,
        })
    }

    /// Where to try again after this failure, and whether that endpoint was tried before.
    fn next(
        &self,
        exchange: &Exchange,
        failed: &Current,
        kind: FailureKind,
        tally: &Tally,
        now: Time,
    ) -> Result<(Attempt, bool), Stop> {
        let retry = &failed.table.retry;
        let tried = self.tried(exchange, tally.tries);
        let untouched = exchange.down.data.is_empty();
        if !untouched || !may_retry(retry, kind, &tried) || self.late(exchange, now) {
            return Err(Stop::Over);
        }
        self.client.worker.refresh(now);
        if !self.pool.spend_retry(now) {
            return Err(Stop::Over);
        }
        match self.pool.pick(&exchange.again(now)) {
            Pick::Attempt(attempt) => accept(exchange, attempt),
            Pick::Full => Err(Stop::Full),
            Pick::Nobody => Err(Stop::Over),
        }
    }

    fn late(&self, exchange: &Exchange, now: Time) -> bool {
        let ended = exchange.upload.ended();
        ended.is_some_and(|ended| now.since(ended) >= self.route.timeout)
    }

    /// Where to go on after the endpoint, or the path to it, went down under the request. Counted by the budget, but not held
    /// back by it: the load was there already.
    async fn moved(
        &self,
        exchange: &Exchange,
        from: Attempt,
        now: Time,
    ) -> Result<(Attempt, bool), Failed> {
        let _ = self.pool.spend_retry(now);
        let mut tried = exchange.tried.clone();
        if self.pool.is_elsewhere(&from.endpoint) {
            // By its other address it was not tried yet.
            tried.retain(|id| *id != from.endpoint.id);
        }
        drop(from);
        let request = exchange.again(now).without(&tried);
        let attempt = match self.pool.pick(&request) {
            Pick::Attempt(attempt) => attempt,
            Pick::Full => self.wait(&request).await?,
            Pick::Nobody => return Err(Failed::Own(own::NO_ENDPOINT)),
        };
        let again = exchange.tried.contains(&attempt.endpoint.id);
        Ok((attempt, again))
    }

    /// May the request leave the endpoint it waits for, and is there somewhere to go?
    pub(super) fn may_move(&self, exchange: &Exchange, attempt: &Attempt) -> bool {
        let retry = &attempt.current.table.retry;
        let tried = self.tried(exchange, exchange.tried.len() as u32);
        exchange.down.data.is_empty()
            && tried.tries <= retry.retries
            && may_replay(retry, &tried)
            && self.has_elsewhere(exchange, attempt)
    }

    /// Is there another endpoint, or another way to this one?
    pub(super) fn has_elsewhere(&self, exchange: &Exchange, attempt: &Attempt) -> bool {
        self.pool.has_untried(&exchange.tried) || self.pool.is_elsewhere(&attempt.endpoint)
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

/// What the answer says of its endpoint's load.
fn read_load(exchange: &Exchange, attempt: &Attempt, now: Time) {
    let head = exchange.answer_in.bytes();
    let mut reports = exchange.response.values(head, load_report::FIELD);
    if let Some(report) = reports.next() {
        let used = &attempt.endpoint.shared.used;
        used.answered(load_report::read(report), now);
    }
}

/// What the answer says of what its endpoint has in flight.
fn read_report(exchange: &Exchange, attempt: &Attempt, now: Time) {
    let head = exchange.answer_in.bytes();
    let name = &attempt.current.table.policy.prequal.header;
    let said = exchange.response.values(head, name).next();
    if let Some((in_flight, latency)) = said.and_then(load_report::report) {
        attempt.reported(&Report {
            at: now,
            in_flight,
            latency,
        });
    }
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

pub(super) fn client_failed(e: &UploadError) -> Failed {
    match e {
        UploadError::Gone | UploadError::Endpoint => Failed::Gone,
        UploadError::Malformed(bad) => Failed::Own(own::refused(400, bad.reason)),
        UploadError::TooLarge => Failed::Own(own::BODY_TOO_LARGE),
    }
}
