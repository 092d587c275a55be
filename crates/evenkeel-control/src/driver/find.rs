//! Finding what an operator named, or saying what there is instead.

use evenkeel_core::id::EndpointId;
use evenkeel_schema::admin::{ErrorAnswer, ErrorCode};

use super::Driver;
use crate::ask::Outcome;

impl Driver {
    /// The endpoint of this name.
    pub(super) fn find(&self, pool: &str, endpoint: &str) -> Outcome<EndpointId> {
        if let Some(id) = self.engine.endpoint_id(pool, endpoint) {
            return Ok(id);
        }
        let Some(found) = self.engine.pool(pool) else {
            return Err(self.no_such_pool(pool));
        };
        Err(ErrorAnswer::new(
            ErrorCode::NoSuchEndpoint,
            format!("pool {pool} has no endpoint {endpoint:?}"),
            there_is(found.endpoints.iter().map(|e| &**e.name)),
        ))
    }

    /// There is none of this name, but these.
    pub(super) fn no_such_pool(&self, pool: &str) -> ErrorAnswer {
        ErrorAnswer::new(
            ErrorCode::NoSuchPool,
            format!("there is no pool {pool:?}"),
            there_is(self.config.pools.iter().map(|p| &*p.name)),
        )
    }
}

fn there_is<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    match names.is_empty() {
        true => "there is none".to_owned(),
        false => format!("there is {}", names.join(", ")),
    }
}
