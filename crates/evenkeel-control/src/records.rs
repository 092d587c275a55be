//! Between what the engine remembers of an endpoint and the record that is stored of it.

use evenkeel_core::engine::{Carried, DecidedBy, Order};
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::StateOrder;
use evenkeel_schema::records::EndpointRecord;

pub(crate) fn order(order: StateOrder) -> Order {
    match order {
        StateOrder::Draining => Order::Draining,
        StateOrder::Maintenance => Order::Maintenance,
        StateOrder::Ready => Order::Ready,
    }
}

fn stored_order(order: Order) -> Option<StateOrder> {
    match order {
        Order::Draining => Some(StateOrder::Draining),
        Order::Maintenance => Some(StateOrder::Maintenance),
        Order::Ready => None,
    }
}

pub(crate) fn to_record(carried: &Carried) -> EndpointRecord {
    EndpointRecord {
        pool: carried.pool.clone(),
        endpoint: carried.endpoint.clone(),
        address: carried.target.clone(),
        state: carried.state,
        since: Stamp(carried.since),
        why: carried.why.clone(),
        decided_by: carried.decided_by.name().to_owned(),
        ejections: carried.ejections,
        ejected_until: carried.ejected_until.map(Stamp),
        order: carried.order.and_then(stored_order),
        weight: carried.weight,
    }
}

pub(crate) fn from_record(record: EndpointRecord) -> Carried {
    let known = DecidedBy::ALL
        .into_iter()
        .find(|by| by.name() == record.decided_by);
    Carried {
        pool: record.pool,
        endpoint: record.endpoint,
        target: record.address,
        state: record.state,
        since: record.since.0,
        why: record.why,
        decided_by: known.unwrap_or_default(),
        ejected_until: record.ejected_until.map(|at| at.0),
        ejections: record.ejections,
        order: record.order.map(order),
        weight: record.weight,
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::table::State;
    use evenkeel_core::time::WallTime;

    use super::*;

    #[test]
    fn nothing_of_an_endpoint_is_lost_between_engine_and_store() {
        let carried = Carried {
            pool: "app".into(),
            endpoint: "a1".into(),
            target: "127.0.0.1:9001".into(),
            state: State::Down,
            since: WallTime(1_700_000_000_123),
            why: "connection refused".into(),
            decided_by: DecidedBy::Outlier,
            ejected_until: Some(WallTime(1_700_000_030_123)),
            ejections: 3,
            order: Some(Order::Draining),
            weight: Some(0),
        };
        assert_eq!(from_record(to_record(&carried)), carried);
    }
}
