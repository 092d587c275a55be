//! When a budget burns: who is paged, when, and when not.

use super::*;

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
