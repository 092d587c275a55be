//! Faults as incidents, each told as one small story.

use std::time::Duration;

use super::bench::{Bench, endpoint, pool, service};
use super::*;
use crate::address::{Address, Target};
use crate::diagnose::{Cause, Evidence, Scope, Source};
use crate::incident::{About, Labeller, News, Observation, Outcome, Phase, Record};
use crate::settings::{EndpointSpec, PoolSpec, Ready, RecoveryMode};

/// Everybody on a machine of its own unless told otherwise.
fn at(name: &str, machine: &str) -> EndpointSpec {
    EndpointSpec {
        machine: Some(machine.into()),
        ..endpoint(name)
    }
}

fn served(name: &str) -> EndpointSpec {
    EndpointSpec {
        service: Some(name.into()),
        ..at(name, name)
    }
}

fn begin(pools: Vec<PoolSpec>) -> Bench {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.configure(pools);
    bench
}

fn supervised() -> Bench {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.services = vec![
        service("s1", Ready::Tcp { port: 1 }),
        service("s2", Ready::Tcp { port: 2 }),
    ];
    let mut pool = pool("app", [served("s1"), served("s2")]);
    // What is done about them is told in `recovery`.
    pool.recovery.mode = RecoveryMode::Off;
    bench.configure(vec![pool]);
    bench.run(15.0);
    bench
}

fn all(bench: &Bench) -> Vec<Record> {
    bench.engine.incidents()
}

fn only(bench: &Bench) -> Record {
    let mut all = all(bench);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

fn told(bench: &Bench) -> Vec<News> {
    let all = bench
        .incidents
        .iter()
        .flat_map(|change| change.news.clone());
    all.filter(|news| *news != News::Updated).collect()
}

/// The check sees this whenever it fails.
fn see(bench: &mut Bench, name: &str, evidence: Evidence) {
    let seen = Observation {
        about: About::Endpoint(bench.id(name)),
        evidence,
        present: true,
        source: Source::Check,
        value: String::new(),
    };
    bench.handle(Event::Observed(seen));
}

#[test]
fn a_run_without_faults_opens_no_incident() {
    let bench = supervised();
    assert!(all(&bench).is_empty());
    assert_eq!(bench.engine.incidents_open(), 0);
    assert!(bench.incidents.is_empty());
}

#[test]
fn a_killed_service_is_one_incident_cured_by_its_restart() {
    let mut bench = supervised();
    bench.kill("s1");
    assert_eq!(bench.engine.incidents_open(), 1);
    bench.run(10.0);
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::ProcessDead, "{record:#?}");
    assert!(record.causes[0].probability > 0.8, "{record:#?}");
    assert_eq!(record.scope, Scope::Endpoint);
    assert_eq!(record.state(), "closed");
    assert_eq!(record.subjects[0].key, "app/s1");
    assert_eq!(record.pool(), Some("app"));
    assert_eq!(record.actions.len(), 1);
    assert_eq!(record.actions[0].action, "restart");
    assert_eq!(record.actions[0].outcome, Outcome::Cured);
    let times = record.times;
    assert_eq!(times.detect, Some(0));
    assert!(
        times.decide.is_some_and(|ms| (50..200).contains(&ms)),
        "{times:?}"
    );
    assert!(times.restore.is_some_and(|ms| ms < 1000), "{times:?}");
    let news = told(&bench);
    assert_eq!(news.first(), Some(&News::Opened));
    assert_eq!(news.last(), Some(&News::Closed));
}

#[test]
fn how_a_process_ended_is_no_sign_of_a_fault_after_it_has_healed() {
    let mut bench = supervised();
    bench.kill("s1");
    bench.run(10.0);
    bench.dead.insert("s1".into());
    for _ in 0..8 {
        bench.run(1.0);
        see(&mut bench, "s1", Evidence::NoAnswer);
    }
    let records = all(&bench);
    let second = records.iter().find(|record| record.closed.is_none());
    let evidence = &second.unwrap().evidence;
    let killed = |e: &&crate::incident::EvidenceRecord| e.evidence == Evidence::Killed && e.present;
    assert_eq!(evidence.iter().find(killed), None);
}

