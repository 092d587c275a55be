//! Heartbeats, and faults of our own, as the whole engine takes them.

use super::*;
use crate::address::{Address, Target};
use crate::detect::Pause;
use crate::settings::HeartbeatSettings;

/// Three endpoints on three machines, of which heartbeats are expected once a second.
fn beating(detector: &'static str) -> Bench {
    let mut app = pool("app", [endpoint("a1"), endpoint("a2"), endpoint("a3")]);
    for (n, endpoint) in app.endpoints.iter_mut().enumerate() {
        let ip = format!("192.0.2.{}:80", n + 1);
        endpoint.target = Target::Address(Address::Ip(ip.parse().unwrap()));
    }
    app.heartbeat = Some(HeartbeatSettings {
        detector,
        ..HeartbeatSettings::default()
    });
    let mut bench = Bench::new();
    bench.configure(vec![app]);
    bench.run(1.0);
    bench
}

fn beat(bench: &mut Bench, name: &str, sequence: u64, says: Says) {
    let endpoint = bench.id(name);
    let beat = Beat {
        sequence,
        says,
        ..Beat::default()
    };
    bench.handle(Event::Beat { endpoint, beat });
}

/// One beat a second of each of these, from this number on.
fn beats(bench: &mut Bench, names: &[&str], from: u64, n: u64) {
    for sequence in from..from + n {
        for name in names {
            beat(bench, name, sequence, Says::Ready);
        }
        bench.run(1.0);
    }
}

fn told(bench: &Bench, name: &str) -> (State, DecidedBy, String) {
    let view = bench.engine.endpoint(bench.id(name)).unwrap();
    (view.state, view.decided_by, view.why.to_owned())
}

#[test]
fn who_stops_beating_is_down_although_its_checks_pass() {
    for detector in ["fixed", "phi"] {
        let mut bench = beating(detector);
        beats(&mut bench, &["a1", "a2"], 1, 20);
        assert_eq!(bench.states("app"), [State::Up; 3], "{detector}");
        beats(&mut bench, &["a1"], 21, 10);
        assert_eq!(bench.states("app"), [State::Up, State::Down, State::Up]);
        let (_, by, why) = told(&bench, "a2");
        assert_eq!(by, DecidedBy::Heartbeat);
        assert!(why.starts_with("no heartbeat for "), "{why}");
        assert!(why.ends_with("the last was number 20"), "{why}");
        // a3 never sent one and is not missed.
        assert_eq!(told(&bench, "a3").0, State::Up);
    }
}

#[test]
fn it_comes_back_after_the_hold_and_with_a_ramp() {
    let mut bench = beating("fixed");
    beats(&mut bench, &["a1", "a2"], 1, 5);
    beats(&mut bench, &["a1"], 6, 5);
    assert_eq!(told(&bench, "a2").0, State::Down);
    beats(&mut bench, &["a1", "a2"], 11, 10);
    assert_eq!(told(&bench, "a2").0, State::Down, "held for ten seconds");
    beats(&mut bench, &["a1", "a2"], 21, 2);
    let (state, by, why) = told(&bench, "a2");
    assert_eq!((state, by), (State::Up, DecidedBy::Heartbeat));
    assert_eq!(why, "2 heartbeats and more in a row, and all for 10s");
    let view = bench.engine.endpoint(bench.id("a2")).unwrap();
    assert!(view.ramp_percent < 50, "{}", view.ramp_percent);
    assert_eq!(view.heartbeat.view(bench.now.at).unwrap().mistakes, 1);
}

