//! Small tables for the tests of this folder.

use crate::address::Address;
use crate::id::EndpointId;
use crate::settings::PolicySpec;
use crate::table::{EndpointRow, PoolTable, State};

/// An endpoint that is up, with this weight.
pub(crate) fn up(weight: u32) -> EndpointRow {
    row(State::Up, weight)
}

/// An endpoint in this state, with this weight.
pub(crate) fn row(state: State, weight: u32) -> EndpointRow {
    let address = Address::Ip(([127, 0, 0, 1], 9001).into());
    EndpointRow {
        weight,
        state,
        ..EndpointRow::new(EndpointId(0), "e", address, 1)
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
    PoolTable::new("app", PolicySpec::named(policy), numbered.collect())
}
