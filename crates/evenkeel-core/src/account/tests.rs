//! The promises of the account: everything adds up, nothing is invented, and alerts come when the arithmetic says.

mod burning;
mod life;

use std::sync::Arc;
use std::time::Duration;

use super::history::PIECES_MAX;
use super::*;
use crate::health::DecidedBy;
use crate::settings::{Nines, ObjectiveSettings};
use crate::table::State;
use crate::time::{Now, Time, WallTime};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const WALL: u64 = 1_767_225_600_000;

fn at(after: Duration) -> Now {
    Now {
        at: Time::from_millis(1_000_000) + after,
        wall: WallTime(WALL + after.as_millis() as u64),
    }
}

fn seen(names: &[&str], state: Option<State>) -> Vec<Seen> {
    let seen = names.iter().map(|name| Seen {
        name: Arc::from(*name),
        state,
        weight: 100,
    });
    seen.collect()
}

/// A pool whose endpoints are all in this state since time 0.
fn pool(names: &[&str], state: Option<State>) -> PoolAccount {
    let objective = ObjectiveSettings::default();
    let mut account = PoolAccount::new("app".into(), objective, at(Duration::ZERO));
    let endpoints = &seen(names, state);
    let event = AccountEvent::Configured {
        objective,
        endpoints,
    };
    account.on(event, at(Duration::ZERO));
    account
}

/// Ticks as its driver would, until `until`; alerts with their times.
fn run(account: &mut PoolAccount, until: Duration) -> Vec<(Duration, burn::BurnChange)> {
    let end = at(until).at;
    let mut changes = Vec::new();
    while account.next_wakeup() <= end {
        let passed = account.next_wakeup().since(at(Duration::ZERO).at);
        let news = account.on(AccountEvent::Tick, at(passed));
        changes.extend(news.into_iter().map(|change| (passed, change)));
    }
    account.on(AccountEvent::Tick, at(until));
    changes
}

fn changed(account: &mut PoolAccount, endpoint: &str, to: State, when: Duration) {
    run(account, when);
    let by = DecidedBy::Check;
    account.on(AccountEvent::Changed { endpoint, to, by }, at(when));
}

fn seconds(figures: &Figures) -> [f64; 4] {
    Kind::ALL.map(|kind| figures.sum.seconds(kind))
}

#[test]
fn a_fault_a_drain_and_a_pause_are_each_counted_as_what_they_are() {
    let mut account = pool(&["a1", "a2"], None);
    for name in ["a1", "a2"] {
        changed(&mut account, name, State::Up, SECOND);
    }
    changed(&mut account, "a1", State::Down, 11 * SECOND);
    changed(&mut account, "a1", State::Trial, 14 * SECOND);
    changed(&mut account, "a2", State::Draining, 20 * SECOND);
    changed(&mut account, "a1", State::Maintenance, 25 * SECOND);
    changed(&mut account, "a1", State::Up, 27 * SECOND);
    run(&mut account, 30 * SECOND);
    let report = account.report(at(30 * SECOND));
    // Pool: unknown 1, up until both are out on purpose, then up again.
    assert_eq!(seconds(&report.figures), [27.0, 0.0, 2.0, 1.0]);
    let [a1, a2] = &report.endpoints[..] else {
        panic!()
    };
    assert_eq!(seconds(&a1.figures), [24.0, 3.0, 2.0, 1.0]);
    assert_eq!(seconds(&a2.figures), [19.0, 0.0, 10.0, 1.0]);
    assert_eq!((a1.figures.sum.failures, a1.figures.sum.repairs), (1, 1));
    assert_eq!(
        (a1.figures.mtbf_s, a1.figures.mttr_s),
        (Some(24.0), Some(3.0))
    );
    // A fault took a1 while a2 was there; what a person takes out is planned.
    assert_eq!((a1.failovers, a2.failovers), (1, 0));
    assert_eq!(report.figures.sum.availability(), Some(1.0));
    let independent = report.independent.unwrap();
    assert_eq!(independent, 1.0);
}

#[test]
fn only_what_a_fault_took_is_a_failover() {
    for (to, by, failovers) in [
        (State::Draining, DecidedBy::Operator, 0),
        (State::Maintenance, DecidedBy::Operator, 0),
        (State::Draining, DecidedBy::Heartbeat, 0),
        (State::Draining, DecidedBy::Recovery, 1),
        (State::Down, DecidedBy::Check, 1),
    ] {
        let mut account = pool(&["a1", "a2"], Some(State::Up));
        let endpoint = "a1";
        let event = AccountEvent::Changed { endpoint, to, by };
        account.on(event, at(SECOND));
        // A drained one that fails then took nobody's work away.
        changed(&mut account, "a1", State::Down, 2 * SECOND);
        let report = account.report(at(3 * SECOND));
        assert_eq!(report.endpoints[0].failovers, failovers, "{to:?} by {by:?}");
    }
}