#[test]
fn what_both_said_down_comes_back_when_both_agree() {
    let mut bench = beating("fixed");
    beats(&mut bench, &["a1", "a2"], 1, 5);
    bench.dead.insert("a2".into());
    beats(&mut bench, &["a1"], 6, 10);
    assert_eq!(told(&bench, "a2").0, State::Down);
    // Its checks pass again and it stays silent.
    bench.dead.clear();
    beats(&mut bench, &["a1"], 16, 40);
    let (state, by, why) = told(&bench, "a2");
    assert_eq!((state, by), (State::Down, DecidedBy::Heartbeat), "{why}");
    beats(&mut bench, &["a1", "a2"], 56, 15);
    assert_eq!(told(&bench, "a2").0, State::Up);
    // The other way round: beats come back, checks do not.
    bench.dead.insert("a2".into());
    beats(&mut bench, &["a1"], 71, 10);
    beats(&mut bench, &["a1", "a2"], 81, 20);
    let (state, by, why) = told(&bench, "a2");
    assert_eq!((state, by), (State::Down, DecidedBy::Check), "{why}");
}

#[test]
fn whoever_says_that_it_takes_no_work_gets_none() {
    let mut bench = beating("phi");
    beats(&mut bench, &["a1", "a2"], 1, 5);
    for says in [Says::Draining, Says::Stopping, Says::Starting] {
        beat(&mut bench, "a2", 6, says);
        let (state, by, why) = told(&bench, "a2");
        assert_eq!((state, by), (State::Draining, DecidedBy::Heartbeat));
        assert_eq!(why, format!("its heartbeat says {}", says.name()));
        // Whoever it was, a new life begins as it says.
        beat(&mut bench, "a2", 700, Says::Ready);
        assert_eq!(told(&bench, "a2").0, State::Up);
        beat(&mut bench, "a2", 5, Says::Ready);
    }
    beat(&mut bench, "a2", 6, Says::Stopping);
    beats(&mut bench, &["a1"], 6, 10);
    assert_eq!(told(&bench, "a2").0, State::Down, "it has ended");
}

#[test]
fn an_operators_word_covers_a_missed_heartbeat() {
    let mut bench = beating("fixed");
    beats(&mut bench, &["a1", "a2"], 1, 5);
    bench.order("a2", Order::Draining);
    beats(&mut bench, &["a1"], 6, 10);
    assert_eq!(told(&bench, "a2").0, State::Draining);
    bench.order("a2", Order::Ready);
    assert_eq!(told(&bench, "a2").0, State::Down);
    // Maintenance forgets that it ever beat.
    bench.order("a2", Order::Maintenance);
    bench.order("a2", Order::Ready);
    beats(&mut bench, &["a1"], 16, 10);
    assert_eq!(told(&bench, "a2").0, State::Up);
}

#[test]
fn a_restart_neither_forgets_who_beats_nor_who_was_silent() {
    let mut bench = beating("fixed");
    let spec = bench.engine.pool("app").unwrap().spec.clone();
    beats(&mut bench, &["a1", "a2", "a3"], 1, 5);
    beats(&mut bench, &["a1", "a2"], 6, 5);
    bench.restart();
    bench.configure(vec![spec.clone()]);
    bench.run(1.0);
    assert_eq!(bench.states("app"), [State::Up, State::Up, State::Down]);
    assert_eq!(told(&bench, "a3").1, DecidedBy::Heartbeat);
    beats(&mut bench, &["a1"], 11, 5);
    assert_eq!(bench.states("app"), [State::Up, State::Down, State::Down]);
    // Nothing is expected any more: nobody is down for it.
    let mut spec = spec;
    spec.heartbeat = None;
    bench.configure(vec![spec]);
    bench.run(1.0);
    assert_eq!(bench.states("app"), [State::Up; 3]);
}

#[test]
fn a_reload_that_changes_something_else_keeps_what_was_learned() {
    let mut bench = beating("phi");
    beats(&mut bench, &["a1"], 1, 50);
    let now = bench.now.at;
    let known = |bench: &Bench| {
        let view = bench.engine.endpoint(bench.id("a1")).unwrap();
        view.heartbeat.view(now)
    };
    let before = known(&bench);
    let mut spec = bench.engine.pool("app").unwrap().spec.clone();
    spec.endpoints[0].weight = 7;
    bench.configure(vec![spec]);
    assert_eq!(before, known(&bench));
}

