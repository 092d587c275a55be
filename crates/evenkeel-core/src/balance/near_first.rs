//! The own zone first, whatever the policy: what every line of [`POLICIES`] keeps where a balancer has a zone.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::testing::{in_tier, pool, row, up};
use super::{Choice, POLICIES, Picker, Request, stays_near};
use crate::id::{EndpointId, Epoch};
use crate::rng::Rng;
use crate::session::Prefer;
use crate::settings::{FailoverMode, Share};
use crate::table::{EndpointRow, PoolTable, Ramp, State};
use crate::time::Time;

fn at(zone: &str, row: EndpointRow) -> EndpointRow {
    EndpointRow {
        zone: Some(zone.into()),
        ..row
    }
}

fn down(weight: u32) -> EndpointRow {
    row(State::Down, weight)
}

/// A pool as a balancer in zone a sees it.
fn near(policy: &str, rows: impl IntoIterator<Item = EndpointRow>) -> PoolTable {
    let mut table = pool(policy, rows);
    table.failover.zone = Some("a".into());
    table
}

const PICKS: u32 = 10_000;

/// How many in ten thousand went to each.
fn picks_at(table: &PoolTable, now: Time) -> Vec<u32> {
    let mut picker = Picker::new(table, 3);
    let mut rng = Rng::new(9);
    let mut taken = vec![0; table.endpoints.len()];
    for _ in 0..PICKS {
        let request = Request::at(now).keyed(Some(rng.draw()));
        if let Choice::Endpoint(index) = picker.pick(table, &request) {
            taken[index] += 1;
        }
    }
    taken
}

fn picks(table: &PoolTable) -> Vec<u32> {
    picks_at(table, Time::ZERO)
}

fn close(found: u32, wanted: u32) -> bool {
    found.abs_diff(wanted) <= PICKS / 50
}

fn policies() -> impl Iterator<Item = &'static str> {
    POLICIES.iter().map(|entry| entry.part.name)
}

#[test]
fn a_healthy_zone_keeps_everything() {
    for policy in policies() {
        let rows = [
            at("b", up(1)),
            at("a", up(1)),
            at("c", up(1)),
            at("a", up(1)),
            at("b", up(1)),
            at("c", up(1)),
        ];
        let table = near(policy, rows);
        let taken = picks(&table);
        assert_eq!(taken[1] + taken[3], PICKS, "{policy}: {taken:?}");
        assert_eq!(stays_near(&table, Time::ZERO), Some(Share::percent(100)));
    }
}

#[test]
fn what_a_hurt_zone_cannot_carry_goes_to_the_others_by_their_weights() {
    for entry in POLICIES {
        let rows = [
            at("a", up(10)),
            at("a", down(10)),
            at("b", up(10)),
            at("b", up(30)),
            at("c", down(20)),
        ];
        let policy = entry.part.name;
        let table = near(policy, rows);
        // An even part of 80 among three zones is 26.7; 10 × 1.4 is 52.5 % of that.
        assert_eq!(stays_near(&table, Time::ZERO), Some(Share(5_250)));
        let taken = picks(&table);
        assert!(close(taken[0], 5_250), "{policy}: {taken:?}");
        assert_eq!(taken[1] + taken[4], 0, "{policy}: {taken:?}");
        if entry.weighted {
            assert!(close(taken[3], 4_750 * 3 / 4), "{policy}: {taken:?}");
        }
    }
}

#[test]
fn with_nobody_left_here_all_go_elsewhere_and_the_other_way_round() {
    for policy in policies() {
        let taken = picks(&near(policy, [at("a", down(1)), at("b", up(1)), up(1)]));
        assert_eq!(taken[1] + taken[2], PICKS, "{policy}: {taken:?}");
        let rows = [at("a", up(1)), at("a", down(1)), at("a", down(1)), down(1)];
        assert_eq!(picks(&near(policy, rows))[0], PICKS, "{policy}");
        // All down: zones do not count.
        let table = near(policy, [at("a", down(1)), at("b", down(1))]);
        assert_eq!(picks(&table).iter().sum::<u32>(), PICKS, "{policy}");
        assert_eq!(stays_near(&table, Time::ZERO), None);
    }
}

#[test]
fn a_zone_with_few_endpoints_is_not_drowned() {
    for policy in policies() {
        let rows = (0..10).map(|n| at(if n == 4 { "a" } else { "b" }, up(1)));
        let taken = picks(&near(policy, rows));
        assert!(close(taken[4], 2_800), "{policy}: {taken:?}");
    }
}

#[test]
fn zones_count_within_a_tier_and_not_before_it() {
    for policy in policies() {
        let rows = [
            in_tier(1, at("a", up(1))),
            at("b", up(1)),
            at("a", up(1)),
            in_tier(1, at("b", up(1))),
        ];
        assert_eq!(picks(&near(policy, rows)), [0, 0, PICKS, 0], "{policy}");
        let rows = [
            in_tier(1, at("a", up(1))),
            at("b", up(1)),
            at("a", down(1)),
            in_tier(1, at("b", up(1))),
        ];
        let taken = picks(&near(policy, rows));
        assert!(close(taken[1], 7_000), "{policy}: {taken:?}");
        assert!(close(taken[0], 3_000), "{policy}: {taken:?}");
    }
}

