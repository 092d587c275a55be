//! What prevention shows: who runs hot, who gets less for it, and what is kept out.

use serde::{Deserialize, Serialize};

/// [`EndpointStatus::relief`](super::EndpointStatus::relief): less work than the weight says, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReliefStatus {
    /// Of its weight; a ramp not counted in.
    pub percent: u32,
    /// `prevention` or `recovery`.
    pub decided_by: String,
    /// The evidence.
    pub why: String,
}

/// [`EndpointStatus::heat`](super::EndpointStatus::heat).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatStatus {
    /// 0 to 100 = at a limit; from 80 on work moves off it, below 60 it is cool again.
    pub percent: u32,
    /// The hottest of all; empty at 0.
    pub why: String,
    /// What will be full within half an hour if it goes on like this.
    pub filling: Vec<FillingStatus>,
}

/// One of [`HeatStatus::filling`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FillingStatus {
    /// `memory`, `descriptors`, `disk PATH`.
    pub what: String,
    /// Until it is full.
    pub full_in_s: f64,
}

/// [`PoolStatus::admission`](super::PoolStatus::admission).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionStatus {
    /// Of what was in flight when it began.
    pub percent: u32,
    /// In flight at one endpoint at most.
    pub per_endpoint: u32,
    /// Waiting at most.
    pub queue: u32,
    /// `prevention` or `recovery`.
    pub decided_by: String,
    /// The evidence.
    pub why: String,
}
