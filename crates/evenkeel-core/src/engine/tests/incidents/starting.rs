//! Services that start: how long they are waited for, and a port that another process has.

use super::*;

#[test]
fn a_port_that_another_process_has_is_taken() {
    let mut bench = supervised();
    // The probes are answered: not by the service, which ends again as soon as it is started.
    bench.kill("s1");
    bench.run(0.15);
    bench.kill("s1");
    bench.run(0.2);
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::PortTaken, "{record:#?}");
    assert_eq!(record.actions.len(), 1);
    assert_eq!(record.actions[0].outcome, Outcome::Failed);
}

#[test]
fn a_service_whose_port_is_taken_waits_a_person_is_told_and_it_starts_once_the_port_is_free() {
    for taken_for in [4.0, 60.0] {
        let mut bench = supervised();
        bench.kill("s1");
        bench.run(0.15);
        bench.kill("s1");
        // Whoever it is does not answer as the check wants it.
        bench.dead.insert("s1".into());
        for _ in 0..(taken_for * 10.0) as u32 {
            see(&mut bench, "s1", Evidence::WrongAnswer);
            bench.run(0.1);
        }
        let (state, why) = {
            let id = bench.engine.service_id("s1").unwrap();
            let view = bench.engine.service(id).unwrap();
            (view.state, view.why.to_owned())
        };
        let given_up = taken_for > 10.0;
        let wanted = match given_up {
            true => ServiceState::Failed,
            false => ServiceState::Backoff,
        };
        assert_eq!(state, wanted, "{why}");
        assert!(
            why.contains("another process") && why.contains("port"),
            "{why}"
        );
        assert_eq!(why.contains("needs a person"), given_up, "{why}");
        assert_eq!(bench.starts["s1"], 2, "it is not started in vain");
        assert_eq!(only(&bench).actions.len(), 1);
        // Nobody answers any more.
        see(&mut bench, "s1", Evidence::ConnectionRefused);
        bench.run(2.5);
        assert_eq!(bench.service("s1"), ServiceState::Ready);
        bench.dead.clear();
        bench.run(30.0);
        assert_eq!(bench.starts["s1"], 3);
        let record = only(&bench);
        assert_eq!(record.state(), "closed", "{record:#?}");
        assert_eq!(record.actions.last().unwrap().outcome, Outcome::Cured);
    }
}

/// Two services, the first of which does not answer yet.
fn one_is_slow(ready: Ready) -> Bench {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.services = vec![service("s1", ready.clone()), service("s2", ready)];
    let mut pool = pool("app", [served("s1"), served("s2")]);
    pool.recovery.mode = RecoveryMode::Off;
    bench.dead.insert("s1".into());
    bench.configure(vec![pool]);
    bench
}

fn shown(bench: &Bench, name: &str) -> (State, String) {
    let view = bench.engine.endpoint(bench.id(name)).unwrap();
    (view.state, view.why.to_owned())
}

#[test]
fn a_service_started_for_the_first_time_is_waited_for_and_serves_at_its_first_passed_check() {
    let mut bench = one_is_slow(Ready::None);
    for _ in 0..90 {
        bench.run(0.1);
        see(&mut bench, "s1", Evidence::ConnectionRefused);
        let (state, why) = shown(&bench, "s1");
        assert_eq!(
            (state, &*why),
            (State::Unknown, "its service is starting: refused")
        );
        // What is known not to answer gets no work meanwhile.
        assert_eq!(bench.states("app"), [State::Down, State::Up]);
    }
    assert!(all(&bench).is_empty());
    bench.dead.clear();
    bench.run(0.6);
    assert_eq!(shown(&bench, "s1").0, State::Up, "without hold");
    assert_eq!(bench.states("app"), [State::Up; 2]);
    bench.run(30.0);
    assert!(all(&bench).is_empty());
    // Later, and after a restart, there is no such patience.
    bench.dead.insert("s1".into());
    bench.kill("s1");
    assert_eq!(bench.engine.incidents_open(), 1);
    bench.run(5.0);
    assert_eq!(shown(&bench, "s1").0, State::Down);
}

