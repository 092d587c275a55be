//! A service whose port another process has: starting it again and again would only fill the log.
//!
//! That is known once a start was tried and ended at once while somebody answered. It waits while somebody else answers, and is started as soon as nobody does, however long that takes. After a short while
//! it counts as given up, so that a person is told: nothing that evenkeel may do frees the port.

use std::time::Duration;

use crate::time::Time;

use super::machine::Supervisor;
use super::words::{ServiceState, Step};

/// An old process may need this long to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// The death that was its trouble's beginning, and the one after the start that was tried.
const TRIED: u32 = 2;
/// Put off by this at each look that finds the port taken: longer than from one to the next, and if none comes, a start is
/// the way to find out.
const AGAIN: Duration = Duration::from_secs(5);

impl Supervisor {
    pub(super) fn port(&mut self, taken: bool, now: Time) -> Option<Step> {
        match (self.state, taken) {
            (ServiceState::Backoff, true) if self.deaths >= TRIED => self.wait_for_port(now),
            (ServiceState::Failed, true) => {
                self.taken_since.get_or_insert(now);
                None
            }
            (ServiceState::Backoff | ServiceState::Failed, false) => {
                self.taken_since.take()?;
                self.restarts = self.restarts.saturating_add(1);
                Some(self.begin("its port is free again".into(), true, now))
            }
            _ => None,
        }
    }

    fn wait_for_port(&mut self, now: Time) -> Option<Step> {
        let first = self.taken_since.is_none();
        let since = *self.taken_since.get_or_insert(now);
        if now.since(since) >= PATIENCE {
            self.deadline = Time::NEVER;
            let why = format!(
                "another process has answered at its port for {PATIENCE:?}, needs a person: end that one, and it is started"
            );
            return Some(self.enter(ServiceState::Failed, why, None, now));
        }
        self.deadline = self.deadline.max(now + AGAIN);
        let why = "another process answers at its port: it is started when that ends";
        first.then(|| self.enter(ServiceState::Backoff, why.into(), None, now))
    }
}
