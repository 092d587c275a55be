//! When an agent calls a balancer again.
//!
//! The first call is made at once and again soon, because most losses are a balancer that is replaced; then the waits double, with
//! jitter, so that the agents of a whole fleet do not come back in step. A connection that held for a while makes the next loss a
//! first one again; one that is refused every time does not.

use std::time::Duration;

use crate::rng::Rng;
use crate::time::Time;

/// The first wait: a balancer that replaces another listens on the same socket within as much.
const FIRST: Duration = Duration::from_millis(100);
/// The longest: a balancer that comes back after hours should have its agents before its patience with them ends (15 s).
const LONGEST: Duration = Duration::from_secs(5);
/// A connection that held for this long was a good one.
const GOOD: Duration = Duration::from_secs(10);

/// What happened to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The balancer welcomed us.
    Connected,
    /// It could not be reached, refused us, or the connection ended.
    Ended,
}

/// The calls to one balancer.
#[derive(Debug)]
pub struct Dial {
    rng: Rng,
    /// In a row.
    failures: u32,
    connected: Option<Time>,
    due: Time,
}

impl Dial {
    /// The first call is due at once. `rng` is its own stream.
    pub fn new(rng: Rng) -> Dial {
        Dial {
            rng,
            failures: 0,
            connected: None,
            due: Time::ZERO,
        }
    }

    /// When to call next; nobody calls while connected.
    pub fn due(&self) -> Time {
        self.due
    }

    /// Takes in what happened; how long until the next call, where there is to be one.
    pub fn on(&mut self, happened: Happened, now: Time) -> Option<Duration> {
        match happened {
            Happened::Connected => {
                self.connected = Some(now);
                self.due = Time::NEVER;
                None
            }
            Happened::Ended => {
                let held = self.connected.take();
                if held.is_some_and(|since| now.since(since) >= GOOD) {
                    self.failures = 0;
                }
                self.failures = self.failures.saturating_add(1);
                let wait = wait(self.failures, &mut self.rng);
                self.due = now + wait;
                Some(wait)
            }
        }
    }
}

/// ± 30 %: of a thousand agents that lost one balancer at once, no more than a few call in the same millisecond.
fn wait(failures: u32, rng: &mut Rng) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let base = doubled.min(LONGEST).as_millis() as u64;
    Duration::from_millis(base * 7 / 10 + rng.below(base * 6 / 10 + 1))
}
