//! Supervised services as the engine sees them.

use super::*;

#[test]
fn a_service_that_dies_is_started_again_and_its_endpoint_looked_at_at_once() {
    let mut bench = Bench::new();
    let mut of_service = endpoint("a1");
    of_service.service = Some("s1".into());
    bench.services = vec![service("s1", Ready::None)];
    bench.configure(vec![pool("app", [of_service])]);
    bench.run(5.0);
    assert_eq!(bench.service("s1"), ServiceState::Ready);
    let probes = bench.probes_of("a1");
    bench.kill("s1");
    assert_eq!(bench.service("s1"), ServiceState::Backoff);
    assert_eq!(bench.probes_of("a1"), probes + 1);
    bench.run(0.2);
    assert_eq!(bench.service("s1"), ServiceState::Ready);
    let id = bench.engine.service_id("s1").unwrap();
    assert_eq!(bench.engine.service(id).unwrap().restarts, 1);
}

#[test]
fn a_service_started_too_often_needs_a_person_and_a_reload_tries_again() {
    let mut bench = Bench::new();
    bench.services = vec![service("s1", Ready::None)];
    bench.configure(Vec::new());
    for _ in 0..5 {
        bench.run(3.0);
        bench.kill("s1");
    }
    assert_eq!(bench.service("s1"), ServiceState::Failed);
    bench.run(100.0);
    assert_eq!(bench.service("s1"), ServiceState::Failed);
    bench.configure(Vec::new());
    assert_eq!(bench.service("s1"), ServiceState::Ready);
}

#[test]
fn changed_services_are_restarted_one_at_a_time() {
    let mut bench = Bench::new();
    let named = |port| ["s1", "s2", "s3"].map(|name| service(name, Ready::Tcp { port }));
    bench.services = named(1).into();
    bench.configure(Vec::new());
    bench.run(1.0);
    for spec in &mut bench.services {
        spec.environment.push(("A".into(), "b".into()));
    }
    bench.configure(Vec::new());
    for _ in 0..100 {
        let away = ["s1", "s2", "s3"].iter();
        let away = away
            .filter(|name| bench.service(name) != ServiceState::Ready)
            .count();
        assert!(away <= 1);
        bench.run(0.05);
    }
    assert_eq!(
        bench.starts.values().copied().collect::<Vec<_>>(),
        [2, 2, 2]
    );
}

#[test]
fn running_services_are_adopted_and_unknown_ones_stopped() {
    let mut bench = Bench::new();
    let running = [("s1", 77), ("gone", 78)].map(|(name, pid)| Running {
        service: name.into(),
        pid,
        restarts: 4,
        age: None,
    });
    bench.handle(Event::Running(running.into()));
    bench.services = vec![service("s1", Ready::None)];
    bench.configure(Vec::new());
    assert!(bench.starts.is_empty());
    let id = bench.engine.service_id("s1").unwrap();
    let view = bench.engine.service(id).unwrap();
    assert_eq!((view.pid, view.restarts), (Some(77), 4));
    assert_eq!(bench.signals, [(78, 15)]);
}

#[test]
fn a_service_that_ignores_its_stop_signal_is_killed() {
    let mut bench = Bench::new();
    bench.services = vec![service("s1", Ready::None)];
    bench.configure(Vec::new());
    bench.run(1.0);
    bench.stubborn = true;
    bench.handle(Event::StopServices);
    assert_eq!(bench.service("s1"), ServiceState::Stopping);
    bench.run(11.0);
    let signals: Vec<_> = bench.signals.iter().map(|(_, signal)| *signal).collect();
    assert_eq!(signals, [15, 9]);
    assert_eq!(bench.service("s1"), ServiceState::Stopped);
    bench.run(100.0);
    assert_eq!(bench.service("s1"), ServiceState::Stopped);
}

#[test]
fn a_service_not_ready_in_time_is_stopped_and_started_again() {
    let mut bench = Bench::new();
    bench.services = vec![service("s1", Ready::Tcp { port: 1 })];
    bench.never_ready = true;
    bench.configure(Vec::new());
    bench.run(10.5);
    assert_eq!(bench.starts["s1"], 2);
    bench.never_ready = false;
    bench.run(1.0);
    assert_eq!(bench.service("s1"), ServiceState::Ready);
}

