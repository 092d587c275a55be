//! Those who wait until an endpoint has room (`limit.per_endpoint`): first come, first served, so many at most.

use std::collections::VecDeque;

use evenkeel_core::table::PoolTable;

/// What one balancer, or all together, know: their table, and who waits.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) table: PoolTable,
    waiting: VecDeque<usize>,
}

impl Line {
    /// Nobody waits.
    pub(super) fn new(table: PoolTable) -> Line {
        Line {
            table,
            waiting: VecDeque::new(),
        }
    }

    /// At the end; false if it is full.
    pub(super) fn join(&mut self, request: usize) -> bool {
        let room = self.waiting.len() < self.table.limit.queue as usize;
        if room {
            self.waiting.push_back(request);
        }
        room
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<usize> {
        self.waiting.front().copied()
    }

    /// It waits no longer; false if it did not.
    pub(super) fn leave(&mut self, request: usize) -> bool {
        let at = self.waiting.iter().position(|&waits| waits == request);
        at.and_then(|at| self.waiting.remove(at)).is_some()
    }
}