#[test]
fn what_ran_out_while_we_slept_is_nobodys_fault() {
    let mut bench = beating("fixed");
    beats(&mut bench, &["a1", "a2", "a3"], 1, 10);
    bench.hold_probes = true;
    bench.run(1.5);
    let pending: Vec<_> = ["a1", "a2", "a3"].map(|name| bench.id(name)).into();
    bench.hold_probes = false;
    // The process was stopped for 20 s; then come the pause, the timers and the answers, in this order.
    bench.now.at = bench.now.at + Duration::from_secs(20);
    let pause = Pause::ended(Duration::from_secs(20), bench.now.at);
    bench.contact = Contact::Silent;
    bench.handle(Event::Paused(pause));
    bench.handle(Event::Tick);
    for endpoint in pending {
        let failure = Failure {
            endpoint,
            path: Default::default(),
            kind: FailureKind::Timeout,
            run: 100,
            at: bench.now.at,
        };
        bench.handle(Event::Failed(failure));
        bench.handle(Event::Swept {
            endpoint,
            successes: 0,
            failures: 100,
        });
    }
    bench.run(0.1);
    assert_eq!(bench.states("app"), [State::Up; 3]);
    // They are gone indeed, and that is seen a little later.
    bench.run(10.0);
    assert_eq!(bench.states("app"), [State::Down; 3]);
}

#[test]
fn nobody_reached_is_our_own_fault_and_changes_no_state() {
    for contact in [Contact::Silent, Contact::NoWay] {
        let mut bench = beating("fixed");
        beats(&mut bench, &["a1", "a2"], 1, 10);
        bench.contact = contact;
        bench.dead = ["a1", "a2", "a3"].map(String::from).into();
        bench.run(600.0);
        assert_eq!(bench.states("app"), [State::Up; 3], "{contact:?}");
        let why = &bench.engine.cut().unwrap().why;
        assert!(why.starts_with("none of 3 machines answers"), "{why}");
        bench.dead.clear();
        beats(&mut bench, &["a1", "a2"], 611, 5);
        assert_eq!(bench.states("app"), [State::Up; 3], "{contact:?}");
        assert!(bench.engine.cut().is_none());
        // From then on they are missed again.
        bench.run(10.0);
        assert_eq!(told(&bench, "a1").0, State::Down);
    }
}

#[test]
fn at_the_start_nobody_is_down_before_all_were_asked() {
    for answers in [false, true] {
        let spec = beating("fixed").engine.pool("app").unwrap().spec.clone();
        let mut bench = Bench::new();
        bench.contact = Contact::Silent;
        bench.dead = ["a1", "a2", "a3"].map(String::from).into();
        if answers {
            bench.dead.remove("a3");
        }
        bench.configure(vec![spec]);
        // Probes are answered one after the other, the first ones with nothing.
        assert_eq!(bench.states("app")[0], State::Unknown, "{answers}");
        bench.run(30.0);
        let expected = match answers {
            true => [State::Down, State::Down, State::Up],
            false => [State::Unknown; 3],
        };
        assert_eq!(bench.states("app"), expected, "{answers}");
        assert_eq!(bench.engine.cut().is_some(), !answers);
    }
}

#[test]
fn one_that_answers_shows_that_the_others_are_at_fault() {
    let mut bench = beating("fixed");
    bench.contact = Contact::Silent;
    bench.dead = ["a1", "a2"].map(String::from).into();
    bench.run(20.0);
    assert_eq!(bench.states("app"), [State::Down, State::Down, State::Up]);
    assert!(bench.engine.cut().is_none());
}

#[test]
fn refused_everywhere_is_no_fault_of_the_network() {
    let mut bench = beating("fixed");
    bench.dead = ["a1", "a2", "a3"].map(String::from).into();
    bench.run(20.0);
    assert_eq!(bench.states("app"), [State::Down; 3]);
    assert!(bench.engine.cut().is_none());
}
