//! What every policy in the list must keep. A new line in [`POLICIES`] is held to it without being mentioned here.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::testing::{in_tier, pool, row, up};
use super::{Choice, End, Ended, Note, POLICIES, Picker, Report, Request};
use crate::id::{EndpointId, Epoch};
use crate::rng::Rng;
use crate::settings::FailoverMode;
use crate::table::{EndpointRow, PoolTable, Ramp, State};
use crate::time::Time;

/// Any table at all: states, weights 0 to 256, tiers, ramps, missing addresses, loads, permits.
fn random_table(policy: &str, epoch: u64, rng: &mut Rng) -> PoolTable {
    let n = 1 + rng.index(12);
    let rows: Vec<_> = (0..n).map(|_| random_row(n, rng)).collect();
    let mut table = pool(policy, rows);
    table.epoch = Epoch(epoch);
    table.policy.prequal.probe_path = Some("/load".into());
    table.limit.per_endpoint = rng.below(3) as u32;
    table.failover.try_all = rng.chance(1, 2);
    if rng.chance(1, 3) {
        table.failover.mode = FailoverMode::Static;
    }
    table.failover.zone = zone(rng);
    // Ids are given away in another order, as after a reload.
    let turn = rng.index(n);
    for (index, row) in table.endpoints.iter_mut().enumerate() {
        row.id = EndpointId(((index + turn) % n) as u32);
    }
    table
}

fn zone(rng: &mut Rng) -> Option<Arc<str>> {
    [None, Some("a"), Some("b")][rng.index(3)].map(Arc::from)
}

fn random_row(n: usize, rng: &mut Rng) -> EndpointRow {
    let mut row = row(State::ALL[rng.index(6)], rng.below(257) as u32);
    row.tier = rng.below(3) as u32;
    row.standby = rng.chance(1, 4).then(|| rng.index(n));
    row.is_standby = rng.chance(1, 4);
    if rng.chance(1, 6) {
        row.weight = 0;
    }
    if rng.chance(1, 8) {
        row.address = None;
    }
    if rng.chance(1, 4) {
        row.ramp = Some(Ramp {
            started: Time::from_millis(rng.below(10_000)),
            window: Duration::from_millis(rng.below(10_000)),
        });
    }
    if rng.chance(1, 4) {
        row.relief = 300 + rng.below(701) as u32;
    }
    row.suspect = rng.chance(1, 6);
    row.zone = zone(rng);
    if rng.chance(1, 3) {
        row.limit = rng.below(4) as u32;
    }
    row.shared.in_flight.store(rng.below(4) as u32, Relaxed);
    row.shared.trial_left.store(rng.below(6) as u32, Relaxed);
    row
}

/// May this row be given anything in this table?
fn may_serve(table: &PoolTable, index: usize) -> bool {
    let row = &table.endpoints[index];
    let in_flight = row.shared.in_flight.load(Relaxed);
    let room = |limit: u32| limit == 0 || in_flight < limit;
    let any = |fits: fn(&EndpointRow) -> bool| {
        let reachable = |row: &&EndpointRow| row.weight > 0 && row.address.is_some();
        table.endpoints.iter().filter(reachable).any(fits)
    };
    let state = match row.state {
        State::Up | State::Trial => true,
        State::Unknown => table.failover.mode == FailoverMode::Static || !any(|r| r.state.usable()),
        State::Down => table.failover.try_all,
        State::Draining | State::Maintenance => false,
    };
    let room = room(table.limit.per_endpoint) && room(row.limit);
    state && room && row.weight > 0 && row.address.is_some()
}

/// Endpoints say whatever they like, and now and then somebody answers or fails.
fn report_anything(picker: &mut Picker, table: &PoolTable, now: Time, rng: &mut Rng) {
    let index = rng.index(table.endpoints.len());
    let in_flight = match rng.chance(1, 4) {
        true => rng.draw() as u32,
        false => rng.below(9) as u32,
    };
    let some = rng.chance(1, 2);
    let latency = some.then(|| Duration::from_nanos(rng.draw() >> rng.below(60)));
    let report = Report {
        at: now,
        in_flight,
        latency,
    };
    picker.reported(table.epoch, index, &report);
    let after = Duration::from_nanos(rng.draw() >> rng.below(60));
    let end = [
        End::Answered(Duration::from_millis(5)),
        End::Answered(after),
        End::Failed,
        End::Abandoned(after),
    ][rng.index(4)];
    picker.ended(
        table.epoch,
        index,
        &Ended {
            at: now,
            end,
            note: Note::default(),
        },
    );
}

