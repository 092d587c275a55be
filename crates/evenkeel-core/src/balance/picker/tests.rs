//! What the picker promises whatever the policy.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::super::testing::{in_tier, pool, row, up};
use super::*;
use crate::settings::{FailoverMode, Share};
use crate::table::{EndpointRow, Ramp, State};

fn counts(picker: &mut Picker, table: &PoolTable, n: usize, now: Time) -> Vec<usize> {
    let mut taken = vec![0; table.endpoints.len()];
    for _ in 0..n {
        if let Choice::Endpoint(index) = picker.pick(table, &Request::at(now)) {
            taken[index] += 1;
        }
    }
    taken
}

fn picks(table: &PoolTable, n: usize) -> Vec<usize> {
    counts(&mut Picker::new(table, 1), table, n, Time::ZERO)
}

fn ramping(seconds: u64) -> EndpointRow {
    EndpointRow {
        ramp: Some(Ramp {
            started: Time::ZERO,
            window: Duration::from_secs(seconds),
        }),
        ..up(100)
    }
}

#[test]
fn a_healthy_first_tier_takes_everything() {
    let table = pool("round_robin", [up(1), up(1), in_tier(1, up(1))]);
    assert_eq!(picks(&table, 100), [50, 50, 0]);
}

#[test]
fn what_a_tier_cannot_carry_goes_to_the_next() {
    let down = || row(State::Down, 1);
    let table = pool("round_robin", [up(1), down(), in_tier(1, up(1))]);
    let taken = picks(&table, 10_000);
    assert!((6_800..7_200).contains(&taken[0]), "{taken:?}");
    assert_eq!(taken[1], 0);
    let table = pool("round_robin", [down(), down(), in_tier(1, up(1))]);
    assert_eq!(picks(&table, 100), [0, 0, 100]);
}

#[test]
fn a_returning_primary_grows_into_its_tier() {
    let table = pool("round_robin", [ramping(10), in_tier(1, up(100))]);
    let mut picker = Picker::new(&table, 3);
    let mut last = 0;
    for second in 0..8 {
        let taken = counts(
            &mut picker,
            &table,
            10_000,
            Time::from_millis(second * 1000),
        );
        assert!(taken[0] + 300 > last, "{taken:?} after {last}");
        assert!(
            taken[0] < last + 2_000 || second == 0,
            "{taken:?} after {last}"
        );
        last = taken[0];
    }
    assert!(last > 9_500, "after 7 of 10 s 98 % of the traffic: {last}");
    assert_eq!(
        counts(&mut picker, &table, 100, Time::from_millis(10_000)),
        [100, 0]
    );
}

#[test]
fn a_full_tier_is_passed_over_and_with_all_full_one_waits() {
    let mut table = pool("p2c", [up(1), in_tier(1, up(1))]);
    table.limit.per_endpoint = 2;
    let mut picker = Picker::new(&table, 1);
    let at = |n: usize| &table.endpoints[n].shared.in_flight;
    at(0).store(2, Relaxed);
    assert_eq!(
        picker.pick(&table, &Request::at(Time::ZERO)),
        Choice::Endpoint(1)
    );
    at(1).store(2, Relaxed);
    assert_eq!(picker.pick(&table, &Request::at(Time::ZERO)), Choice::Full);
    at(0).store(1, Relaxed);
    assert_eq!(
        picker.pick(&table, &Request::at(Time::ZERO)),
        Choice::Endpoint(0)
    );
}

#[test]
fn a_tried_endpoint_is_taken_again_only_if_there_is_no_other() {
    let mut table = pool("round_robin", [up(1), up(1), in_tier(1, up(1))]);
    let mut picker = Picker::new(&table, 1);
    let ids: Vec<_> = table.endpoints.iter().map(|row| row.id).collect();
    assert_eq!(
        picker.pick(&table, &Request::at(Time::ZERO).without(&ids[..1])),
        Choice::Endpoint(1)
    );
    assert_eq!(
        picker.pick(&table, &Request::at(Time::ZERO).without(&ids[..2])),
        Choice::Endpoint(2)
    );
    assert_ne!(
        picker.pick(&table, &Request::at(Time::ZERO).without(&ids)),
        Choice::Endpoint(2)
    );
    // One that is merely full is waited for.
    table.limit.per_endpoint = 1;
    table.epoch = Epoch(2);
    table.endpoints[2].shared.in_flight.store(1, Relaxed);
    assert_eq!(
        picker.pick(&table, &Request::at(Time::ZERO).without(&ids[..2])),
        Choice::Full
    );
}

