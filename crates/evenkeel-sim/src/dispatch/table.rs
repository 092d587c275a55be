//! A scenario's endpoints as the table that serves traffic: all of them up, each with its weight.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::counters::EndpointShared;
use evenkeel_core::failover::ramp;
use evenkeel_core::id::{EndpointId, Epoch, PoolId};
use evenkeel_core::settings::{LimitSettings, PolicySpec};
use evenkeel_core::table::{EndpointRow, PoolTable, State};

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
        pool: PoolId(0),
        name: "simulated".into(),
        epoch: Epoch(1),
        policy: PolicySpec::named(policy),
        endpoints: rows.collect(),
        failover: Default::default(),
        retry: Default::default(),
        limit: LimitSettings {
            per_endpoint: balancers.per_endpoint,
            queue: balancers.queue,
            queue_timeout: Duration::from_secs_f64(balancers.queue_timeout_s.min(1e9)),
        },
        transport: Default::default(),
    }
}

fn row(number: u32, weight: u32) -> EndpointRow {
    EndpointRow {
        id: EndpointId(number),
        name: format!("e{number}").into(),
        path: Default::default(),
        cut_below: Default::default(),
        host: None,
        address: Some(Address::Ip(([127, 0, 0, 1], 9001).into())),
        weight,
        tier: 0,
        standby: None,
        is_standby: false,
        state: State::Up,
        suspect: false,
        ramp: None,
        relief: ramp::WHOLE,
        shared: Arc::new(EndpointShared::new(1)),
    }
}
