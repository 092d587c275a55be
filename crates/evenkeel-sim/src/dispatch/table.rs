//! A scenario's endpoints as the table that serves traffic: all of them up, each with its weight.

use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::id::EndpointId;
use evenkeel_core::settings::{LimitSettings, PolicySpec};
use evenkeel_core::table::{EndpointRow, PoolTable};

use super::scenario::Scenario;

/// With counters of its own.
pub(super) fn of(scenario: &Scenario, policy: &str) -> PoolTable {
    let kinds = scenario.endpoints.iter();
    let weights = kinds.flat_map(|kind| (0..kind.count).map(|_| kind.weight));
    let rows = (0..)
        .zip(weights)
        .map(|(number, weight)| row(number, weight));
    let balancers = &scenario.balancers;
    PoolTable {
        limit: LimitSettings {
            per_endpoint: balancers.per_endpoint,
            queue: balancers.queue,
            queue_timeout: Duration::from_secs_f64(balancers.queue_timeout_s.min(1e9)),
        },
        ..PoolTable::new("simulated", PolicySpec::named(policy), rows.collect())
    }
}

fn row(number: u32, weight: u32) -> EndpointRow {
    let address = Address::Ip(([127, 0, 0, 1], 9001).into());
    EndpointRow {
        weight,
        ..EndpointRow::new(EndpointId(number), &format!("e{number}"), address, 1)
    }
}
