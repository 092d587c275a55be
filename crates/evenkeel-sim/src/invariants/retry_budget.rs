//! The retry budget is never exceeded: counted again, plainly, from what happened.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Invariant;
use crate::scene::{Note, Scene};

/// Bucket numbers (100 ms each) of the last ten seconds.
type Window = VecDeque<u64>;

#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    lanes: BTreeMap<(usize, Arc<str>), (Window, Window)>,
}

impl Invariant for RetryBudget {
    fn name(&self) -> &'static str {
        "the retry budget is never exceeded"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        let bucket = scene.now.at.as_nanos() / 100_000_000;
        match note {
            Note::Restarted => self.lanes.clear(),
            Note::Request { worker, pool } => {
                let lane = self.lanes.entry((*worker, (*pool).clone())).or_default();
                lane.0.push_back(bucket);
            }
            Note::Retried { worker, pool } => {
                let (requests, retries) = self.lanes.entry((*worker, (*pool).clone())).or_default();
                retries.push_back(bucket);
                for window in [&mut *requests, &mut *retries] {
                    while window.front().is_some_and(|&at| at + 100 <= bucket) {
                        window.pop_front();
                    }
                }
                let share = scene.pools[*pool].retry.budget.of(requests.len() as u64);
                let floor = 100_u64.div_ceil(scene.workers as u64);
                if retries.len() as u64 > share.max(floor) {
                    return Err(format!(
                        "{} retries for {} requests",
                        retries.len(),
                        requests.len()
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