fn memory(bench: &mut Bench, bytes: u64, way: LimitWay) {
    let id = bench.engine.service_id("s1").unwrap();
    let limit = Limit {
        max: 100,
        way,
        why: String::new(),
    };
    let pid = bench.engine.service(id).unwrap().pid.unwrap_or(0);
    let facts = ServiceFacts {
        memory_bytes: bytes,
        memory_limit: Some(limit),
        ..ServiceFacts::known_as("s1", pid)
    };
    let facts = Facts {
        services: vec![facts],
        ..Facts::default()
    };
    bench.handle(Event::Facts(facts.into()));
    bench.run(1.0);
}

fn limited() -> Bench {
    let mut bench = Bench::new();
    let mut spec = service("s1", Ready::None);
    spec.care.memory_max = Some(100);
    bench.services = vec![spec];
    bench.configure(Vec::new());
    bench.run(1.0);
    bench
}

#[test]
fn a_service_over_its_memory_is_restarted_gracefully_where_nothing_else_holds_it() {
    let mut bench = limited();
    for bytes in [101, 101, 100, 101, 101] {
        memory(&mut bench, bytes, LimitWay::Watched);
    }
    assert_eq!(bench.starts["s1"], 1, "a peak is no leak");
    memory(&mut bench, 101, LimitWay::Watched);
    assert_eq!(bench.starts["s1"], 2);
    assert_eq!(bench.signals.last().map(|(_, signal)| *signal), Some(15));
    for _ in 0..10 {
        memory(&mut bench, 1000, LimitWay::Cgroup1);
    }
    assert_eq!(bench.starts["s1"], 2, "the kernel holds it");
}

#[test]
fn a_service_that_never_fits_its_memory_is_given_up_with_the_reason() {
    let mut bench = limited();
    for _ in 0..200 {
        memory(&mut bench, 1 << 30, LimitWay::Watched);
    }
    assert_eq!(bench.service("s1"), ServiceState::Failed);
    let id = bench.engine.service_id("s1").unwrap();
    let why = bench.engine.service(id).unwrap().why;
    assert!(why.contains("needs a person"), "{why}");
}

#[test]
fn a_service_told_to_restart_ends_gracefully_and_runs_again_at_once() {
    let mut bench = limited();
    for _ in 0..20 {
        tell(&mut bench, ServiceOrder::Restart);
        bench.run(1.0);
        assert_eq!(bench.service("s1"), ServiceState::Ready);
    }
    assert_eq!(bench.starts["s1"], 21, "orders don't count as deaths");
    assert!(bench.signals.iter().all(|(_, signal)| *signal == 15));
}

#[test]
fn a_hung_service_is_killed_without_asking_and_started_again() {
    let mut bench = limited();
    bench.stubborn = true;
    tell(&mut bench, ServiceOrder::Restart);
    assert_eq!(bench.service("s1"), ServiceState::Stopping);
    tell(&mut bench, ServiceOrder::Kill);
    bench.run(1.0);
    assert_eq!(bench.starts["s1"], 2);
    tell(&mut bench, ServiceOrder::Kill);
    bench.run(1.0);
    assert_eq!(bench.starts["s1"], 3);
    let signals: Vec<_> = bench.signals.iter().map(|(_, signal)| *signal).collect();
    assert_eq!(signals, [15, 9, 9]);
}

#[test]
fn a_held_service_stays_ended_even_over_a_reload_until_it_is_let_go() {
    let mut bench = limited();
    tell(&mut bench, ServiceOrder::Hold);
    bench.run(5.0);
    assert_eq!(bench.service("s1"), ServiceState::Stopped);
    bench.configure(Vec::new());
    bench.run(5.0);
    assert_eq!(bench.service("s1"), ServiceState::Stopped);
    tell(&mut bench, ServiceOrder::Release);
    assert_eq!(bench.service("s1"), ServiceState::Ready);
}

#[test]
fn a_signal_leaves_a_service_running() {
    let mut bench = limited();
    bench.stubborn = true;
    tell(&mut bench, ServiceOrder::Signal(1));
    assert_eq!(bench.service("s1"), ServiceState::Ready);
    assert_eq!(bench.signals.last().map(|(_, signal)| *signal), Some(1));
}
