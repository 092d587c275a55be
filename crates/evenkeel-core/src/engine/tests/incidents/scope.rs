//! What faults of several endpoints have in common: a machine, a dependency, the configuration, ourselves.

use super::*;

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
    refused(&mut bench, "a1", 3);
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
    refused(&mut bench, "a1", 3);
    let before = only(&bench).cause();
    let mut moved = at("a1", "m1");
    moved.target = Target::Address(Address::Unix("/elsewhere".into()));
    bench.configure(vec![pool("app", [moved, at("a2", "m2")])]);
    refused(&mut bench, "a1", 5);
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
