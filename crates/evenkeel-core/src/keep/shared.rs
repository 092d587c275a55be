//! What the data plane counts of an endpoint. Workers write it and no decision reads it, so it is no state of the engine's:
//! only for how many workers it was made is kept, and what comes back has counted nothing.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::counters::EndpointShared;

/// More than any machine has cores: a snapshot that says more is not one, and must not fill the memory.
const WORKERS_MAX: usize = 4096;

/// For `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer>(
    shared: &Arc<EndpointShared>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    shared.workers.iter().count().serialize(serializer)
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<EndpointShared>, D::Error> {
    match usize::deserialize(deserializer)? {
        workers @ 0..=WORKERS_MAX => Ok(Arc::new(EndpointShared::new(workers))),
        more => Err(de::Error::custom(format!("{more} workers"))),
    }
}
