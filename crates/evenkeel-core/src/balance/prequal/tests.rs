//! What is promised of this policy beside what all promise.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::super::testing::{pool, up};
use super::super::{Choice, End, Ended, Note, Picker, Report, Request};
use super::Meter;
use crate::settings::Share;
use crate::table::PoolTable;
use crate::time::Time;

fn ms(ms: u64) -> Time {
    Time::from_millis(ms)
}

/// So many endpoints that are asked.
fn asked(endpoints: usize) -> PoolTable {
    let mut table = pool("prequal", (0..endpoints).map(|_| up(100)));
    table.policy.prequal.probe_path = Some("/load".into());
    table
}

fn pick(picker: &mut Picker, table: &PoolTable, now: Time) -> usize {
    match picker.pick(table, &Request::at(now)) {
        Choice::Endpoint(index) => index,
        other => panic!("{other:?}"),
    }
}

fn tell(picker: &mut Picker, table: &PoolTable, index: usize, at: Time, said: (u32, u64)) {
    let report = Report {
        at,
        in_flight: said.0,
        latency: Some(Duration::from_millis(said.1)),
    };
    picker.reported(table.epoch, index, &report);
}

/// Everybody says that there is nothing in flight, so that all are looked upon as reporting.
fn all_said(picker: &mut Picker, table: &PoolTable, at: Time) {
    (0..table.endpoints.len()).for_each(|index| tell(picker, table, index, at, (5, 50)));
}

#[test]
fn of_those_that_are_not_hot_the_fastest_is_taken() {
    let table = asked(20);
    let mut picker = Picker::new(&table, 1);
    all_said(&mut picker, &table, ms(0));
    tell(&mut picker, &table, 3, ms(2000), (5, 40));
    tell(&mut picker, &table, 4, ms(2000), (4, 10));
    tell(&mut picker, &table, 5, ms(2000), (90, 1));
    assert_eq!(pick(&mut picker, &table, ms(2001)), 4);
}

#[test]
fn if_all_are_hot_the_one_with_the_least_in_flight_is_taken() {
    let table = asked(20);
    let mut picker = Picker::new(&table, 1);
    all_said(&mut picker, &table, ms(0));
    tell(&mut picker, &table, 3, ms(2000), (90, 1));
    tell(&mut picker, &table, 4, ms(2000), (80, 30));
    assert_eq!(pick(&mut picker, &table, ms(2001)), 4);
}

#[test]
fn with_a_quantile_of_0_only_what_is_in_flight_counts() {
    let mut table = asked(20);
    table.policy.prequal.quantile = Share::percent(0);
    let mut picker = Picker::new(&table, 1);
    all_said(&mut picker, &table, ms(0));
    tell(&mut picker, &table, 3, ms(2000), (5, 1));
    tell(&mut picker, &table, 4, ms(2000), (4, 90));
    assert_eq!(pick(&mut picker, &table, ms(2001)), 4);
}

#[test]
fn what_was_sent_since_a_report_counts_as_in_flight() {
    let table = asked(20);
    let mut picker = Picker::new(&table, 1);
    all_said(&mut picker, &table, ms(0));
    // So that reports are few, and each may be used often.
    for n in 0..500 {
        pick(&mut picker, &table, ms(n));
    }
    tell(&mut picker, &table, 3, ms(2000), (80, 1));
    tell(&mut picker, &table, 4, ms(2000), (82, 1));
    let taken: Vec<_> = (0..6)
        .map(|_| pick(&mut picker, &table, ms(2001)))
        .collect();
    assert_eq!(
        taken.iter().filter(|&&index| index == 3).count(),
        4,
        "{taken:?}"
    );
}

#[test]
fn what_was_said_more_than_a_second_ago_says_nothing() {
    let table = asked(20);
    let mut picker = Picker::new(&table, 1);
    all_said(&mut picker, &table, ms(0));
    tell(&mut picker, &table, 3, ms(2000), (0, 1));
    tell(&mut picker, &table, 4, ms(2000), (0, 1));
    let late: Vec<_> = (0..50)
        .map(|n| pick(&mut picker, &table, ms(3001 + n)))
        .collect();
    assert!(late.iter().any(|index| ![3, 4].contains(index)), "{late:?}");
}

#[test]
fn however_few_reports_come_they_are_used_until_new_ones_do() {
    let table = asked(100);
    let mut picker = Picker::new(&table, 1);
    all_said(&mut picker, &table, ms(0));
    for n in 0..4000_u64 {
        let now = ms(2000 + n * 10);
        // One for each twenty picks, of twenty endpoints in turn.
        if n % 20 == 0 {
            tell(&mut picker, &table, (n / 20 % 20) as usize, now, (5, 50));
        }
        let taken = pick(&mut picker, &table, now);
        assert!(n < 1000 || taken < 20, "by lot at pick {n}: {taken}");
    }
}

