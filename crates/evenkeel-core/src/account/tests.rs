//! The promises of the account: everything adds up, nothing is invented, and alerts come when the arithmetic says.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

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
fn a_total_outage_at_three_nines_alerts_after_0_864_and_2_16_minutes_and_the_alerts_end() {
    let mut account = pool(&["a1", "a2"], Some(State::Up));
    let fault = 2 * HOUR;
    changed(&mut account, "a1", State::Down, fault);
    assert_eq!(run(&mut account, fault + SECOND), []);
    account.on(
        AccountEvent::Changed {
            endpoint: "a2",
            to: State::Down,
            by: DecidedBy::Check,
        },
        at(fault + SECOND),
    );
    let outage = fault + SECOND;
    let alerts = run(&mut account, outage + 5 * 60 * SECOND);
    let times: Vec<_> = alerts
        .iter()
        .map(|(when, change)| (*when - outage, change.rule.burn_tenths, change.firing))
        .collect();
    let first = Duration::from_millis(51_840); // 0.864 min
    let second = Duration::from_millis(129_600); // 2.16 min
    let third = Duration::from_millis(259_200); // 4.32 min
    let all = [(first, 144, true), (second, 60, true), (third, 10, true)];
    assert_eq!(times, all);
    assert!((alerts[0].1.long - 14.4).abs() < 1e-9);
    assert_eq!(account.firing().count(), 3);
    // Well again: each ends once its short window is.
    changed(&mut account, "a2", State::Up, outage + 5 * 60 * SECOND);
    let back = outage + 5 * 60 * SECOND;
    let ended = run(&mut account, back + 6 * HOUR);
    let ended: Vec<_> = ended
        .iter()
        .map(|(when, change)| {
            (
                (*when - back).as_secs(),
                change.rule.burn_tenths,
                change.firing,
            )
        })
        .collect();
    // Of 5 min 4.32 s may be down, of 30 min 10.8 s, of 6 h 21.6 s.
    assert_eq!(
        ended,
        [(296, 144, false), (1790, 60, false), (21_579, 10, false)]
    );
    let report = account.report(at(back + 6 * HOUR));
    let spent = 300.0 / (0.001 * 30.0 * 86_400.0);
    assert!((report.budget_left - (1.0 - spent)).abs() < 1e-9);
    assert_eq!(report.firing, []);
}

#[test]
fn a_slow_leak_of_the_budget_is_a_ticket() {
    let mut account = pool(&["a1"], Some(State::Up));
    // 20 s down in each hour: 5.5 times what three nines allow.
    let mut alerts = Vec::new();
    let turn = |account: &mut PoolAccount, to, when| {
        let news = run(account, when);
        let endpoint = "a1";
        account.on(
            AccountEvent::Changed {
                endpoint,
                to,
                by: DecidedBy::Check,
            },
            at(when),
        );
        news
    };
    for hour in 1..=14 {
        alerts.extend(turn(&mut account, State::Down, hour * HOUR));
        alerts.extend(turn(&mut account, State::Up, hour * HOUR + 20 * SECOND));
    }
    let words: Vec<_> = alerts
        .iter()
        .map(|(_, c)| (c.rule.severity, c.firing))
        .collect();
    assert_eq!(words, [("ticket", true)]);
}

#[test]
fn failing_requests_burn_the_budget_of_a_pool_that_looks_up() {
    let mut account = pool(&["a1"], Some(State::Up));
    let mut counted = |good, bad, when: Duration| {
        let changes = run(&mut account, when);
        account.on(AccountEvent::Counted { good, bad }, at(when));
        changes
    };
    for second in 1..=3600 {
        assert_eq!(counted(200, 0, second * SECOND), []);
    }
    let mut first = None;
    for second in 3601..=3700 {
        let alerts = counted(0, 200, second * SECOND);
        first = first.or(alerts.first().map(|(when, _)| *when));
    }
    let first = first.unwrap() - HOUR;
    // As for time, up to the 10 s slots in which requests are counted.
    assert!((45..=62).contains(&first.as_secs()), "{first:?}");
}