#[test]
fn never_picks_one_that_may_not_serve_and_never_panics() {
    for entry in POLICIES {
        let mut rng = Rng::new(0xe7e).stream(entry.part.name);
        let mut table = random_table(entry.part.name, 1, &mut rng);
        let mut picker = Picker::new(&table, 5);
        for n in 0..10_000 {
            if n % 10 == 0 {
                table = random_table(entry.part.name, 2 + n, &mut rng);
            }
            let n_tried = rng.index(4);
            let tried: Vec<_> = (0..n_tried)
                .map(|_| EndpointId(rng.below(12) as u32))
                .collect();
            let now = Time::from_millis(n * 3);
            report_anything(&mut picker, &table, now, &mut rng);
            while let Some(index) = picker.to_ask(&table, now) {
                assert!(may_serve(&table, index), "{index} of {table:?}");
            }
            let request = Request::at(now).without(&tried);
            let key = rng.chance(3, 4).then(|| rng.draw());
            match picker.pick(&table, &request.keyed(key)) {
                Choice::Endpoint(index) => {
                    assert!(
                        may_serve(&table, index),
                        "{}: {index} of {table:?}",
                        entry.part.name
                    );
                }
                Choice::Full => {
                    let own = |row: &EndpointRow| row.limit > 0;
                    assert!(table.limit.per_endpoint > 0 || table.endpoints.iter().any(own));
                }
                Choice::Nobody => {
                    let usable = |row: &EndpointRow| {
                        row.state.usable() && row.weight > 0 && row.address.is_some()
                    };
                    assert!(
                        table.failover.mode == FailoverMode::Static
                            || !table.endpoints.iter().any(usable),
                        "{}: {table:?}",
                        entry.part.name
                    );
                }
            }
        }
    }
}

#[test]
fn one_with_a_limit_of_its_own_gets_no_more_and_is_waited_for_only_if_all_are_full() {
    for entry in POLICIES {
        let name = entry.part.name;
        let limited = EndpointRow { limit: 2, ..up(10) };
        let mut table = pool(name, [limited, up(10), up(10)]);
        let mut picker = Picker::new(&table, 9);
        let mut pick = |table: &PoolTable, n: u64| {
            let request = Request::at(Time::from_millis(n)).keyed(Some(n));
            let choice = picker.pick(table, &request);
            if let Choice::Endpoint(index) = choice {
                table.endpoints[index]
                    .shared
                    .in_flight
                    .fetch_add(1, Relaxed);
            }
            choice
        };
        for n in 0..300 {
            let choice = pick(&table, n);
            assert!(matches!(choice, Choice::Endpoint(_)), "{name}: {choice:?}");
        }
        let in_flight = |table: &PoolTable| -> Vec<u32> {
            let rows = table.endpoints.iter();
            rows.map(|row| row.shared.in_flight.load(Relaxed)).collect()
        };
        assert_eq!(in_flight(&table)[0], 2, "{name}");
        // Of the pool's limit and its own the smaller one holds.
        table.limit.per_endpoint = 300;
        table.epoch = Epoch(2);
        while pick(&table, 300) != Choice::Full {}
        assert_eq!(in_flight(&table), [2, 300, 300], "{name}");
        table.endpoints[0].limit = 400;
        table.epoch = Epoch(3);
        while pick(&table, 300) != Choice::Full {}
        assert_eq!(in_flight(&table), [300; 3], "{name}");
    }
}

#[test]
fn the_same_seed_chooses_the_same() {
    for entry in POLICIES {
        let run = |seed| {
            let table = pool(entry.part.name, [up(3), up(2), up(9), in_tier(1, up(1))]);
            let mut picker = Picker::new(&table, seed);
            (0..200_u64)
                .map(|key| picker.pick(&table, &Request::at(Time::ZERO).keyed(Some(key))))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(4), run(4), "{}", entry.part.name);
    }
}

#[test]
fn weight_0_gets_nothing_and_promised_weights_are_kept() {
    let weights = [0, 10, 20, 30, 40];
    for entry in POLICIES {
        let table = pool(entry.part.name, weights.map(up));
        let mut picker = Picker::new(&table, 11);
        let mut taken = [0_u32; 5];
        for key in 0..100_000 {
            let request = Request::at(Time::ZERO).keyed(Some(key));
            match picker.pick(&table, &request) {
                Choice::Endpoint(index) => taken[index] += 1,
                other => panic!("{}: {other:?}", entry.part.name),
            }
        }
        assert_eq!(taken[0], 0, "{}", entry.part.name);
        if entry.weighted {
            for (taken, weight) in taken.iter().zip(weights) {
                let wanted = weight * 1000;
                assert!(
                    taken.abs_diff(wanted) <= wanted / 20,
                    "{}: {taken} {wanted}",
                    entry.part.name
                );
            }
        }
    }
}

#[test]
fn a_loaded_endpoint_is_not_preferred_by_those_that_look_at_load() {
    for name in ["p2c", "least_requests"] {
        let table = pool(name, [up(1), up(1)]);
        table.endpoints[0].shared.in_flight.store(10, Relaxed);
        let mut picker = Picker::new(&table, 2);
        for _ in 0..100 {
            assert_eq!(
                picker.pick(&table, &Request::at(Time::ZERO)),
                Choice::Endpoint(1),
                "{name}"
            );
        }
    }
}

#[test]
fn the_one_that_is_left_is_found_whatever_else_is_excluded() {
    for entry in POLICIES {
        let table = pool(entry.part.name, (1..=20).map(up));
        let mut picker = Picker::new(&table, 3);
        for left in 0..20 {
            let tried: Vec<_> = (0..20).filter(|&n| n != left).map(EndpointId).collect();
            assert_eq!(
                picker.pick(&table, &Request::at(Time::ZERO).without(&tried)),
                Choice::Endpoint(left as usize),
                "{}",
                entry.part.name
            );
        }
    }
}

#[test]
fn every_policy_says_what_it_is_and_has_its_own_name() {
    for (index, entry) in POLICIES.iter().enumerate() {
        assert!(!entry.part.summary.is_empty());
        let same = |other: &super::Entry| other.part.name == entry.part.name;
        assert_eq!(POLICIES.iter().position(same), Some(index));
    }
}