#[test]
fn an_endpoint_that_hangs_while_its_process_lives_is_hung() {
    let mut bench = supervised();
    bench.dead.insert("s1".into());
    for _ in 0..8 {
        bench.run(1.0);
        see(&mut bench, "s1", Evidence::NoAnswer);
    }
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::ProcessHung, "{record:#?}");
    let alive = record.causes[0].because.iter();
    let alive = alive.filter(|r| r.evidence == Evidence::ProcessEnded && !r.present);
    assert_eq!(alive.count(), 1, "that the process lives counts");
    assert_eq!(record.state(), "down");
    assert!(record.actions.is_empty());
    bench.dead.clear();
    bench.run(20.0);
    assert_eq!(only(&bench).state(), "closed");
    assert_eq!(
        only(&bench).cause(),
        Cause::ProcessHung,
        "the return explains nothing away"
    );
}

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
    super::tell(&mut bench, ServiceOrder::Restart);
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

#[test]
fn an_endpoint_that_is_refused_is_most_probably_dead() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    bench.dead.insert("a1".into());
    for _ in 0..5 {
        see(&mut bench, "a1", Evidence::ConnectionRefused);
        bench.run(1.0);
    }
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::ProcessDead, "{record:#?}");
    assert_eq!(record.scope, Scope::Endpoint);
    assert!(record.times.detect.is_some_and(|ms| ms > 0));
}

#[test]
fn everything_on_one_machine_at_once_is_one_incident_of_the_machine() {
    let unix = |name: &str, machine| EndpointSpec {
        target: Target::Address(Address::Unix(format!("/{name}").into())),
        ..at(name, machine)
    };
    let mut bench = begin(vec![
        pool(
            "app",
            [unix("a1", "m1"), unix("a2", "m2"), unix("a3", "m1")],
        ),
        pool("db", [unix("b1", "m1"), unix("b2", "m3")]),
    ]);
    bench.run(5.0);
    bench.dead.extend(["a1", "a3", "b1"].map(String::from));
    bench.run(10.0);
    let record = only(&bench);
    let keys: Vec<_> = record.subjects.iter().map(|s| s.key.as_str()).collect();
    assert_eq!(keys, ["app/a1", "app/a3", "db/b1"]);
    assert_eq!(record.scope, Scope::Node, "{record:#?}");
    assert_eq!(record.pool(), None);
    bench.dead.clear();
    bench.run(20.0);
    assert_eq!(only(&bench).state(), "closed");
}

#[test]
fn two_faults_on_two_machines_stay_two_incidents() {
    let mut bench = begin(vec![pool(
        "app",
        [
            at("a1", "m1"),
            at("a2", "m2"),
            at("a3", "m3"),
            at("a4", "m1"),
        ],
    )]);
    bench.run(5.0);
    bench.dead.extend(["a1", "a2"].map(String::from));
    bench.run(10.0);
    let all = all(&bench);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(
        all.iter()
            .all(|r| r.subjects.len() == 1 && r.scope == Scope::Endpoint)
    );
    assert!(all[0].id > all[1].id, "newest first");
}

#[test]
fn faults_of_one_machine_at_different_times_stay_apart() {
    let mut bench = begin(vec![pool(
        "app",
        [at("a1", "m1"), at("a2", "m1"), at("a3", "m3")],
    )]);
    bench.run(5.0);
    bench.dead.insert("a1".into());
    bench.run(60.0);
    bench.dead.insert("a2".into());
    bench.run(10.0);
    let all = all(&bench);
    assert_eq!(all.len(), 2, "{all:#?}");
}

