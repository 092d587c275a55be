//! Counters that the data plane writes and control reads: the one thing the two share by reference.
//!
//! Every field says who writes it. All accesses are relaxed: a reader may be a moment behind, and nothing is published
//! through a counter.

mod lane;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::health::traffic::NO_BURDEN;
use crate::recover::redo::RedoCounts;
use crate::session::{Live, SessionWorker};
use crate::time::Time;
use crate::times::{Spread, Times};
use crate::used::UsedShares;

pub use lane::Lane;

/// A count with **one writer**: a plain load and store, no locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one. Only ever called by the one worker that owns the counter.
    pub fn inc(&self) {
        self.add(1);
    }
    /// Adds `n`. Only ever called by the one worker that owns the counter.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }
    /// The count so far; any thread.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A level with **one writer**.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `n`, which may be negative. Only ever called by the one worker that owns the gauge.
    pub fn add(&self, n: i64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }
    /// The level; any thread.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the latency buckets, in seconds: Prometheus' own defaults with two finer ones below, since a
/// balancer's answers are often under 5 ms.
pub const LATENCY_BOUNDS_S: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A histogram of durations with **one writer**.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; LATENCY_BOUNDS_S.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    /// Counts one duration, in microseconds.
    pub fn observe_us(&self, us: u64) {
        let at = LATENCY_BOUNDS_S
            .iter()
            .position(|&s| us as f64 <= s * 1e6)
            .unwrap_or(LATENCY_BOUNDS_S.len());
        self.buckets[at].inc();
        self.sum_us.add(us);
    }
    /// Counts per bucket, not cumulative; the last has no upper bound.
    pub fn buckets(&self) -> [u64; LATENCY_BOUNDS_S.len() + 1] {
        std::array::from_fn(|i| self.buckets[i].value())
    }
    /// Sum of all durations, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.value()
    }
}

/// On cache lines of its own (two of 64 bytes: the prefetcher fetches them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Aligned<T>(pub T);

/// One `T` for each worker, each on its own cache lines.
#[derive(Debug)]
pub struct PerWorker<T>(Box<[Aligned<T>]>);

impl<T: Default> PerWorker<T> {
    /// One for each of `workers`.
    pub fn new(workers: usize) -> PerWorker<T> {
        PerWorker((0..workers).map(|_| Aligned::default()).collect())
    }
}

impl<T> PerWorker<T> {
    /// The one that belongs to `worker`; panics if there is none.
    pub fn of(&self, worker: usize) -> &T {
        &self.0[worker].0
    }
    /// All of them, to be added up.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|a| &a.0)
    }
    /// The sum of one field over all workers.
    pub fn sum(&self, field: impl Fn(&T) -> u64) -> u64 {
        self.iter().map(field).sum()
    }
}

/// What one worker counted of one endpoint. A *try* is one attempt; a request may take several.
#[derive(Debug, Default)]
pub struct EndpointWorker {
    /// Tries begun.
    pub tries: Counter,
    /// Tries that brought an answer which is not a failure.
    pub successes: Counter,
    /// Tries that failed (every [`FailureKind`](crate::observe::FailureKind)).
    pub failures: Counter,
    /// Connections opened to it.
    pub connects: Counter,
    /// Of the failures, those in which nothing was heard of it: time-outs, and no way there.
    pub unheard: Counter,
    /// Tries in which it was the endpoint's turn: the whole request was there to be given to it.
    pub handed: Counter,
    /// Of these, the ones that need no waiting any more: answered, failed or given up.
    pub settled: Counter,
    /// Of the successes, those that somebody waited for as far as one can know.
    pub answered: Counter,
    /// Requests whose client left, or closed its sending side as those do who leave, or that took too long: an answer there may be
    /// is for nobody.
    pub in_vain: Counter,
    /// How long the answers that are no failures took to begin, from the moment it was the endpoint's turn.
    pub times: Times,
    /// Sessions at it.
    pub sessions: Live,
}

impl EndpointWorker {
    /// All counts now. What is settled is read before what was handed over, so that nothing seems settled too early.
    pub fn lane(&self) -> Lane {
        let settled = self.settled.value();
        Lane {
            settled,
            handed: self.handed.value(),
            unheard: self.unheard.value(),
            successes: self.successes.value(),
            failures: self.failures.value(),
            answered: self.answered.value(),
            in_vain: self.in_vain.value(),
        }
    }
}

/// For this long a failed try speaks against its endpoint where a request can be sent only once. By then requests that can
/// be tried again, or the check, have decided; and where there are only such as cannot, one looks again every second.
pub const FAILED_JUST_NOW: Duration = Duration::from_secs(1);