#[test]
fn a_standby_counts_where_it_is() {
    let primary = |first: State| EndpointRow {
        standby: Some(2),
        ..at("a", row(first, 10))
    };
    let standby = EndpointRow {
        is_standby: true,
        ..at("b", up(10))
    };
    let with = |first| {
        let rows = [primary(first), at("b", up(10)), standby.clone()];
        let mut table = near("round_robin", rows);
        table.failover.mode = FailoverMode::Static;
        picks(&table)
    };
    assert_eq!(with(State::Up), [PICKS, 0, 0]);
    assert_eq!(with(State::Down), [0, PICKS / 2, PICKS / 2]);
}

#[test]
fn a_zone_takes_its_traffic_back_as_it_ramps() {
    let ramp = Ramp {
        started: Time::ZERO,
        window: Duration::from_secs(100),
    };
    for policy in policies() {
        let ramping = EndpointRow {
            ramp: Some(ramp),
            ..at("a", up(100))
        };
        let table = near(policy, [ramping, at("b", up(100))]);
        for (seconds, wanted) in [(0, 1_400), (30, 4_200), (50, 7_000), (80, 10_000)] {
            let taken = picks_at(&table, Time::from_millis(seconds * 1000));
            assert!(close(taken[0], wanted), "{policy}: {taken:?} at {seconds}");
        }
    }
}

#[test]
fn a_full_zone_is_passed_over_and_waited_for_only_if_all_are_full() {
    for policy in policies() {
        let mut table = near(policy, [at("a", up(1)), at("b", up(1))]);
        table.limit.per_endpoint = 2;
        let mut picker = Picker::new(&table, 1);
        let mut pick = || picker.pick(&table, &Request::at(Time::ZERO));
        assert_eq!(pick(), Choice::Endpoint(0), "{policy}");
        table.endpoints[0].shared.in_flight.store(2, Relaxed);
        assert_eq!(pick(), Choice::Endpoint(1), "{policy}");
        table.endpoints[1].shared.in_flight.store(2, Relaxed);
        assert_eq!(pick(), Choice::Full, "{policy}");
    }
}

#[test]
fn a_further_try_stays_here_while_anybody_else_is_here() {
    for policy in policies() {
        let rows = [at("a", up(1)), at("b", up(1)), at("a", up(1))];
        let table = near(policy, rows);
        let mut picker = Picker::new(&table, 1);
        for (tried, wanted) in [(&[0][..], 2), (&[2], 0), (&[0, 2], 1)] {
            let tried: Vec<_> = tried.iter().copied().map(EndpointId).collect();
            let request = Request::at(Time::ZERO).without(&tried);
            let choice = picker.pick(&table, &request);
            assert_eq!(choice, Choice::Endpoint(wanted), "{policy}: {tried:?}");
        }
    }
}

#[test]
fn what_can_be_sent_only_once_goes_elsewhere_rather_than_to_whoever_just_failed() {
    for policy in policies().filter(|&policy| policy != "first") {
        let now = Time::from_millis(5_000);
        let table = near(policy, [at("a", up(1)), at("b", up(1))]);
        let failing = &table.endpoints[0].shared;
        failing.failure_run.store(1, Relaxed);
        failing.failed_at.store(now.as_nanos(), Relaxed);
        let mut picker = Picker::new(&table, 1);
        let choice = picker.pick(&table, &Request::at(now).once());
        assert_eq!(choice, Choice::Endpoint(1), "{policy}");
    }
}

#[test]
fn a_session_stays_wherever_it_is() {
    for policy in policies() {
        let table = near(policy, [at("a", up(1)), at("b", up(1))]);
        let prefer = Prefer {
            id: EndpointId(1),
            index: 1,
        };
        let request = Request::at(Time::ZERO).preferring(Some(prefer));
        let choice = Picker::new(&table, 1).pick(&table, &request);
        assert_eq!(choice, Choice::Endpoint(1), "{policy}");
    }
}

#[test]
fn as_a_zone_heals_keys_only_come_back_to_it() {
    let table = |hurt: u32| {
        let rows = (0..6).map(|n| at(["a", "b"][n % 2], up(100)));
        let mut table = near("rendezvous", rows);
        table.endpoints[0].relief = hurt;
        table.epoch = Epoch(u64::from(hurt));
        table
    };
    let (hurt, healed) = (table(100), table(900));
    let near = |table: &PoolTable, key: u64| {
        let request = Request::at(Time::ZERO).keyed(Some(key));
        match Picker::new(table, key).pick(table, &request) {
            Choice::Endpoint(index) => index % 2 == 0,
            other => panic!("{other:?}"),
        }
    };
    let mut rng = Rng::new(5);
    let mut came = 0;
    for _ in 0..2_000 {
        let key = rng.draw();
        let (before, after) = (near(&hurt, key), near(&healed, key));
        assert!(after || !before, "a key went away");
        came += u32::from(after && !before);
    }
    assert!(came > 20, "{came}");
}