#[test]
fn errors_of_a_whole_pool_point_to_what_it_depends_on() {
    let mut bench = begin(vec![
        pool("app", [at("a1", "m1"), at("a2", "m2"), at("a3", "m3")]),
        pool("db", [at("b1", "m4"), at("b2", "m5")]),
    ]);
    bench.run(5.0);
    bench.dead.extend(["a1", "a2", "a3"].map(String::from));
    for _ in 0..8 {
        for name in ["a1", "a2", "a3"] {
            see(&mut bench, name, Evidence::ErrorStatus);
        }
        bench.run(1.0);
    }
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::DependencyDown, "{record:#?}");
    assert_eq!(record.scope, Scope::Dependency);
}

#[test]
fn a_whole_pool_of_stopped_processes_hangs_although_all_of_it_does() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m1")])]);
    bench.run(5.0);
    bench.dead.extend(["a1", "a2"].map(String::from));
    let stopped = |bench: &mut Bench, name: &str| {
        bench.handle(Event::Observed(Observation {
            about: About::Endpoint(bench.id(name)),
            evidence: Evidence::ProcessStopped,
            present: true,
            source: Source::Facts,
            value: "process 7".into(),
        }));
    };
    for second in 0..60 {
        for name in ["a1", "a2"] {
            see(&mut bench, name, Evidence::NoAnswer);
            see(&mut bench, name, Evidence::ConnectTimeout);
            // What is read of processes comes later than what requests show.
            if second >= 2 {
                stopped(&mut bench, name);
            }
        }
        bench.run(1.0);
        for record in all(&bench).iter().filter(|_| second >= 4) {
            assert_eq!(record.cause(), Cause::ProcessHung, "{record:#?}");
        }
    }
    assert!(!all(&bench).is_empty());
}

#[test]
fn when_nothing_can_be_reached_the_fault_is_ours() {
    let mut bench = begin(vec![
        pool("app", [at("a1", "m1"), at("a2", "m2")]),
        pool("db", [at("b1", "m3"), at("b2", "m4")]),
    ]);
    bench.run(5.0);
    bench
        .dead
        .extend(["a1", "a2", "b1", "b2"].map(String::from));
    let db = |bench: &Bench, name| bench.engine.endpoint_id("db", name).unwrap();
    for _ in 0..8 {
        for name in ["a1", "a2"] {
            see(&mut bench, name, Evidence::ConnectTimeout);
        }
        for name in ["b1", "b2"] {
            let about = About::Endpoint(db(&bench, name));
            bench.handle(Event::Observed(Observation {
                about,
                evidence: Evidence::ConnectTimeout,
                present: true,
                source: Source::Check,
                value: String::new(),
            }));
        }
        bench.run(1.0);
    }
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::BalancerItself, "{record:#?}");
    assert_eq!(record.scope, Scope::Us);
}

#[test]
fn a_reload_that_breaks_an_endpoint_is_blamed_on_the_configuration() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(30.0);
    let mut moved = at("a1", "m1");
    moved.target = Target::Address(Address::Unix("/wrong".into()));
    bench.dead.insert("a1".into());
    bench.configure(vec![pool("app", [moved, at("a2", "m2")])]);
    for _ in 0..3 {
        see(&mut bench, "a1", Evidence::ConnectionRefused);
        bench.run(1.0);
    }
    assert_eq!(
        only(&bench).cause(),
        Cause::BadConfig,
        "{:#?}",
        only(&bench)
    );
}

/// A pool and the store it needs, on one machine; the store hangs for eight seconds, and the pool answers with errors.
fn store_hangs() -> Bench {
    let apps = ["a1", "a2", "a3"].map(|name| at(name, "m1"));
    let mut bench = begin(vec![pool("app", apps), pool("store", [at("s1", "m1")])]);
    bench.run(15.0);
    bench
        .dead
        .extend(["a1", "a2", "a3", "s1"].map(str::to_owned));
    for _ in 0..8 {
        bench.run(1.0);
        let store = bench.engine.endpoint_id("store", "s1").unwrap();
        for (evidence, source) in [
            (Evidence::NoAnswer, Source::Check),
            (Evidence::ProcessStopped, Source::Facts),
        ] {
            bench.handle(Event::Observed(Observation {
                about: About::Endpoint(store),
                evidence,
                present: true,
                source,
                value: String::new(),
            }));
        }
        for name in ["a1", "a2", "a3"] {
            see(&mut bench, name, Evidence::ErrorStatus);
        }
    }
    bench
}