/// What all workers share of one endpoint. Made when the endpoint is first configured, kept over reloads.
///
/// In the order of the fields, so that all a pick may look at is in the first 64 bytes: one cache line an endpoint.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct EndpointShared {
    /// Tries (http) or connections (tcp) in flight: every worker adds and takes.
    pub in_flight: AtomicU32,
    /// Failed tries in a row: a worker adds on failure and stores 0 on success if it is not 0 already.
    pub failure_run: AtomicU32,
    /// When the last failed try failed, in nanoseconds of [`Time`]: a worker stores with each failure.
    pub failed_at: AtomicU64,
    /// How much heavier each try in flight counts for a policy, in thousandths: control stores, see `health::traffic`.
    pub burden: AtomicU32,
    /// Requests a trial may still be given: control stores, a worker takes one with each pick.
    pub trial_left: AtomicU32,
    /// How much of it is used, as far as that is reported.
    pub used: UsedShares,
    /// Per-worker counts.
    pub workers: PerWorker<EndpointWorker>,
}

impl EndpointShared {
    /// All zero, for `workers` workers.
    pub fn new(workers: usize) -> EndpointShared {
        EndpointShared {
            in_flight: AtomicU32::new(0),
            failure_run: AtomicU32::new(0),
            failed_at: AtomicU64::new(0),
            burden: AtomicU32::new(NO_BURDEN),
            trial_left: AtomicU32::new(0),
            used: UsedShares::default(),
            workers: PerWorker::new(workers),
        }
    }

    /// How long its answers took, all workers together, since the beginning.
    pub fn times(&self) -> Spread {
        let mut spread = Spread::default();
        self.workers
            .iter()
            .for_each(|worker| worker.times.add_to(&mut spread));
        spread
    }

    /// Did its last try fail, and that within [`FAILED_JUST_NOW`]?
    pub fn failed_just_now(&self, now: Time) -> bool {
        let failed_at = Time::from_nanos(self.failed_at.load(Relaxed));
        self.failure_run.load(Relaxed) > 0 && now.since(failed_at) < FAILED_JUST_NOW
    }

    /// Takes one of the trial's requests; false when none is left.
    pub fn take_trial(&self) -> bool {
        self.trial_left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_ok()
    }
}

/// Why evenkeel answered by itself or cut a connection: the `reason` of `evenkeel_rejected_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reject {
    /// 400: malformed or ambiguous.
    BadRequest,
    /// 431: head or number of fields too large.
    HeadTooLarge,
    /// 408: the head took longer than `header_timeout`. Closed without an answer, if not a byte of it came.
    HeadTimeout,
    /// 408: the body came slower than `body_min_rate`.
    BodyTooSlow,
    /// 413: more than `max_body`.
    BodyTooLarge,
    /// 421: this TLS connection was not made for the host the request is for.
    Misdirected,
    /// 404: no route fits.
    NoRoute,
    /// 503: no usable endpoint.
    NoEndpoint,
    /// 503: the queue was full.
    QueueFull,
    /// 503: waited longer than `queue_timeout`.
    QueueTimeout,
    /// 502: every try failed.
    BadGateway,
    /// 504: every try was too slow.
    GatewayTimeout,
    /// Cut: the client took nothing of its answer for `read_stall`.
    ReadStall,
    /// Closed: no further request for `idle_timeout`.
    IdleTimeout,
    /// Cut: no byte in either direction for `tunnel_timeout`.
    TunnelTimeout,
    /// Cut: the endpoint ended, broke off or fell silent in the middle of its answer.
    AnswerCut,
    /// Not accepted yet: `max_connections` reached.
    TooManyConnections,
    /// Closed, idle or slow with its head, because a new connection needed the place.
    MadeRoom,
    /// 503, or not accepted yet: this machine had no descriptor, port or memory left for it.
    NoResources,
    /// 500: a bug in evenkeel ended this connection.
    Internal,
}

