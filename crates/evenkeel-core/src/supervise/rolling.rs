//! Changed services are restarted one at a time, so that a reload never takes a whole pool away.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::id::ServiceId;

/// Who is still to be restarted, in order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Rolling {
    waiting: VecDeque<ServiceId>,
    current: Option<ServiceId>,
}

impl Rolling {
    /// This one's process runs an old specification. Asked twice, it waits once.
    pub fn add(&mut self, service: ServiceId) {
        if !self.waiting.contains(&service) {
            self.waiting.push_back(service);
        }
    }

    /// The next to be restarted, once the one before has `settled` (serves, or is given up).
    pub fn next(&mut self, settled: impl Fn(ServiceId) -> bool) -> Option<ServiceId> {
        if self.current.is_some_and(|current| !settled(current)) {
            return None;
        }
        self.current = self.waiting.pop_front();
        self.current
    }

    /// Gives all up: everything is being stopped.
    pub fn clear(&mut self) {
        *self = Rolling::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_waits_until_the_one_before_has_settled() {
        let mut rolling = Rolling::default();
        for n in [1, 2, 1] {
            rolling.add(ServiceId(n));
        }
        assert_eq!(rolling.next(|_| false), Some(ServiceId(1)));
        assert_eq!(rolling.next(|_| false), None);
        assert_eq!(rolling.next(|id| id == ServiceId(1)), Some(ServiceId(2)));
        assert_eq!(rolling.next(|_| true), None);
    }
}