/// The incident that names this one.
fn of(bench: &Bench, key: &str) -> Record {
    let all = all(bench);
    let names = |r: &&Record| r.subjects.iter().any(|s| s.key == key);
    let found = all.iter().find(names);
    found.unwrap_or_else(|| panic!("{key}: {all:#?}")).clone()
}

#[test]
fn a_reload_after_the_first_sign_is_not_blamed_for_what_was_there_before() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(30.0);
    bench.dead.insert("a1".into());
    for _ in 0..3 {
        see(&mut bench, "a1", Evidence::ConnectionRefused);
        bench.run(1.0);
    }
    let before = only(&bench).cause();
    let mut moved = at("a1", "m1");
    moved.target = Target::Address(Address::Unix("/elsewhere".into()));
    bench.configure(vec![pool("app", [moved, at("a2", "m2")])]);
    for _ in 0..5 {
        see(&mut bench, "a1", Evidence::ConnectionRefused);
        bench.run(1.0);
    }
    let record = only(&bench);
    assert_eq!(record.cause(), before, "{record:#?}");
    assert_ne!(record.cause(), Cause::BadConfig);
}

#[test]
fn the_reasons_for_a_fault_do_not_fade_while_it_is_waited_for() {
    let held = |a1| {
        let mut pool = pool("app", [a1, at("a2", "m2")]);
        pool.failover.hold = Duration::from_secs(90);
        vec![pool]
    };
    let mut bench = begin(held(at("a1", "m1")));
    bench.run(5.0);
    let mut moved = at("a1", "m1");
    moved.target = Target::Address(Address::Unix("/elsewhere".into()));
    bench.configure(held(moved));
    bench.run(120.0);
    bench.dead.insert("a1".into());
    for _ in 0..5 {
        see(&mut bench, "a1", Evidence::ConnectTimeout);
        bench.run(1.0);
    }
    let then = only(&bench);
    bench.dead.clear();
    bench.run(80.0);
    let now = only(&bench);
    assert_eq!(now.state(), "down", "{now:#?}");
    assert_eq!(now.cause(), then.cause(), "{now:#?}");
    let of = |record: &Record| record.causes[0].probability;
    assert!((of(&now) - of(&then)).abs() < 0.1, "{then:#?} {now:#?}");
}

#[test]
fn what_its_pool_needs_and_the_pool_are_two_incidents_although_on_one_machine() {
    let bench = store_hangs();
    let app = of(&bench, "app/a1");
    assert_eq!(app.id, of(&bench, "app/a3").id, "{app:#?}");
    assert_ne!(app.id, of(&bench, "store/s1").id);
    assert_eq!(app.cause(), Cause::DependencyDown, "{app:#?}");
    let store = of(&bench, "store/s1");
    assert_eq!(store.cause(), Cause::ProcessHung, "{store:#?}");
}

#[test]
fn one_that_recovers_first_takes_nothing_back_of_what_they_had_in_common() {
    let mut bench = store_hangs();
    bench.dead.remove("s1");
    bench.dead.remove("a1");
    for _ in 0..10 {
        bench.run(1.0);
        let app = of(&bench, "app/a3");
        assert_eq!(app.cause(), Cause::DependencyDown, "{app:#?}");
    }
}

#[test]
fn what_an_operator_takes_out_is_no_fault() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    bench.order("a1", Order::Draining);
    bench.dead.insert("a1".into());
    bench.run(20.0);
    assert!(all(&bench).is_empty());
    bench.order("a1", Order::Ready);
    bench.run(5.0);
    assert_eq!(only(&bench).state(), "down");
    bench.order("a1", Order::Maintenance);
    bench.run(5.0);
    assert_eq!(only(&bench).state(), "closed");
}

