//! Bytes both ways between two sockets, as they come: TCP listeners, and HTTP after a 101. A half-close is passed on; the
//! tunnel ends when both directions have, or after `tunnel_timeout` without a byte in either.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use evenkeel_core::time::Time;

use crate::rt::{self, Timer};
use crate::splice::{Pump, PumpError, Pumped};
use crate::wire::Stream;
use crate::worker::Worker;

/// A tunnel about to be opened.
pub(crate) struct Tunnel<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) timer: &'a Timer,
    pub(crate) client: &'a Stream,
    pub(crate) endpoint: &'a Stream,
    pub(crate) timeout: Duration,
}

/// What went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Bytes given to the endpoint.
    pub(crate) up: u64,
    /// Bytes given to the client.
    pub(crate) down: u64,
    /// The endpoint's connection broke.
    pub(crate) endpoint_failed: bool,
    /// Nothing came for `timeout`.
    pub(crate) quiet: bool,
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Both directions did.
    Well,
    /// The client's connection broke.
    ByClient,
    /// The endpoint's did.
    ByEndpoint,
    /// By itself, after `timeout`.
    Quiet,
}

impl Ended {
    fn broken(at_endpoint: bool) -> Ended {
        match at_endpoint {
            true => Ended::ByEndpoint,
            false => Ended::ByClient,
        }
    }
}

/// One direction.
struct Way<'a> {
    source: &'a Stream,
    sink: &'a Stream,
    /// Read before the tunnel was one.
    early: &'a [u8],
    pump: Pump,
    gave: u64,
    done: bool,
}

impl Tunnel<'_> {
    /// Carries bytes until both directions have ended. `early_up` and `early_down` go first.
    pub(crate) async fn run(&self, early_up: &[u8], early_down: &[u8]) -> Carried {
        let mut up = self.way(self.client, self.endpoint, early_up);
        let mut down = self.way(self.endpoint, self.client, early_down);
        let mut since: Option<Time> = None;
        let mut seen = 0;
        let ended = poll_fn(|cx| {
            let one = up.poll(cx);
            let other = down.poll(cx);
            if let Poll::Ready(Err(e)) = one {
                return Poll::Ready(Ended::broken(e == PumpError::Sink));
            }
            if let Poll::Ready(Err(e)) = other {
                return Poll::Ready(Ended::broken(e == PumpError::Source));
            }
            if up.done && down.done {
                return Poll::Ready(Ended::Well);
            }
            let moved = up.gave + down.gave;
            if moved != seen || since.is_none() {
                seen = moved;
                since = Some(rt::now());
            }
            let quiet_since = since.unwrap_or_default();
            self.timer.set(quiet_since + self.timeout);
            match self.timer.poll_expired(cx) {
                true => Poll::Ready(Ended::Quiet),
                false => Poll::Pending,
            }
        })
        .await;
        Carried {
            up: up.gave,
            down: down.gave,
            endpoint_failed: ended == Ended::ByEndpoint,
            quiet: ended == Ended::Quiet,
        }
    }

    fn way<'a>(&self, source: &'a Stream, sink: &'a Stream, early: &'a [u8]) -> Way<'a> {
        let pipes: &Rc<_> = &self.worker.pipes;
        Way {
            source,
            sink,
            early,
            pump: Pump::new(pipes),
            gave: 0,
            done: false,
        }
    }
}

impl Way<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PumpError>> {
        while !self.done {
            if !self.early.is_empty() {
                match ready!(self.sink.poll_write(cx, self.early)) {
                    Ok(n) if n > 0 => {
                        self.early = &self.early[n..];
                        self.gave += n as u64;
                    }
                    _ => return Poll::Ready(Err(PumpError::Sink)),
                }
                continue;
            }
            match ready!(self.pump.poll(cx, self.source, self.sink, u64::MAX))? {
                Pumped::Took(_) => {}
                Pumped::Gave(n) => self.gave += n,
                Pumped::Ended => {
                    self.sink.shutdown_write();
                    self.done = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
