//! One request: which route it takes, what that says, and what is written down about it afterwards.

use std::rc::Rc;

use evenkeel_core::route::Wanted;
use evenkeel_core::settings::{RouteAction, RouteSpec};
use evenkeel_core::time::Time;

use super::Exchange;
use super::connection::Client;
use super::forward::Job;
use super::own::{self, Own};
use super::upload::UploadLimits;
use crate::access::Record;
use crate::http1::{
    Canned, Framing, Known, Method, OwnAnswer, RequestHead, write_canned, write_own_answer,
};
use crate::pool::{EndpointName, Pool};
use crate::rt;

/// What becomes of the connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The next request may come.
    Next,
    /// The client was told that the connection closes.
    Close,
    /// Nothing more can be said on it.
    Cut,
}

/// What is known of a request when it is over.
pub(super) struct Tally {
    /// When its head was complete.
    pub(super) started: Time,
    /// When it was over, if somebody looked.
    pub(super) ended: Option<Time>,
    /// 0 = none was sent.
    pub(super) status: u16,
    /// Bytes sent to the client.
    pub(super) sent: u64,
    pub(super) tries: u32,
    /// The endpoint of the last try.
    pub(super) endpoint: Option<EndpointName>,
}

impl Client {
    /// Serves the request whose head is the first `len` bytes of `exchange.head_in`.
    pub(super) async fn request(&mut self, exchange: &mut Exchange, len: usize) -> Ended {
        let started = rt::now();
        self.renew(started);
        let framing = exchange.request.framing();
        exchange.begin(len, framing != Framing::None);
        let mut tally = Tally {
            started,
            ended: None,
            status: 0,
            sent: 0,
            tries: 0,
            endpoint: None,
        };
        let request_id = self.worker.random.next_wide();
        let view = self.view.clone();
        let position = self.find(
            &view.snapshot.routes,
            &exchange.request,
            exchange.head_in.bytes(),
        );
        let route = position.and_then(|i| view.snapshot.specs.get(i));
        let pool = position.and_then(|i| view.pools.get(i)?.as_ref());
        self.begin_upload(exchange, route, pool, started);
        let ended = match (route, pool) {
            _ if self.is_misdirected(&exchange.request) => {
                self.misdirected(exchange, &mut tally).await
            }
            (None, _) => self.answer_own(exchange, &mut tally, &own::NO_ROUTE).await,
            (Some(route), _) if too_large(framing, route) => {
                self.answer_own(exchange, &mut tally, &own::BODY_TOO_LARGE)
                    .await
            }
            _ if exchange.request.max_forwards() == Some(0) => {
                self.answer_last(exchange, &mut tally).await
            }
            (Some(route), Some(pool)) => {
                let job = Job {
                    client: self,
                    pool,
                    route,
                    route_number: position
                        .and_then(|i| view.snapshot.numbers.get(i).copied())
                        .unwrap_or(0),
                    idempotent: exchange.request.method().idempotent(),
                    trusted: self.is_trusted(),
                    request_id,
                };
                job.run(exchange, &mut tally).await
            }
            (Some(route), None) => self.answer_canned(exchange, &mut tally, route).await,
        };
        self.account(exchange, &tally, position, len, request_id);
        exchange.end(len);
        ended
    }

    /// Is it for a host that this connection was not made for, where one of the two judges its clients? Then what was
    /// agreed on in the handshake says nothing about it (RFC 9110 section 15.5.20).
    fn is_misdirected(&self, request: &RequestHead) -> bool {
        let Some(host) = self.stream.host() else {
            return false;
        };
        let tls = self.listener.tls();
        tls.is_some_and(|tls| tls.misdirects(&host, request.host()))
    }

    async fn misdirected(&self, exchange: &mut Exchange, tally: &mut Tally) -> Ended {
        match self.answer_own(exchange, tally, &own::MISDIRECTED).await {
            Ended::Cut => Ended::Cut,
            // Told or not: nothing more is served on it.
            _ => Ended::Close,
        }
    }

    /// Goes over to the newest snapshot.
    fn renew(&mut self, now: Time) {
        self.worker.refresh(now);
        if self.worker.is_current(&self.view) {
            return;
        }
        self.view = self.worker.view();
        // A listener that is gone serves its last connections as it was.
        if let Some(listener) = self.view.listeners.get(&self.listener.settings().name) {
            self.listener = listener.clone();
        }
    }

    fn find(
        &self,
        routes: &evenkeel_core::route::RouteTable,
        request: &RequestHead,
        head: &[u8],
    ) -> Option<usize> {
        let wanted = Wanted {
            listener: &self.listener.settings().name,
            host: request.host(),
            path: request.path(head),
            method: request.method_str(head),
        };
        routes.find(&wanted, |name, value| {
            request.values(head, name).any(|v| v == value.as_bytes())
        })
    }

    fn begin_upload(
        &self,
        exchange: &mut Exchange,
        route: Option<&RouteSpec>,
        pool: Option<&Rc<Pool>>,
        now: Time,
    ) {
        let Exchange {
            upload, request, ..
        } = exchange;
        let limits = UploadLimits {
            max_body: route.map_or(0, |route| route.max_body),
            min_rate: self.listener.settings().body_min_rate,
            // What is never sent again need not be kept.
            body_buffer: pool.map_or(0, |pool| {
                let retry = &pool.current().table.retry;
                let journalled = route.is_some_and(|route| route.journal);
                match request.method().idempotent() || retry.non_idempotent || journalled {
                    true => retry.body_buffer,
                    false => 0,
                }
            }),
            drops_trailers: request.names_fields(),
        };
        upload.begin(request.framing(), request.expect_continue(), limits, now);
    }

