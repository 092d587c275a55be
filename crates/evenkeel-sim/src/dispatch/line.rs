//! Those who wait until an endpoint has room (`limit.per_endpoint`): first come, first served, so many at most.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::id::Epoch;
use evenkeel_core::prevent::{Admission, Ends};
use evenkeel_core::settings::LimitSettings;
use evenkeel_core::table::PoolTable;
use evenkeel_core::time::Time;

/// What one balancer, or all together, know: their table, who waits, and whether what they do is in vain.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) table: PoolTable,
    waiting: VecDeque<usize>,
    configured: LimitSettings,
    admission: Admission,
    /// Tries that were answered, and tries nobody waited for any more.
    pub(super) answered: u64,
    pub(super) in_vain: u64,
}

impl Line {
    /// Nobody waits.
    pub(super) fn new(table: PoolTable) -> Line {
        Line {
            configured: table.limit.clone(),
            table,
            waiting: VecDeque::new(),
            admission: Admission::default(),
            answered: 0,
            in_vain: 0,
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
        match self.table.limit.newest_first {
            true => self.waiting.back().copied(),
            false => self.waiting.front().copied(),
        }
    }

    /// Control looks at its counters, as every 100 ms. Are there other limits now?
    pub(super) fn look(&mut self, at: Time) -> bool {
        let rows = self.table.endpoints.iter();
        let waiting = rows.map(|row| u64::from(row.shared.in_flight.load(Relaxed)));
        let serving = self.table.endpoints.len();
        let ends = Ends {
            answered: self.answered,
            in_vain: self.in_vain,
            waiting: waiting.sum(),
            standing: 0,
            serving: serving as u64,
        };
        self.admission.brake.look(ends, at);
        let limits = self
            .admission
            .limits(&self.configured, std::iter::repeat_n(0, serving), at);
        let other = self.table.limit != limits;
        if other {
            self.table.limit = limits;
            self.table.epoch = Epoch(self.table.epoch.0 + 1);
        }
        other
    }

    /// It waits no longer; false if it did not.
    pub(super) fn leave(&mut self, request: usize) -> bool {
        let at = self.waiting.iter().position(|&waits| waits == request);
        at.and_then(|at| self.waiting.remove(at)).is_some()
    }
}
