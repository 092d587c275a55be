//! What is done to a service that lives but is sick: orders from outside, and its memory where no control group holds it.

use crate::time::Time;

use super::machine::{Goal, Supervisor};
use super::words::{Act, ServiceOrder, ServiceState, Step};

/// Readings in a row above `memory_max` until it is restarted: one alone may be a short peak, and three at one a second are
/// seen sooner than a machine with some memory left is exhausted.
const OVER_MAX: u32 = 3;
const KILL: i32 = 9;

impl Supervisor {
    /// An order. Told to restart, it is started again at once and without counting against its limit: whoever orders has
    /// a budget of their own.
    pub(super) fn told(&mut self, order: ServiceOrder, why: &str, now: Time) -> Option<Step> {
        let alive = matches!(self.state, ServiceState::Starting | ServiceState::Ready);
        match order {
            ServiceOrder::Hold => {
                self.held = true;
                return self.stop(Goal::Stop, &format!("is held: {why}"), now);
            }
            ServiceOrder::Release => {
                self.held = false;
                return self.run(why, now);
            }
            _ => self.pid?,
        };
        match order {
            ServiceOrder::Restart if alive => {
                self.told = Some(format!("was told to restart: {why}"));
                self.stop(Goal::Restart, &format!("was told to restart: {why}"), now)
            }
            ServiceOrder::Kill if alive => {
                let why = format!("is killed: {why}");
                self.told = Some(why.clone());
                let step = self.stop(Goal::Restart, &why, now)?;
                Some(Step {
                    act: Some(Act::Signal(KILL)),
                    ..step
                })
            }
            // It keeps its goal: what was to end for good is not started again.
            ServiceOrder::Kill if self.state == ServiceState::Stopping => Some(Step {
                change: None,
                act: Some(Act::Signal(KILL)),
            }),
            ServiceOrder::Signal(signal) if alive => Some(Step {
                change: None,
                act: Some(Act::Signal(signal)),
            }),
            _ => None,
        }
    }

    /// Above its limit for long enough it is restarted gracefully; that counts as a death, so one that never fits its limit
    /// is given up in the end, with the reason.
    pub(super) fn memory(&mut self, bytes: u64, now: Time) -> Option<Step> {
        let max = self.spec.care.memory_max?;
        self.over = if bytes > max { self.over + 1 } else { 0 };
        let alive = matches!(self.state, ServiceState::Starting | ServiceState::Ready);
        if !alive || self.pid.is_none() || self.over < OVER_MAX {
            return None;
        }
        self.over = 0;
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let why = format!(
            "uses {} MiB of memory, its memory_max is {} MiB",
            mib(bytes),
            mib(max)
        );
        self.stop(Goal::Run, &why, now)
    }
}