#[test]
fn whoever_was_paused_knows_nothing_of_the_time_between() {
    let mut account = pool(&["a1"], Some(State::Up));
    run(&mut account, 10 * SECOND);
    // Stopped for a minute, woken by an endpoint's change.
    let down = AccountEvent::Changed {
        endpoint: "a1",
        to: State::Down,
        by: DecidedBy::Check,
    };
    account.on(down, at(70 * SECOND));
    run(&mut account, 75 * SECOND);
    let report = account.report(at(75 * SECOND));
    assert_eq!(seconds(&report.figures), [10.0, 5.0, 0.0, 60.0]);
    // Before the pause it was up, after it down: that is a failure, though nobody saw the moment.
    assert_eq!(report.figures.sum.failures, 1);
}

#[test]
fn a_pool_is_down_while_nobody_is_known_to_serve_and_a_fault_took_somebody() {
    use Kind::{Down, Planned, Unknown, Up};
    for (endpoints, pool) in [
        (&[Up, Down, Planned, Unknown][..], Up),
        (&[Down, Planned], Down),
        (&[Down, Unknown], Down),
        (&[Unknown, Planned], Unknown),
        (&[Planned, Planned], Planned),
        (&[], Unknown),
    ] {
        assert_eq!(
            Kind::of_pool(endpoints.iter().copied()),
            pool,
            "{endpoints:?}"
        );
    }
}

#[test]
fn a_restart_is_a_gap_and_nothing_before_it_is_lost() {
    let mut account = pool(&["a1", "a2"], Some(State::Up));
    changed(&mut account, "a1", State::Down, 10 * SECOND);
    let counted = AccountEvent::Counted { good: 98, bad: 2 };
    account.on(counted, at(10 * SECOND));
    let tried = AccountEvent::Tried {
        endpoint: "a1",
        tries: 50,
        failures: 3,
    };
    account.on(tried, at(10 * SECOND));
    run(&mut account, 15 * SECOND);
    let kept = account.keep(at(15 * SECOND));

    // Another boot: the steady clock begins anew, the calendar says that 45 s have passed.
    let boot = |after: Duration| Now {
        at: Time::ZERO + after,
        wall: WallTime(WALL + 60_000 + after.as_millis() as u64),
    };
    let mut again = PoolAccount::new("app".into(), account.objective, boot(Duration::ZERO));
    let endpoints = &seen(&["a1", "a2"], None);
    let objective = account.objective;
    let event = AccountEvent::Configured {
        objective,
        endpoints,
    };
    again.on(event, boot(Duration::ZERO));
    again.remember(&kept);
    for (endpoint, to) in [("a2", State::Up), ("a1", State::Up)] {
        again.on(
            AccountEvent::Changed {
                endpoint,
                to,
                by: DecidedBy::Check,
            },
            boot(2 * SECOND),
        );
    }
    let report = again.report(boot(5 * SECOND));
    assert_eq!(seconds(&report.figures), [18.0, 0.0, 0.0, 47.0]);
    let a1 = &report.endpoints[0];
    assert_eq!(seconds(&a1.figures), [13.0, 5.0, 0.0, 47.0]);
    // It was down before the gap and up after it.
    assert_eq!((a1.figures.sum.failures, a1.figures.sum.repairs), (1, 1));
    assert_eq!((a1.requests, a1.failures, a1.failovers), (50, 3, 1));
    assert_eq!(report.request_availability(), Some(0.98));
    assert_eq!(report.began, WallTime(WALL));
    // And it is kept again as it was.
    assert_eq!(again.keep(boot(5 * SECOND)).elapsed, 65 * SECOND);
}

#[test]
fn another_window_keeps_what_fits_and_an_endpoint_that_is_gone_is_forgotten() {
    let mut account = pool(&["a1", "a2"], Some(State::Up));
    changed(&mut account, "a1", State::Down, HOUR);
    run(&mut account, 2 * HOUR);
    account.on(AccountEvent::Counted { good: 10, bad: 0 }, at(2 * HOUR));
    let objective = ObjectiveSettings {
        availability: Nines(990_000_000),
        window: HOUR,
    };
    let endpoints = &seen(&["a1"], None);
    account.on(
        AccountEvent::Configured {
            objective,
            endpoints,
        },
        at(2 * HOUR),
    );
    let report = account.report(at(2 * HOUR));
    assert_eq!(report.endpoints.len(), 1);
    assert_eq!(
        seconds(&report.endpoints[0].figures),
        [0.0, 3600.0, 0.0, 0.0]
    );
    assert_eq!(report.figures.kind, Kind::Down);
    assert_eq!(report.requests, 10);
}

