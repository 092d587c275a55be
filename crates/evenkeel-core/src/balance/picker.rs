//! picker
use crate::id::EndpointId;
use crate::table::PoolTable;
use crate::time::Time;

/// Where the next try goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To this index of [`PoolTable::endpoints`].
    Endpoint(usize),
    /// Somebody is usable, but all candidates are at `limit.per_endpoint`.
    Full,
    /// Nobody is usable.
    Nobody,
}

/// Chooses for one pool on one worker.
#[derive(Debug)]
pub struct Picker {}

impl Picker {
    /// For this table; `seed` differs from worker to worker.
    pub fn new(_table: &PoolTable, _seed: u64) -> Picker {
        Picker {}
    }

    /// Goes over to a new table of the same pool; what is known of its endpoints is kept.
    pub fn adopt(&mut self, _table: &PoolTable, _now: Time) {}

    /// Chooses an endpoint not in `tried`; one of those only if there is no other.
    pub fn pick(&mut self, table: &PoolTable, tried: &[EndpointId], _now: Time) -> Choice {
        let fits = |untried: bool| {
            table.endpoints.iter().position(|row| {
                row.state.usable()
                    && row.address.is_some()
                    && row.weight > 0
                    && !(untried && tried.contains(&row.id))
            })
        };
        match fits(true).or_else(|| fits(false)) {
            Some(index) => Choice::Endpoint(index),
            None => Choice::Nobody,
        }
    }
}