#[test]
fn a_standby_serves_only_for_its_own_endpoint() {
    let with = |first: State| {
        let primary = EndpointRow {
            standby: Some(2),
            ..row(first, 1)
        };
        let standby = EndpointRow {
            is_standby: true,
            ..up(1)
        };
        let mut table = pool("round_robin", [primary, in_tier(1, up(1)), standby]);
        table.failover.mode = FailoverMode::Static;
        picks(&table, 100)
    };
    assert_eq!(with(State::Up), [50, 50, 0]);
    assert_eq!(with(State::Down), [0, 50, 50]);
    assert_eq!(with(State::Draining), [0, 50, 50]);
}

#[test]
fn a_standby_hands_back_as_its_endpoint_ramps() {
    let primary = EndpointRow {
        standby: Some(1),
        ..ramping(10)
    };
    let standby = EndpointRow {
        is_standby: true,
        ..up(100)
    };
    let mut table = pool("round_robin", [primary, standby, up(100)]);
    table.failover.mode = FailoverMode::Static;
    let mut picker = Picker::new(&table, 1);
    let at = |picker: &mut Picker, ms| counts(picker, &table, 2000, Time::from_millis(ms));
    assert_eq!(at(&mut picker, 0), [100, 900, 1000]);
    assert_eq!(at(&mut picker, 5_000), [500, 500, 1000]);
    assert_eq!(at(&mut picker, 10_000), [1000, 0, 1000]);
}

#[test]
fn a_relieved_endpoint_gets_that_share_of_its_weight_and_a_ramp_multiplies_with_it() {
    let relieved = |row: EndpointRow| EndpointRow { relief: 500, ..row };
    let table = pool("round_robin", [relieved(up(100)), up(100)]);
    assert_eq!(picks(&table, 300), [100, 200]);
    let table = pool("round_robin", [relieved(ramping(10)), up(100)]);
    let mut picker = Picker::new(&table, 1);
    let half_way = Time::from_millis(5_000);
    assert_eq!(counts(&mut picker, &table, 500, half_way), [100, 400]);
}

#[test]
fn a_standby_takes_what_its_endpoint_is_relieved_of() {
    let primary = EndpointRow {
        standby: Some(1),
        relief: 700,
        ..up(100)
    };
    let standby = EndpointRow {
        is_standby: true,
        ..up(100)
    };
    let mut table = pool("round_robin", [primary, standby, up(100)]);
    table.failover.mode = FailoverMode::Static;
    assert_eq!(picks(&table, 2000), [700, 300, 1000]);
}

#[test]
fn the_never_seen_serve_only_while_nobody_known_is_up() {
    let table = pool("random", [row(State::Unknown, 1), up(1)]);
    assert_eq!(picks(&table, 50), [0, 50]);
    let table = pool("round_robin", [row(State::Unknown, 1), row(State::Down, 1)]);
    assert_eq!(picks(&table, 50), [50, 0]);
}

#[test]
fn with_all_down_everybody_is_tried_but_those_an_operator_took_out() {
    let rows = || {
        [
            row(State::Down, 1),
            row(State::Maintenance, 1),
            row(State::Draining, 1),
            row(State::Down, 0),
            in_tier(1, row(State::Down, 1)),
            EndpointRow {
                address: None,
                ..row(State::Down, 1)
            },
        ]
    };
    let mut table = pool("round_robin", rows());
    assert_eq!(picks(&table, 100), [50, 0, 0, 0, 50, 0]);
    table.failover.try_all = false;
    assert_eq!(picks(&table, 100), [0; 6]);
}

