//! Small tables and a load for the tests of this folder.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use super::{Choice, End, Ended, Kind, Method, Note, Picker, Request, Size};
use crate::address::Address;
use crate::id::EndpointId;
use crate::rng::Rng;
use crate::settings::PolicySpec;
use crate::table::{EndpointRow, PoolTable, State};
use crate::time::Time;

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

/// So many requests, one after each gap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) requests: u64,
    pub(super) gap_us: u64,
}

/// All are of this sort.
const KIND: Kind = Kind {
    route: 1,
    method: Method::Read,
    size: Size::Empty,
};

/// What the first of three endpoints gets of the second half of a load, in percent. `takes` says how a try at one of them ends, and
/// after how many microseconds.
pub(super) fn share_of_first(
    policy: &str,
    load: Load,
    mut takes: impl FnMut(&PoolTable, usize, &mut Rng) -> (u64, End),
) -> u64 {
    let table = pool(policy, [up(100), up(100), up(100)]);
    let mut picker = Picker::new(&table, 7);
    let mut rng = Rng::new(7).stream("load");
    let mut ends: BTreeMap<(u64, u64), (usize, End, Note)> = BTreeMap::new();
    let mut got = 0;
    for n in 0..load.requests {
        let at = n * load.gap_us;
        while let Some(entry) = ends.first_entry().filter(|entry| entry.key().0 <= at) {
            let ((at, _), (index, end, note)) = entry.remove_entry();
            let at = Time::from_nanos(at * 1000);
            let shared = &table.endpoints[index].shared;
            shared.in_flight.fetch_sub(1, Relaxed);
            picker.ended(table.epoch, index, &Ended { at, end, note });
        }
        let request = Request::at(Time::from_nanos(at * 1000)).of_kind(KIND);
        let Choice::Endpoint(index) = picker.pick(&table, &request) else {
            panic!("everybody is up");
        };
        let (us, end) = takes(&table, index, &mut rng);
        let shared = &table.endpoints[index].shared;
        shared.in_flight.fetch_add(1, Relaxed);
        got += u64::from(index == 0 && n >= load.requests / 2);
        ends.insert((at + us, n), (index, end, picker.note()));
    }
    got * 200 / load.requests
}
