//! What control does meanwhile: it counts who failed how much in the last ten seconds, and says every 100 ms how much heavier a
//! try there is to count. The rule is core's own.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::health::traffic::{Counts, burden};

use super::line::Line;

/// Nanoseconds between two looks.
pub(super) const EVERY: u64 = 100_000_000;
/// Looks in ten seconds.
const LOOKS: usize = 100;

/// The counts of one endpoint as one balancer, or all together, see it.
#[derive(Debug, Default)]
struct Seen {
    now: Counts,
    before: VecDeque<Counts>,
}

/// Of all of them.
#[derive(Debug)]
pub(super) struct Burdens {
    seen: Vec<Vec<Seen>>,
}

impl Burdens {
    pub(super) fn new(lines: usize, endpoints: usize) -> Burdens {
        let of = |_| (0..endpoints).map(|_| Seen::default()).collect();
        Burdens {
            seen: (0..lines).map(of).collect(),
        }
    }

    /// A try ended.
    pub(super) fn ended(&mut self, line: usize, endpoint: usize, good: bool) {
        let counts = &mut self.seen[line][endpoint].now;
        counts.requests += 1;
        counts.failures += u64::from(!good);
    }

    /// Says it.
    pub(super) fn look(&mut self, lines: &[Line]) {
        for (line, seen) in lines.iter().zip(&mut self.seen) {
            for (row, seen) in line.table.endpoints.iter().zip(seen) {
                seen.before.push_back(seen.now);
                let oldest = match seen.before.len() > LOOKS {
                    true => seen.before.pop_front().unwrap_or_default(),
                    false => Counts::default(),
                };
                let late = seen.now.without(oldest);
                row.shared.burden.store(burden(late), Relaxed);
            }
        }
    }
}