    fn is_trusted(&self) -> bool {
        let trusted = &self.listener.settings().trusted_proxies;
        !trusted.is_empty()
            && self
                .ip
                .is_some_and(|ip| trusted.iter().any(|cidr| cidr.contains(ip)))
    }

    /// Must the connection be closed after an answer of our own?
    fn must_close(&self, exchange: &Exchange) -> bool {
        self.is_misdirected(&exchange.request)
            || !exchange.request.persistent()
            || !exchange.upload.is_received()
            || self.worker.draining.get()
    }

    /// Sends an error answer.
    pub(super) async fn answer_own(
        &self,
        exchange: &mut Exchange,
        tally: &mut Tally,
        own: &Own,
    ) -> Ended {
        self.listener.reject(own.reject);
        let close = self.must_close(exchange);
        let date = self.worker.date();
        let head = exchange.head_in.bytes();
        write_own_answer(
            exchange.down.tail(),
            &OwnAnswer {
                status: own.status,
                error: own.error,
                detail: own.detail,
                accept: exchange.request.known(head, Known::Accept),
                head_only: exchange.request.method() == Method::Head,
                close,
                client: exchange.request.version(),
                retry_after: own.retry_after,
                redo: exchange.ticket.as_ref().and_then(|ticket| ticket.promise()),
                date: Some(&date),
            },
        );
        self.answered(exchange, tally, own.status, close).await
    }

    /// Sends what a route says by itself.
    async fn answer_canned(
        &self,
        exchange: &mut Exchange,
        tally: &mut Tally,
        route: &RouteSpec,
    ) -> Ended {
        let close = self.must_close(exchange);
        let date = self.worker.date();
        let mut canned = Canned {
            head_only: exchange.request.method() == Method::Head,
            close,
            client: exchange.request.version(),
            date: Some(&date),
            ..Canned::default()
        };
        match &route.action {
            // A pool that the configuration does not have.
            RouteAction::Pool(_) => {
                return self.answer_own(exchange, tally, &own::NO_ENDPOINT).await;
            }
            RouteAction::Redirect { to, status } => {
                canned.status = *status;
                canned.location = Some(to);
            }
            RouteAction::Respond {
                status,
                body,
                content_type,
            } => {
                canned.status = *status;
                canned.body = body.as_bytes();
                canned.content_type = content_type;
            }
        }
        write_canned(exchange.down.tail(), &canned);
        self.answered(exchange, tally, canned.status, close).await
    }

    /// Answers a request that may go no further (RFC 9110 section 7.6.2) as the last one it reached.
    async fn answer_last(&self, exchange: &mut Exchange, tally: &mut Tally) -> Ended {
        if exchange.request.method() == Method::Trace {
            return self.answer_own(exchange, tally, &own::TRACE_ENDS).await;
        }
        let close = self.must_close(exchange);
        let date = self.worker.date();
        let canned = Canned {
            status: 200,
            close,
            client: exchange.request.version(),
            date: Some(&date),
            ..Canned::default()
        };
        write_canned(&mut exchange.down.data, &canned);
        self.answered(exchange, tally, canned.status, close).await
    }

    async fn answered(
        &self,
        exchange: &mut Exchange,
        tally: &mut Tally,
        status: u16,
        close: bool,
    ) -> Ended {
        tally.status = status;
        let flushed = self.flush(exchange).await;
        tally.sent += exchange.down.sent as u64;
        match (flushed, close) {
            (false, _) => Ended::Cut,
            (true, true) => Ended::Close,
            (true, false) => Ended::Next,
        }
    }

    /// Counters and access log.
    fn account(
        &self,
        exchange: &Exchange,
        tally: &Tally,
        route: Option<usize>,
        len: usize,
        request_id: u128,
    ) {
        let ended = tally.ended.unwrap_or_else(rt::now);
        self.served.set(ended);
        let took = ended.since(tally.started);
        let counters = self.listener.counters();
        counters.bytes_in.add(len as u64 + exchange.upload.received);
        counters.bytes_out.add(tally.sent);
        if let Some(route) = route.and_then(|i| self.listener.route_counters(i)) {
            route.by_class[usize::from(tally.status / 100).min(5)].inc();
            route
                .seconds
                .observe_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
        let Some(log) = &self.worker.log else {
            return;
        };
        let head = exchange.head_in.bytes();
        let request = &exchange.request;
        let given = request
            .known(head, Known::XRequestId)
            .filter(|_| self.is_trusted());
        log.write(&Record {
            client: &self.ip_text,
            listener: &self.listener.settings().name,
            method: request.method_str(head),
            target: request.target(head),
            host: request.host(),
            version: request.version(),
            status: tally.status,
            bytes: tally.sent,
            took,
            endpoint: tally.endpoint.as_ref().map(EndpointName::as_str),
            tries: tally.tries,
            request_id,
            given_id: given,
        });
    }

    /// A head that was refused leaves a line too.
    pub(super) fn log_refused(&self, status: u16, bytes: usize) {
        let Some(log) = &self.worker.log else {
            return;
        };
        log.write(&Record {
            client: &self.ip_text,
            listener: &self.listener.settings().name,
            status,
            bytes: bytes as u64,
            request_id: self.worker.random.next_wide(),
            ..Record::default()
        });
    }
}

fn too_large(framing: Framing, route: &RouteSpec) -> bool {
    matches!(framing, Framing::Length(n) if route.max_body > 0 && n > route.max_body)
}
