//! Small tables for the tests of this folder.

use std::sync::Arc;

use crate::address::Address;
use crate::counters::EndpointShared;
use crate::failover::ramp;
use crate::id::{EndpointId, Epoch, PoolId};
use crate::settings::PolicySpec;
use crate::table::{EndpointRow, PoolTable, State};

/// An endpoint that is up, with this weight.
pub(crate) fn up(weight: u32) -> EndpointRow {
    row(State::Up, weight)
}

/// An endpoint in this state, with this weight.
pub(crate) fn row(state: State, weight: u32) -> EndpointRow {
    EndpointRow {
        id: EndpointId(0),
        name: "e".into(),
        path: Default::default(),
        cut_below: Default::default(),
        host: None,
        address: Some(Address::Ip(([127, 0, 0, 1], 9001).into())),
        weight,
        tier: 0,
        standby: None,
        is_standby: false,
        state,
        suspect: false,
        ramp: None,
        relief: ramp::WHOLE,
        shared: Arc::new(EndpointShared::new(1)),
    }
}

/// The same in another tier.
pub(crate) fn in_tier(tier: u32, row: EndpointRow) -> EndpointRow {
    EndpointRow { tier, ..row }
}

/// A pool of these, with the default settings; ids count from 0 in their order.
pub(crate) fn pool(policy: &str, rows: impl IntoIterator<Item = EndpointRow>) -> PoolTable {
    let numbered = rows
        .into_iter()
        .enumerate()
        .map(|(index, row)| EndpointRow {
            id: EndpointId(index as u32),
            name: match &*row.name {
                "e" => format!("e{index}").into(),
                _ => row.name.clone(),
            },
            ..row
        });
    PoolTable {
        pool: PoolId(0),
        name: "app".into(),
        epoch: Epoch(1),
        policy: PolicySpec::named(policy),
        endpoints: numbered.collect(),
        failover: Default::default(),
        retry: Default::default(),
        limit: Default::default(),
        transport: Default::default(),
    }
}