impl Reject {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Reject; 20] = [
        Reject::BadRequest,
        Reject::HeadTooLarge,
        Reject::HeadTimeout,
        Reject::BodyTooSlow,
        Reject::BodyTooLarge,
        Reject::Misdirected,
        Reject::NoRoute,
        Reject::NoEndpoint,
        Reject::QueueFull,
        Reject::QueueTimeout,
        Reject::BadGateway,
        Reject::GatewayTimeout,
        Reject::ReadStall,
        Reject::IdleTimeout,
        Reject::TunnelTimeout,
        Reject::AnswerCut,
        Reject::TooManyConnections,
        Reject::MadeRoom,
        Reject::NoResources,
        Reject::Internal,
    ];

    /// The metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Reject::BadRequest => "bad_request",
            Reject::HeadTooLarge => "head_too_large",
            Reject::HeadTimeout => "head_timeout",
            Reject::BodyTooSlow => "body_too_slow",
            Reject::BodyTooLarge => "body_too_large",
            Reject::Misdirected => "misdirected",
            Reject::NoRoute => "no_route",
            Reject::NoEndpoint => "no_endpoint",
            Reject::QueueFull => "queue_full",
            Reject::QueueTimeout => "queue_timeout",
            Reject::BadGateway => "bad_gateway",
            Reject::GatewayTimeout => "gateway_timeout",
            Reject::ReadStall => "read_stall",
            Reject::IdleTimeout => "idle_timeout",
            Reject::TunnelTimeout => "tunnel_timeout",
            Reject::AnswerCut => "answer_cut",
            Reject::TooManyConnections => "too_many_connections",
            Reject::MadeRoom => "made_room",
            Reject::NoResources => "no_resources",
            Reject::Internal => "internal",
        }
    }
}

/// How a TLS handshake with a client ended: the `result` of `evenkeel_tls_handshakes_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Handshake {
    /// Well, with everything that belongs to it.
    Full,
    /// Well, and shorter, by a ticket or session of an earlier one.
    Resumed,
    /// Not: no TLS, no common ground, a certificate missing or not trusted, closed on the way.
    Failed,
    /// Not within `header_timeout`.
    Timeout,
}

impl Handshake {
    /// Every result, in the order of their numbers.
    pub const ALL: [Handshake; 4] = [
        Handshake::Full,
        Handshake::Resumed,
        Handshake::Failed,
        Handshake::Timeout,
    ];

    /// The metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Handshake::Full => "ok",
            Handshake::Resumed => "resumed",
            Handshake::Failed => "failed",
            Handshake::Timeout => "timeout",
        }
    }
}

/// What one worker counted of one listener.
#[derive(Debug, Default)]
pub struct ListenerWorker {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections open now.
    pub open: Gauge,
    /// Answers evenkeel made itself and connections it cut, by [`Reject`].
    pub rejected: [Counter; Reject::ALL.len()],
    /// TLS handshakes, by [`Handshake`]; on a listener that passes TLS through, those of which no whole hello came.
    pub handshakes: [Counter; Handshake::ALL.len()],
    /// Bytes read from clients.
    pub bytes_in: Counter,
    /// Bytes written to clients.
    pub bytes_out: Counter,
}

impl ListenerWorker {
    /// The counter of one result.
    pub fn handshakes(&self, result: Handshake) -> &Counter {
        &self.handshakes[result as usize]
    }
    /// The counter of one reason.
    pub fn rejected(&self, reason: Reject) -> &Counter {
        &self.rejected[reason as usize]
    }
}

/// What one worker counted of one route.
#[derive(Debug, Default)]
pub struct RouteWorker {
    /// Requests by the first digit of the status sent; index 0 counts those that ended with none.
    pub by_class: [Counter; 6],
    /// From the last byte of the request's head to the end of the answer.
    pub seconds: Histogram,
}

/// What one worker counted of one pool.
#[derive(Debug, Default)]
pub struct PoolWorker {
    /// Further tries made.
    pub retries: Counter,
    /// Further tries that the retry budget refused.
    pub retries_refused: Counter,
    /// Requests waiting for an endpoint with room.
    pub queued: Gauge,
    /// Failures that did not fit the queue to control. They are still in the endpoint's counters.
    pub failures_dropped: Counter,
    /// Its sessions.
    pub sessions: SessionWorker,
}

/// A route as metrics name it: the listener's name and the route's host and path as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteLabel {
    /// Listener's name.
    pub listener: String,
    /// `host` and `path` of the route as written, `*` where there is no host, `/` where there is no path.
    pub route: String,
    /// Pool's name; empty for redirect and respond.
    pub pool: String,
}

/// All counters of the data plane but the endpoints' own. Rebuilt at a reload from the old one, so that whatever keeps
/// its name keeps its counts; bounded by the configuration, never by what clients send.
#[derive(Clone, Debug, Default)]
pub struct CounterSet {
    /// By listener's name.
    pub listeners: BTreeMap<String, Arc<PerWorker<ListenerWorker>>>,
    /// By route.
    pub routes: BTreeMap<RouteLabel, Arc<PerWorker<RouteWorker>>>,
    /// By pool's name.
    pub pools: BTreeMap<String, Arc<PerWorker<PoolWorker>>>,
    /// What became of journalled requests, by pool's name.
    pub redo: BTreeMap<String, Arc<RedoCounts>>,
}