#[test]
fn a_few_failures_at_night_alert_nobody() {
    let mut account = pool(&["a1"], Some(State::Up));
    run(&mut account, HOUR);
    account.on(AccountEvent::Counted { good: 1, bad: 9 }, at(HOUR));
    assert_eq!(run(&mut account, HOUR + 10 * SECOND), []);
    assert!(account.report(at(HOUR)).burn_rate > 100.0);
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

/// One step of a life.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Change(usize, State),
    Configure(Vec<usize>),
    /// The calendar's clock jumps by so many ms.
    Jump(i64),
    /// Restart after so many ms of this process's life were not stored, and so long a gap.
    Restart(u64, u64),
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn step() -> impl Strategy<Value = Step> {
    let state = proptest::sample::select(&State::ALL[..]);
    prop_oneof![
        4 => (0u64..100_000_000_000).prop_map(Step::Pass),
        1 => (0u64..1_000_000_000_000_000).prop_map(Step::Pass),
        6 => (0..NAMES.len(), state).prop_map(|(n, state)| Step::Change(n, state)),
        1 => proptest::sample::subsequence(vec![0, 1, 2], 1..3).prop_map(Step::Configure),
        1 => (-10_000_000_000i64..10_000_000_000).prop_map(Step::Jump),
        2 => (0u64..60_000, 0u64..100_000_000).prop_map(|(lost, gap)| Step::Restart(lost, gap)),
    ]
}

/// An account and, beside it, what it must add up to.
struct Life {
    account: PoolAccount,
    now: Now,
    /// Nanoseconds the pool and each of the endpoints must have.
    elapsed: u64,
    endpoints: std::collections::BTreeMap<&'static str, u64>,
}

impl Life {
    fn new() -> Life {
        let now = at(Duration::ZERO);
        let objective = ObjectiveSettings {
            window: Duration::from_secs(3 * 86_400),
            ..ObjectiveSettings::default()
        };
        let account = PoolAccount::new("app".into(), objective, now);
        let (elapsed, endpoints) = Default::default();
        let mut life = Life {
            account,
            now,
            elapsed,
            endpoints,
        };
        life.configure(&[0]);
        life
    }

    fn configure(&mut self, numbers: &[usize]) {
        let names: Vec<&'static str> = numbers.iter().map(|n| NAMES[*n]).collect();
        let objective = self.account.objective;
        let endpoints = &seen(&names, None);
        self.account.on(
            AccountEvent::Configured {
                objective,
                endpoints,
            },
            self.now,
        );
        self.endpoints.retain(|name, _| names.contains(name));
        for name in names {
            self.endpoints.entry(name).or_default();
        }
    }

    fn pass(&mut self, ns: u64) {
        self.now.at = self.now.at + Duration::from_nanos(ns);
        self.now.wall.0 += ns / 1_000_000;
        self.elapsed += ns;
        self.endpoints
            .values_mut()
            .for_each(|elapsed| *elapsed += ns);
    }

    fn restart(&mut self, lost: u64, gap: u64) {
        let kept = self.account.keep(self.now);
        // What comes now is never stored; then the balancer is away.
        let away = (lost + gap) * 1_000_000;
        self.now.at = Time::from_nanos(lost * 31);
        self.now.wall.0 += lost + gap;
        let objective = self.account.objective;
        self.account = PoolAccount::new("app".into(), objective, self.now);
        let names: Vec<_> = self.endpoints.keys().copied().collect();
        let endpoints = &seen(&names, None);
        self.account.on(
            AccountEvent::Configured {
                objective,
                endpoints,
            },
            self.now,
        );
        self.account.remember(&kept);
        self.elapsed += away;
        self.endpoints
            .values_mut()
            .for_each(|elapsed| *elapsed += away);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass(ns) => self.pass(ns),
            Step::Change(n, to) => {
                let endpoint = NAMES[n];
                self.account.on(
                    AccountEvent::Changed {
                        endpoint,
                        to,
                        by: DecidedBy::Check,
                    },
                    self.now,
                );
            }
            Step::Configure(numbers) => self.configure(&numbers),
            Step::Jump(ms) => self.now.wall.0 = self.now.wall.0.saturating_add_signed(ms),
            Step::Restart(lost, gap) => self.restart(lost, gap),
        }
    }
}

proptest! {
    #[test]
    fn the_four_kinds_always_add_up_to_elapsed_time_to_the_nanosecond(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let mut life = Life::new();
        let window = life.account.objective.window.as_nanos() as u64;
        for step in steps {
            life.step(step);
            let report = life.account.report(life.now);
            prop_assert_eq!(report.figures.sum.len(), life.elapsed.min(window));
            for endpoint in &report.endpoints {
                let elapsed = life.endpoints[&*endpoint.name];
                prop_assert_eq!(endpoint.figures.sum.len(), elapsed.min(window));
            }
            let kept = life.account.keep(life.now);
            prop_assert_eq!(kept.elapsed.as_nanos() as u64, life.elapsed);
            prop_assert!(kept.endpoints.iter().all(|e| e.book.pieces.len() <= PIECES_MAX));
        }
    }

    #[test]
    fn the_same_events_give_the_same_account(steps in proptest::collection::vec(step(), 1..40)) {
        let run = || {
            let mut life = Life::new();
            for step in steps.clone() {
                life.step(step);
            }
            life.account.keep(life.now)
        };
        prop_assert_eq!(run(), run());
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

#[test]
fn a_total_outage_pages_within_the_hour_whatever_the_objective() {
    for (availability, minutes) in [
        (999_000_000, 0.864),
        (930_000_000, 54.0),
        (500_000_000, 54.0),
    ] {
        let objective = ObjectiveSettings {
            availability: Nines(availability),
            ..ObjectiveSettings::default()
        };
        let mut account = PoolAccount::new("app".into(), objective, at(Duration::ZERO));
        let endpoints = &seen(&["a1"], Some(State::Up));
        let configured = AccountEvent::Configured {
            objective,
            endpoints,
        };
        account.on(configured, at(Duration::ZERO));
        changed(&mut account, "a1", State::Down, 2 * HOUR);
        let alerts = run(&mut account, 4 * HOUR);
        let (when, page) = alerts.first().unwrap();
        assert_eq!((page.rule.severity, page.firing), ("page", true));
        let after = (*when - 2 * HOUR).as_secs_f64() / 60.0;
        assert!(
            (after - minutes).abs() < 0.01,
            "{availability}: {after} min"
        );
    }
}
