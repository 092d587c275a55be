//! A scenario's endpoints as the table that serves traffic: all of them up, each with its weight.

use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::id::EndpointId;
use evenkeel_core::settings::{FailoverSettings, LimitSettings};
use evenkeel_core::table::{EndpointRow, PoolTable};

use super::chooser;
use super::scenario::{Endpoints, Scenario};

/// With counters of its own, as it is for the balancer of this number.
pub(super) fn of(scenario: &Scenario, policy: &str, balancer: u32) -> PoolTable {
    let kinds = scenario.endpoints.iter();
    let all = kinds.flat_map(|kind| (0..kind.count).map(move |_| kind));
    let rows = (0..).zip(all).map(|(number, kind)| row(number, kind));
    let zones = &scenario.balancers.zones;
    let zone = zones.get(balancer as usize % zones.len().max(1));
    let balancers = &scenario.balancers;
    // Theory's own rules have a table too.
    let mut spec = chooser::spec(policy).unwrap_or_default();
    if scenario.reports.asked {
        spec.prequal.probe_path = Some("/".into());
    }
    PoolTable {
        limit: LimitSettings {
            per_endpoint: balancers.per_endpoint,
            queue: balancers.queue,
            queue_timeout: Duration::from_secs_f64(balancers.queue_timeout_s.min(1e9)),
            ..LimitSettings::default()
        },
        failover: FailoverSettings {
            zone: zone.map(|zone| zone.as_str().into()),
            ..FailoverSettings::default()
        },
        ..PoolTable::new("simulated", spec, rows.collect())
    }
}

fn row(number: u32, like: &Endpoints) -> EndpointRow {
    let address = Address::Ip(([127, 0, 0, 1], 9001).into());
    EndpointRow {
        weight: like.weight,
        zone: like.zone.as_deref().map(Into::into),
        ..EndpointRow::new(EndpointId(number), &format!("e{number}"), address, 1)
    }
}