#[test]
fn however_often_it_flaps_memory_is_bounded_and_the_last_hour_stays_good() {
    let day = 24 * HOUR;
    let mut history = History::new(30 * day, Time::ZERO);
    let mut now = Time::ZERO;
    // 100 000 changes over 40 days: 10 s down in every minute or so.
    for round in 0..50_000u64 {
        history.change(Kind::Up, now);
        now = now + Duration::from_secs(50 + round % 20);
        history.change(Kind::Down, now);
        now = now + 10 * SECOND;
    }
    assert!(history.pieces().count() <= PIECES_MAX);
    let whole = history.sum(30 * day, now);
    assert_eq!(whole.len(), (30 * day).as_nanos() as u64);
    let share = |sum: &Piece| sum.of(Kind::Down) as f64 / sum.len() as f64;
    for window in [5 * 60 * SECOND, HOUR, day, 3 * day, 30 * day] {
        let sum = history.sum(window, now);
        assert!((share(&sum) - 10.0 / 69.5).abs() < 0.03, "{window:?}");
        let failures = sum.failures as f64 / (window.as_secs_f64() / 69.5);
        assert!((0.75..1.25).contains(&failures), "{window:?}: {failures}");
    }
}

#[test]
fn the_times_of_a_labelled_incident_are_counted_under_the_label() {
    let mut account = pool(&["a1"], Some(State::Up));
    let closed = |incident, cause, ms| AccountEvent::Closed {
        incident,
        cause,
        took: [Some(Duration::from_millis(ms)), None, None, Some(SECOND)],
    };
    let counts = |account: &PoolAccount| -> Vec<(String, u64, u64)> {
        let report = account.report(at(SECOND));
        let causes = report.causes.iter();
        let count = |(name, stages): (&Arc<str>, &[Times; 4])| {
            (name.to_string(), stages[0].count(), stages[3].count())
        };
        causes.map(count).collect()
    };
    let is = |all: &[(&str, u64)]| -> Vec<(String, u64, u64)> {
        all.iter().map(|(c, n)| ((*c).to_owned(), *n, *n)).collect()
    };
    account.on(closed(7, "process_dead", 100), at(SECOND));
    account.on(closed(8, "process_dead", 2000), at(SECOND));
    account.on(closed(8, "bad_release", 2000), at(SECOND));
    account.on(closed(8, "bad_release", 2000), at(SECOND));
    let both = is(&[("bad_release", 1), ("process_dead", 1)]);
    assert_eq!(counts(&account), both);
    let report = account.report(at(SECOND));
    let (_, left) = report.causes.iter().last().unwrap();
    let left = left[0].quantile(1.0).unwrap();
    assert!(
        left < SECOND,
        "what moved took its own time along: {left:?}"
    );
    // A person thinks again after a restart; what is left of no cause is not named.
    let kept = account.keep(at(SECOND));
    let mut again = pool(&["a1"], None);
    again.remember(&kept);
    again.on(closed(8, "disk_full", 2000), at(SECOND));
    again.on(closed(7, "disk_full", 100), at(SECOND));
    assert_eq!(counts(&again), is(&[("disk_full", 2)]));
    // A record that does not say where its incidents were counted: they stay there.
    let mut older = kept.clone();
    older
        .counted
        .iter_mut()
        .for_each(|(_, cause)| *cause = None);
    let mut again = pool(&["a1"], None);
    again.remember(&older);
    again.on(closed(8, "disk_full", 2000), at(SECOND));
    assert_eq!(counts(&again), both);
}

#[test]
fn an_incident_is_counted_once_however_often_it_is_told_and_whoever_was_told() {
    let mut account = pool(&["a1"], Some(State::Up));
    let second = Some(SECOND);
    let closed = |incident| AccountEvent::Closed {
        incident,
        cause: "process_dead",
        took: [second, None, second, second],
    };
    let count = |account: &PoolAccount| -> Vec<u64> {
        let report = account.report(at(SECOND));
        let causes: Vec<_> = report.causes.iter().collect();
        causes[0].1.iter().map(Times::count).collect()
    };
    account.on(closed(7), at(SECOND));
    account.on(closed(7), at(SECOND));
    account.on(closed(8), at(SECOND));
    assert_eq!(count(&account), [2, 0, 2, 2]);
    let kept = account.keep(at(SECOND));
    let mut again = pool(&["a1"], None);
    again.remember(&kept);
    again.on(closed(7), at(SECOND));
    assert_eq!(count(&again), [2, 0, 2, 2]);
    again.on(closed(9), at(SECOND));
    assert_eq!(count(&again), [3, 0, 3, 3]);
}

#[test]
fn an_even_share_goes_by_weight() {
    let objective = ObjectiveSettings::default();
    let mut account = PoolAccount::new("app".into(), objective, at(Duration::ZERO));
    let mut endpoints = seen(&["a1", "a2", "spare"], Some(State::Up));
    endpoints[1].weight = 50;
    endpoints[2].weight = 0;
    let endpoints = &endpoints;
    account.on(
        AccountEvent::Configured {
            objective,
            endpoints,
        },
        at(Duration::ZERO),
    );
    let report = account.report(at(SECOND));
    let shares: Vec<_> = report.endpoints.iter().map(|e| e.weight_share).collect();
    assert_eq!(shares, [2.0 / 3.0, 1.0 / 3.0, 0.0]);
}
