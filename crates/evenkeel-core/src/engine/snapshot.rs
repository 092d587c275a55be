//! The whole state of the engine as data, and back: `snapshot → restore` gives an engine that answers the same events with
//! the same commands, byte for byte.
//!
//! To take one, serialize the engine between two events. What the data plane counts is not in it (see `keep::shared`): an
//! engine that was restored decides, but its tables point to counters that nobody writes.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use crate::table::PoolTable;

use super::Engine;
use super::pool::Pool;

impl Engine {
    /// The engine that this snapshot was taken of.
    ///
    /// # Errors
    /// What the format says of something that is no snapshot of this engine's.
    pub fn restore<'de, D: Deserializer<'de>>(snapshot: D) -> Result<Engine, D::Error> {
        let mut engine = Engine::deserialize(snapshot)?;
        engine.pools.values_mut().for_each(relink);
        Ok(engine)
    }
}

/// The table's rows and the endpoints share their counters again.
fn relink(pool: &mut Pool) {
    let shared = |id| pool.endpoints.iter().find(|endpoint| endpoint.id == id);
    let mut table: PoolTable = (*pool.table).clone();
    for row in &mut table.endpoints {
        if let Some(endpoint) = shared(row.id) {
            row.shared = endpoint.shared.clone();
        }
    }
    pool.table = Arc::new(table);
}
