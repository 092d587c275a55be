//! One worker's counts of one endpoint as they are read and handed on: plain numbers.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::EndpointWorker;

/// What one worker counted of one endpoint, read at one moment. All of it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// See [`EndpointWorker::successes`].
    pub successes: u64,
    /// See [`EndpointWorker::failures`].
    pub failures: u64,
    /// See [`EndpointWorker::unheard`].
    pub unheard: u64,
    /// See [`EndpointWorker::handed`].
    pub handed: u64,
    /// See [`EndpointWorker::settled`].
    pub settled: u64,
    /// See [`EndpointWorker::answered`].
    pub answered: u64,
    /// See [`EndpointWorker::in_vain`].
    pub in_vain: u64,
}

impl Lane {
    /// Tries that brought any sign of life.
    pub fn heard(&self) -> u64 {
        (self.successes + self.failures).saturating_sub(self.unheard)
    }

    /// Tries that wait for the endpoint.
    pub fn waiting(&self) -> u64 {
        self.handed.saturating_sub(self.settled)
    }
}