#[test]
fn a_service_that_does_not_serve_within_its_time_for_that_is_down_and_an_incident() {
    for (ready, within) in [(Ready::None, 10.0), (Ready::Tcp { port: 1 }, 5.0)] {
        let mut bench = one_is_slow(ready);
        bench.run(within - 0.5);
        assert_eq!(shown(&bench, "s1").0, State::Unknown);
        assert!(all(&bench).is_empty());
        bench.run(1.5);
        see(&mut bench, "s1", Evidence::ConnectionRefused);
        assert_eq!(shown(&bench, "s1").0, State::Down);
        assert_eq!(bench.engine.incidents_open(), 1);
    }
}

#[test]
fn after_evenkeel_was_started_anew_nobody_is_up_by_what_another_process_did() {
    let mut bench = one_is_slow(Ready::None);
    bench.dead.clear();
    bench.run(1.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    let spec = bench.engine.pool("app").unwrap().spec.clone();
    bench.restart();
    bench.dead.insert("s1".into());
    bench.configure(vec![spec.clone()]);
    assert_eq!(shown(&bench, "s1").0, State::Unknown);
    assert_eq!(bench.states("app"), [State::Down, State::Up]);
    // Where it runs on, what was known stays.
    bench.dead.clear();
    bench.run(1.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    bench.restart();
    bench.hold_probes = true;
    let running = ["s1", "s2"].map(|name| Running {
        service: name.into(),
        pid: 1,
        restarts: 0,
        age: None,
    });
    bench.handle(Event::Running(running.into()));
    bench.configure(vec![spec]);
    assert_eq!(bench.states("app"), [State::Up; 2]);
}

#[test]
fn a_service_that_was_seen_to_serve_gets_no_more_patience() {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.services = vec![service("s1", Ready::None), service("s2", Ready::None)];
    let mut pool = pool("app", [served("s1"), served("s2")]);
    pool.recovery.mode = RecoveryMode::Off;
    (pool.failover.hold, pool.failover.ramp) = Default::default();
    bench.dead.insert("s1".into());
    bench.configure(vec![pool]);
    bench.run(0.1);
    // Its port is not open yet.
    see(&mut bench, "s1", Evidence::ConnectionRefused);
    bench.dead.clear();
    bench.run(3.9);
    assert!(all(&bench).is_empty());
    assert_eq!(bench.states("app"), [State::Up; 2]);
    (1..=5).for_each(|run| fail(&mut bench, "s1", run));
    assert_eq!(bench.states("app"), [State::Down, State::Up]);
    assert_eq!(bench.engine.incidents_open(), 1);
}

#[test]
fn a_process_that_answers_requests_with_errors_from_the_start_gets_no_patience() {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.services = vec![service("s1", Ready::None), service("s2", Ready::None)];
    let mut pool = pool("app", [served("s1"), served("s2")]);
    pool.recovery.mode = RecoveryMode::Off;
    bench.configure(vec![pool]);
    bench.run(15.0);
    // Another release comes by a restart so quick that no check sees it.
    tell(&mut bench, ServiceOrder::Restart);
    bench.run(0.1);
    see(&mut bench, "s1", Evidence::ConnectionRefused);
    for run in 1..=5 {
        let failure = Failure {
            endpoint: bench.id("s1"),
            path: bench.path("s1"),
            kind: FailureKind::Status(503),
            run,
            at: bench.now.at,
        };
        bench.handle(Event::Failed(failure));
    }
    assert_eq!(bench.states("app"), [State::Down, State::Up]);
    assert_eq!(bench.engine.incidents_open(), 1);
}

#[test]
fn a_service_that_never_gets_ready_is_an_incident() {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.never_ready = true;
    bench.dead.insert("s1".into());
    bench.services = vec![service("s1", Ready::Tcp { port: 1 })];
    bench.configure(vec![pool("app", [served("s1")])]);
    bench.run(5.0);
    assert!(all(&bench).is_empty(), "it is only starting");
    bench.run(10.0);
    let record = only(&bench);
    let reasons = record.evidence.iter().map(|e| e.evidence);
    assert!(
        reasons.clone().any(|e| e == Evidence::NotStarted),
        "{record:#?}"
    );
}