#[test]
fn a_trial_is_given_exactly_its_permits() {
    let table = pool("round_robin", [row(State::Trial, 100), up(100)]);
    table.endpoints[0].shared.trial_left.store(5, Relaxed);
    assert_eq!(picks(&table, 1000), [5, 995]);
    // Alone, it is better than nothing.
    let table = pool("round_robin", [row(State::Trial, 100)]);
    assert_eq!(picks(&table, 10), [10]);
}

#[test]
fn a_ramp_gives_a_tenth_first_and_the_whole_at_its_end() {
    let table = pool("round_robin", [ramping(30), up(100)]);
    let mut picker = Picker::new(&table, 1);
    assert_eq!(counts(&mut picker, &table, 1100, Time::ZERO), [100, 1000]);
    let half = counts(&mut picker, &table, 1500, Time::from_millis(15_000));
    assert!((495..=505).contains(&half[0]), "{half:?}");
    let whole = counts(&mut picker, &table, 1000, Time::from_millis(30_000));
    assert!((495..=505).contains(&whole[0]), "{whole:?}");
}

#[test]
fn a_new_table_keeps_the_place_in_the_cycle() {
    let table = pool("round_robin", [up(1), up(1), up(1)]);
    let mut picker = Picker::new(&table, 9);
    let Choice::Endpoint(before) = picker.pick(&table, &Request::at(Time::ZERO)) else {
        panic!("everybody is up");
    };
    let newer = PoolTable {
        epoch: Epoch(2),
        ..table.clone()
    };
    assert_eq!(
        picker.pick(&newer, &Request::at(Time::ZERO)),
        Choice::Endpoint((before + 1) % 3)
    );
}

#[test]
fn another_policy_takes_over_with_a_new_table() {
    let table = pool("round_robin", [up(1), up(1)]);
    let mut picker = Picker::new(&table, 9);
    picker.pick(&table, &Request::at(Time::ZERO));
    let mut newer = pool("first", [up(1), up(1)]);
    newer.epoch = Epoch(2);
    newer.failover.overprovision = Share::percent(100);
    assert_eq!(counts(&mut picker, &newer, 10, Time::ZERO), [10, 0]);
}

fn fail(row: &EndpointRow, at: Time) {
    row.shared.failure_run.fetch_add(1, Relaxed);
    row.shared.failed_at.store(at.as_nanos(), Relaxed);
}

fn once(table: &PoolTable, n: usize, now: Time) -> Vec<usize> {
    let mut picker = Picker::new(table, 1);
    let mut taken = vec![0; table.endpoints.len()];
    for _ in 0..n {
        if let Choice::Endpoint(index) = picker.pick(table, &Request::at(now).once()) {
            taken[index] += 1;
        }
    }
    taken
}

#[test]
fn what_can_be_sent_only_once_avoids_whoever_just_failed() {
    for part in POLICIES.iter().filter(|part| part.part.name != "first") {
        let table = pool(part.part.name, [up(1), up(1), in_tier(1, up(1))]);
        let now = Time::from_millis(5_000);
        fail(&table.endpoints[0], now);
        assert_eq!(once(&table, 50, now), [0, 50, 0], "{}", part.part.name);
        assert!(
            once(&table, 50, now + Duration::from_secs(1))[0] > 0,
            "it is looked at again"
        );
        table.endpoints[0].shared.failure_run.store(0, Relaxed);
        assert!(once(&table, 50, now)[0] > 0, "a success clears it");
        fail(&table.endpoints[0], now);
        fail(&table.endpoints[1], now);
        let taken = once(&table, 50, now);
        assert_eq!(
            (taken[0] + taken[1], taken[2]),
            (50, 0),
            "better one of its own tier than none"
        );
    }
}

#[test]
fn an_order_is_not_changed_by_one_failure() {
    let table = pool("first", [up(1), up(1)]);
    let now = Time::from_millis(5_000);
    fail(&table.endpoints[0], now);
    assert_eq!(once(&table, 5, now), [5, 0]);
}
