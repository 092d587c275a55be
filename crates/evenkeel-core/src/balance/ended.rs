//! How a try ended, as far as a policy may learn from it.

use std::time::Duration;

use super::Note;
use crate::time::Time;

/// What a failed try counts as, whatever it took: far above what an answer takes. A failure is often faster than any answer,
/// and a policy that looks at times would send ever more there.
pub(super) const PENALTY: Duration = Duration::from_secs(5);

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// From the moment it was the endpoint's turn it took so long to the beginning of its answer.
    Answered(Duration),
    /// It failed.
    Failed,
    /// It was the endpoint's turn for so long without an answer when whoever waited for it left.
    Abandoned(Duration),
}

/// The end of one try.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// When.
    pub at: Time,
    /// What came of it.
    pub end: End,
    /// What the policy said of it when it was picked ([`Picker::note`](super::Picker::note)).
    pub note: Note,
}

impl Ended {
    /// In nanoseconds, what somebody waited for it, whatever came of it.
    pub(super) fn lasted_ns(&self) -> f64 {
        let since = self.at.as_nanos().saturating_sub(self.note.began_ns());
        match self.end {
            End::Answered(took) => took.as_nanos() as f64,
            End::Failed | End::Abandoned(_) => since as f64,
        }
    }

    /// In nanoseconds, as a policy is to count it that expected so many. Of one that was abandoned only that it would have taken
    /// longer is known: `None` if that much was expected anyway.
    pub(super) fn cost(&self, expected_ns: f64) -> Option<f64> {
        match self.end {
            End::Answered(took) => Some(took.as_nanos() as f64),
            End::Failed => Some(PENALTY.as_nanos() as f64),
            End::Abandoned(after) => {
                Some(after.as_nanos() as f64).filter(|&least| least > expected_ns)
            }
        }
    }
}
