//! A simulated endpoint: some cores of some speed, and a queue before them.
//!
//! `fifo` gives each core to one request until it is done; `sharing` works on all requests at once, each with an even part (an
//! event loop, or more threads than cores). Both are one machine: those *running* all get on at the same pace, so it is
//! enough to keep how much each of them has got since the beginning, and at which mark each is done. A change of pace (an
//! arrival, an end, a change of capacity) moves no marks: one request costs a logarithm, however many there are.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use evenkeel_core::balance::prequal::Meter;
use evenkeel_core::time::Time;

use super::scenario::{Discipline, Endpoints};
use super::{NS, to_ns};

/// One request that is worked on.
#[derive(Clone, Copy, Debug)]
struct Running {
    /// Done when everybody has got this much, in seconds of work.
    mark: f64,
    attempt: u32,
}

impl Ord for Running {
    /// The first to be done is the greatest.
    fn cmp(&self, other: &Running) -> Ordering {
        other
            .mark
            .total_cmp(&self.mark)
            .then(other.attempt.cmp(&self.attempt))
    }
}

impl PartialOrd for Running {
    fn partial_cmp(&self, other: &Running) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Running {
    fn eq(&self, other: &Running) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Running {}

/// The endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Those it has now, of those that are allotted to it.
    cores: f64,
    allotted: f64,
    speed: f64,
    /// How many are worked on at once.
    slots: usize,
    /// From when on its speed is multiplied by what.
    changes: VecDeque<(u64, f64)>,
    factor: f64,
    /// What each of those running has got, in seconds of work, as of `updated`.
    got: f64,
    updated: u64,
    running: BinaryHeap<Running>,
    waiting: VecDeque<(u32, f64)>,
    version: u64,
    /// What it knows of its own answers, where it is to say it.
    meter: Option<Meter>,
}

impl Endpoint {
    /// Idle.
    pub(super) fn new(like: &Endpoints, measures: bool) -> Endpoint {
        Endpoint {
            cores: f64::from(like.cores),
            allotted: f64::from(like.cores),
            speed: like.speed,
            slots: match like.discipline {
                Discipline::Fifo => like.cores as usize,
                Discipline::Sharing => usize::MAX,
            },
            changes: like
                .capacity
                .iter()
                .map(|&[at, factor]| (to_ns(at), factor))
                .collect(),
            factor: 1.0,
            got: 0.0,
            updated: 0,
            running: BinaryHeap::new(),
            waiting: VecDeque::new(),
            version: 0,
            meter: measures.then(Meter::default),
        }
    }

    /// Requests that are here.
    pub(super) fn len(&self) -> usize {
        self.running.len() + self.waiting.len()
    }

    /// When its capacity changes next.
    pub(super) fn next_change(&self) -> Option<u64> {
        self.changes.front().map(|&(at, _)| at)
    }

    /// It changes now.
    pub(super) fn change(&mut self, now: u64) {
        self.advance(now);
        if let Some((_, factor)) = self.changes.pop_front() {
            self.factor = factor;
        }
    }

    /// Its machine leaves it so many times what is allotted to it.
    pub(super) fn leave(&mut self, times: f64, now: u64) {
        self.advance(now);
        self.cores = self.allotted * times;
    }

    /// A request that came when so many were here took so long.
    pub(super) fn measure(&mut self, behind: u32, took_ns: u64, now: u64) {
        if let Some(meter) = &mut self.meter {
            let took = Duration::from_nanos(took_ns);
            meter.answered(behind, took, Time::from_nanos(now));
        }
    }

    /// What it says of its load.
    pub(super) fn report(&self, now: u64) -> (u32, Option<u64>) {
        let here = self.len() as u32;
        let meter = self.meter.as_ref();
        let latency = meter.and_then(|meter| meter.estimate(here, Time::from_nanos(now)));
        (here, latency.map(|latency| latency.as_nanos() as u64))
    }

    /// A request comes, with its work in seconds at speed 1.
    pub(super) fn join(&mut self, attempt: u32, work: f64, now: u64) {
        self.advance(now);
        self.waiting.push_back((attempt, work));
        self.fill();
    }

    /// The one that is to be done now is done; `None` if its plans have changed since `version`.
    pub(super) fn finish(&mut self, version: u64, now: u64) -> Option<u32> {
        if version != self.version {
            return None;
        }
        self.advance(now);
        let done = self.running.pop()?;
        self.fill();
        Some(done.attempt)
    }

    /// When the next will be done as things are, and under which version that is announced; nothing announced before counts
    /// any more.
    pub(super) fn plan(&mut self) -> Option<(u64, u64)> {
        self.version += 1;
        let pace = self.pace();
        let left = (self.running.peek()?.mark - self.got).max(0.0);
        (pace > 0.0).then(|| (self.updated + to_ns(left / pace), self.version))
    }

    /// Seconds of work a second, for each of those running.
    fn pace(&self) -> f64 {
        let each = (self.cores / self.running.len().max(1) as f64).min(1.0);
        self.speed * self.factor * each
    }

    fn advance(&mut self, now: u64) {
        self.got += (now - self.updated) as f64 / NS * self.pace();
        self.updated = now;
    }

    fn fill(&mut self) {
        while self.running.len() < self.slots {
            let Some((attempt, work)) = self.waiting.pop_front() else {
                break;
            };
            let mark = self.got + work;
            self.running.push(Running { mark, attempt });
        }
    }
}