#[test]
fn an_open_incident_survives_a_restart_and_numbers_go_on() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    bench.dead.insert("a1".into());
    for _ in 0..5 {
        see(&mut bench, "a1", Evidence::ConnectionRefused);
        bench.run(1.0);
    }
    let before = only(&bench);
    bench.restart();
    bench.handle(Event::Incidents(vec![before.clone()]));
    bench.configure(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(3.0);
    let after = only(&bench);
    assert_eq!((after.id, after.opened), (before.id, before.opened));
    assert_eq!(after.cause(), before.cause());
    bench.dead.clear();
    bench.run(20.0);
    assert_eq!(only(&bench).state(), "closed");
    bench.dead.insert("a2".into());
    bench.run(10.0);
    assert_eq!(all(&bench)[0].id, before.id + 1);
}

#[test]
fn a_person_may_say_what_it_was() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    bench.dead.insert("a1".into());
    bench.run(8.0);
    let (incident, cause) = (only(&bench).id, Cause::BadRelease);
    bench.handle(Event::Label {
        incident,
        cause,
        by: Labeller::Operator,
    });
    assert_eq!(only(&bench).label, Some(cause));
    bench.dead.clear();
    bench.run(20.0);
    let cause = Cause::DiskFull;
    bench.handle(Event::Label {
        incident,
        cause,
        by: Labeller::Operator,
    });
    assert_eq!(only(&bench).label, Some(cause));
    assert!(told(&bench).ends_with(&[News::Labelled]));
}

#[test]
fn one_failed_request_is_no_incident() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m1")])]);
    bench.run(5.0);
    fail(&mut bench, "a1", 1);
    bench.run(30.0);
    assert!(all(&bench).is_empty());
}

#[test]
fn a_graceful_end_is_no_fault() {
    let mut bench = supervised();
    bench.handle(Event::StopServices);
    bench.dead.extend(["s1", "s2"].map(String::from));
    bench.run(20.0);
    assert!(all(&bench).is_empty());
}

#[test]
fn a_thousand_faults_are_remembered_and_no_more() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    fault(&mut bench);
    let one = only(&bench);
    let numbered = |id| Record { id, ..one.clone() };
    let mut bench = Bench::new();
    bench.handle(Event::Incidents((1..=1200).map(numbered).collect()));
    bench.configure(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    (0..3).for_each(|_| fault(&mut bench));
    let all = all(&bench);
    assert_eq!((all.len(), all[0].id, all[999].id), (1000, 1203, 204));
    let forgotten = bench
        .incidents
        .iter()
        .filter(|c| c.news == [News::Forgotten]);
    assert_eq!(forgotten.count(), 203);
}

#[test]
fn a_number_that_became_part_of_another_is_not_given_again_by_the_next_process() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    fault(&mut bench);
    let one = only(&bench);
    let merged = Record {
        id: 3,
        merged: vec![4, 7],
        ..one
    };
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(vec![merged]));
    bench.configure(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    fault(&mut bench);
    assert_eq!(all(&bench)[0].id, 8);
    let part = bench.engine.incident(7).map(|record| record.id);
    assert_eq!(part, Some(3), "whoever asks for the old number finds it");
}

/// An ejection that a person ends.
fn fault(bench: &mut Bench) {
    (1..=5).for_each(|run| fail(bench, "a1", run));
    bench.order("a1", Order::Maintenance);
    bench.order("a1", Order::Ready);
    bench.run(20.0);
}

#[test]
fn evidence_that_pours_in_is_not_weighed_each_time() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    for run in 1..=5 {
        fail(&mut bench, "a1", run);
    }
    let before = bench.incidents.len();
    for run in 6..1000 {
        fail(&mut bench, "a1", run);
        bench.run(0.0001);
    }
    assert!(
        bench.incidents.len() - before < 10,
        "{}",
        bench.incidents.len()
    );
    assert_eq!(only(&bench).subjects[0].phase, Phase::Down);
    bench.run(Duration::from_secs(1).as_secs_f64());
}