#[test]
fn the_more_reports_come_the_less_often_each_is_used() {
    let table = asked(100);
    let mut picker = Picker::new(&table, 1);
    all_said(&mut picker, &table, ms(0));
    let mut longest = 0;
    let mut run = (usize::MAX, 0);
    for n in 0..2000_u64 {
        let now = ms(2000 + n * 10);
        for of in 0..3 {
            let index = ((n * 3 + of) % 99) as usize + 1;
            tell(&mut picker, &table, index, now, (20, 50));
        }
        // The best by far, which says so once in a while.
        if n % 100 == 0 {
            tell(&mut picker, &table, 0, now, (0, 1));
        }
        let taken = pick(&mut picker, &table, now);
        run = (taken, if taken == run.0 { run.1 + 1 } else { 1 });
        if n > 500 && taken == 0 {
            longest = longest.max(run.1);
        }
    }
    assert!((1..=2).contains(&longest), "{longest}");
}

#[test]
fn however_many_picks_there_are_few_are_asked() {
    let table = asked(100);
    let mut picker = Picker::new(&table, 1);
    let mut asked = 0;
    // 10,000 picks a second, for one.
    for n in 0..10_000_u64 {
        let now = Time::from_nanos(n * 100_000);
        pick(&mut picker, &table, now);
        while picker.to_ask(&table, now).is_some() {
            asked += 1;
        }
    }
    // 16 places, each 20 times a second.
    assert!((300..=325).contains(&asked), "{asked}");
}

#[test]
fn nobody_is_asked_unless_there_is_a_path_for_it() {
    let table = pool("prequal", (0..10).map(|_| up(100)));
    let mut picker = Picker::new(&table, 1);
    pick(&mut picker, &table, ms(1));
    assert_eq!(picker.to_ask(&table, ms(1)), None);
}

#[test]
fn without_reports_our_own_eyes_find_who_is_free_and_who_is_fast() {
    let table = pool("prequal", (0..4).map(|_| up(100)));
    let mut picker = Picker::new(&table, 1);
    for row in &table.endpoints {
        row.shared.in_flight.store(20, Relaxed);
    }
    (0..100).for_each(|n| {
        pick(&mut picker, &table, ms(n));
    });
    table.endpoints[2].shared.in_flight.store(1, Relaxed);
    let taken = (100..200).filter(|&n| pick(&mut picker, &table, ms(n)) == 2);
    assert!(taken.count() > 80);
    // All have as much in flight, one is slow.
    for (index, row) in table.endpoints.iter().enumerate() {
        row.shared.in_flight.store(1, Relaxed);
        let end = End::Answered(Duration::from_millis(if index == 1 { 500 } else { 5 }));
        let how = Ended {
            at: ms(200),
            end,
            note: Note::default(),
        };
        (0..50).for_each(|_| picker.ended(table.epoch, index, &how));
    }
    let to_slow = (200..400).filter(|&n| pick(&mut picker, &table, ms(n)) == 1);
    assert!(to_slow.count() < 20);
}

#[test]
fn a_failed_try_makes_nobody_attractive_whatever_it_says_of_itself() {
    let table = asked(20);
    let mut picker = Picker::new(&table, 1);
    all_said(&mut picker, &table, ms(0));
    let failed = Ended {
        at: ms(1999),
        end: End::Failed,
        note: Note::default(),
    };
    picker.ended(table.epoch, 3, &failed);
    tell(&mut picker, &table, 3, ms(2000), (0, 1));
    tell(&mut picker, &table, 4, ms(2000), (3, 50));
    assert_eq!(pick(&mut picker, &table, ms(2001)), 4);
}

#[test]
fn an_estimate_is_of_many_answers_as_they_would_be_with_as_many_in_flight() {
    let mut meter = Meter::default();
    assert_eq!(meter.estimate(3, ms(0)), None);
    let mut told = |in_flight: u32, took_ms: u64, at: u64| {
        meter.answered(in_flight, Duration::from_millis(took_ms), ms(at));
    };
    for n in 0..40 {
        told(2, 30, n);
        told(30, 310, n);
    }
    // One that was lucky.
    told(1, 1, 40);
    let found = |in_flight, at| {
        meter
            .estimate(in_flight, ms(at))
            .map(|took| took.as_secs_f64())
    };
    // Ten milliseconds for each that is there.
    for (in_flight, seconds) in [(1, 0.02), (2, 0.03), (40, 0.41)] {
        let found = found(in_flight, 50).unwrap();
        assert!((found - seconds).abs() < 1e-6, "{in_flight}: {found}");
    }
    assert_eq!(found(2, 60_000), None);
}
