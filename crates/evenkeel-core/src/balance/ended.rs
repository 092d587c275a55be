//! How a try ended, as far as a policy may learn from it.

use std::time::Duration;

use super::Note;
use crate::time::Time;

/// What a failed try counts as, whatever it took: far above what an answer takes. A failure is often faster than any answer,
/// and a policy that looks at times would send ever more there.
pub(super) const PENALTY: Duration = Duration::from_secs(5);

/// The end of one try.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// When.
    pub at: Time,
    /// From the moment it was the endpoint's turn to the beginning of its answer; `None` = it failed.
    pub took: Option<Duration>,
    /// What the policy said of it when it was picked ([`Picker::note`](super::Picker::note)).
    pub note: Note,
}

impl Ended {
    /// In nanoseconds, what somebody waited for it, whether it was answered or failed.
    pub(super) fn lasted_ns(&self) -> f64 {
        let since = self.at.as_nanos().saturating_sub(self.note.began_ns());
        self.took
            .map_or(since as f64, |took| took.as_nanos() as f64)
    }

    /// In nanoseconds, as a policy is to count it.
    pub(super) fn cost(&self) -> f64 {
        self.took.unwrap_or(PENALTY).as_nanos() as f64
    }
}
