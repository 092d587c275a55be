//! What an endpoint says of its load: with an answer, or asked for it.

use std::time::Duration;

use crate::time::Time;

/// One report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it came.
    pub at: Time,
    /// Requests it works on, whoever they are from.
    pub in_flight: u32,
    /// How long a request takes there now; `None` if it does not say.
    pub latency: Option<Duration>,
}
