//! Endpoints that take their time: each port is a server with so many workers, a queue before them, and a time that each request
//! takes a worker. One of them may be slower. Nothing is computed meanwhile: a timer stands for the work, so that eight servers fit on
//! a part of a core and do not disturb what is measured.
//!
//! A request whose connection ended while it waited is not begun; one that was begun is worked to its end, as a server does
//! that does not look.

use crate::rng::Rng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// How servers work.
#[derive(Clone, clap::Args)]
pub(crate) struct Service {
    /// Milliseconds of a worker that an answer to `/bytes/N` takes on average; 0: answered at once.
    #[arg(long, default_value_t = 0.0)]
    service_ms: f64,
    /// How that varies.
    #[arg(long, value_enum, default_value_t = Spread::Even)]
    spread: Spread,
    /// Workers of each port.
    #[arg(long, default_value_t = 1)]
    at_once: usize,
    /// The last port is slower by this factor.
    #[arg(long, default_value_t = 1.0)]
    slow: f64,
    /// Of the random times.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// How long work takes, around its mean.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Spread {
    /// Evenly from half of the mean to one and a half of it.
    Even,
    /// Exponential.
    Exponential,
}

/// A request at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Job {
    /// Of all requests ever taken.
    pub(crate) number: u64,
    /// Whose.
    pub(crate) connection: usize,
    port: usize,
}

struct Server {
    mean: Duration,
    rng: Rng,
    free: usize,
    // Bounded by the connections there are: each has one request.
    waiting: VecDeque<Job>,
    taken: u64,
}

/// All of them.
pub(crate) struct Servers {
    spread: Spread,
    servers: Vec<Server>,
    due: BinaryHeap<Reverse<(Instant, Job)>>,
    number: u64,
}

impl Servers {
    /// Idle ones; `None` where answers take no time.
    pub(crate) fn new(service: &Service, ports: usize) -> Option<Servers> {
        let mean = Duration::try_from_secs_f64(service.service_ms / 1e3).ok()?;
        if mean.is_zero() {
            return None;
        }
        let server = |port: usize| Server {
            mean: match port + 1 == ports {
                true => mean.mul_f64(service.slow.max(0.0)),
                false => mean,
            },
            // Each its own stream, whatever the others are asked.
            rng: Rng::new(service.seed ^ (port as u64) << 48),
            free: service.at_once.max(1),
            waiting: VecDeque::new(),
            taken: 0,
        };
        Some(Servers {
            spread: service.spread,
            servers: (0..ports).map(server).collect(),
            due: BinaryHeap::new(),
            number: 0,
        })
    }

    /// Takes a request in; its number.
    pub(crate) fn take(&mut self, port: usize, connection: usize, now: Instant) -> u64 {
        self.number += 1;
        let job = Job {
            number: self.number,
            connection,
            port,
        };
        let server = &mut self.servers[port];
        server.taken += 1;
        match server.free {
            0 => server.waiting.push_back(job),
            _ => {
                server.free -= 1;
                self.begin(job, now);
            }
        }
        job.number
    }

    /// How many requests this port was sent.
    pub(crate) fn taken(&self, port: usize) -> u64 {
        self.servers[port].taken
    }

    /// How long until the next answer is ready.
    pub(crate) fn next_in(&self, now: Instant) -> Option<Duration> {
        let Reverse((at, _)) = self.due.peek()?;
        Some(at.saturating_duration_since(now))
    }

    /// The next that is ready by now, if there is one. Its worker goes on to who waits and is still `wanted`.
    pub(crate) fn ready(
        &mut self,
        now: Instant,
        mut wanted: impl FnMut(Job) -> bool,
    ) -> Option<Job> {
        let Reverse((at, job)) = *self.due.peek().filter(|Reverse((at, _))| *at <= now)?;
        self.due.pop();
        let server = &mut self.servers[job.port];
        let next = loop {
            match server.waiting.pop_front() {
                Some(next) if !wanted(next) => {}
                next => break next,
            }
        };
        match next {
            // From when the worker was free, not from when this was looked at.
            Some(next) => self.begin(next, at),
            None => server.free += 1,
        }
        Some(job)
    }

    fn begin(&mut self, job: Job, at: Instant) {
        let server = &mut self.servers[job.port];
        let factor = match self.spread {
            Spread::Even => 0.5 + server.rng.share(),
            Spread::Exponential => server.rng.exponential(),
        };
        self.due
            .push(Reverse((at + server.mean.mul_f64(factor), job)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(at_once: usize) -> Servers {
        let service = Service {
            service_ms: 10.0,
            spread: Spread::Even,
            at_once,
            slow: 10.0,
            seed: 1,
        };
        Servers::new(&service, 2).unwrap()
    }

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_server_works_on_no_more_than_it_has_workers() {
        let (mut servers, start) = (servers(2), Instant::now());
        for connection in 0..3 {
            servers.take(0, connection, start);
        }
        let late = after(start, 16);
        let mut ready = Vec::new();
        while let Some(job) = servers.ready(late, |_| true) {
            ready.push(job.connection);
        }
        // Two take at most 15 ms, the third begins after one of them.
        assert!(ready.contains(&0) && ready.contains(&1));
        let third = servers.ready(after(start, 30), |_| true);
        assert!(ready.contains(&2) || third.is_some_and(|job| job.connection == 2));
        assert_eq!(servers.taken(0), 3);
        assert_eq!(servers.next_in(late), None);
    }

    #[test]
    fn whose_connection_ended_while_it_waited_is_not_begun() {
        let (mut servers, start) = (servers(1), Instant::now());
        for connection in 0..3 {
            servers.take(0, connection, start);
        }
        let far = after(start, 1000);
        let mut ready = Vec::new();
        while let Some(job) = servers.ready(far, |job| job.connection != 1) {
            ready.push(job.connection);
        }
        assert_eq!(ready, [0, 2]);
    }

    #[test]
    fn the_last_port_is_the_slow_one() {
        let (mut servers, start) = (servers(1), Instant::now());
        servers.take(1, 0, start);
        assert_eq!(servers.ready(after(start, 49), |_| true), None);
        assert!(servers.ready(after(start, 151), |_| true).is_some());
    }
}
