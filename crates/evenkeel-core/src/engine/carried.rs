//! What outlives the process: one record per endpoint, stored under `pool/endpoint`.
//!
//! Plain data, so that whoever stores it chooses the format. A record is written whenever something in it changes.

use crate::table::State;
use crate::time::WallTime;

use super::command::DecidedBy;
use super::event::Order;

/// What is remembered of one endpoint over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Pool's name.
    pub pool: String,
    /// Endpoint's name.
    pub endpoint: String,
    /// Its address as configured. If it is another one now, only the operator's word below still counts.
    pub target: String,
    /// What check and outlier ejection had decided, without the operator's word: `Unknown`, `Up`, `Trial` or `Down`.
    pub state: State,
    /// Since when.
    pub since: WallTime,
    /// The evidence.
    pub why: String,
    /// Who decided it.
    pub decided_by: DecidedBy,
    /// Ejected until then; `None` = not ejected.
    pub ejected_until: Option<WallTime>,
    /// Ejections in a row, from which the length of the next follows.
    pub ejections: u32,
    /// The operator's state; never `Ready`.
    pub order: Option<Order>,
    /// The operator's weight.
    pub weight: Option<u32>,
}

impl Carried {
    /// `pool/endpoint`, the key it is stored under.
    pub fn key(&self) -> String {
        format!("{}/{}", self.pool, self.endpoint)
    }
}
