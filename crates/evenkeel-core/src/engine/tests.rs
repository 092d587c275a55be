//! What the engine promises, each told as one small story.

mod agents;
mod asked;
mod beats;
mod bench;
mod incidents;
mod paths;
mod prevention;
mod recovery;
mod relief;
mod services;
mod told;
mod traffic;

use std::time::Duration;

use super::*;
use crate::facts::{Facts, Limit, LimitWay, ServiceFacts};
use crate::observe::{Contact, Failure, FailureKind};
use crate::settings::{FailoverMode, Ready, Share};
use crate::supervise::{ServiceEvent, ServiceOrder, ServiceState};
use crate::table::State;
use bench::{Bench, endpoint, pool, service};

fn three() -> Bench {
    let mut bench = Bench::new();
    bench.configure(vec![pool(
        "app",
        [endpoint("a1"), endpoint("a2"), endpoint("a3")],
    )]);
    bench
}

fn fail(bench: &mut Bench, name: &str, run: u32) {
    let failure = Failure {
        endpoint: bench.id(name),
        path: bench.path(name),
        kind: FailureKind::Connect,
        run,
        at: bench.now.at,
    };
    bench.handle(Event::Failed(failure));
}

fn tell(bench: &mut Bench, order: ServiceOrder) {
    let service = bench.engine.service_id("s1").unwrap();
    let why = "a test".into();
    let event = ServiceEvent::Told { order, why };
    bench.handle(Event::Service { service, event });
}

#[test]
fn the_first_table_is_all_unknown_and_every_endpoint_is_probed_at_once() {
    let mut bench = Bench::new();
    bench.hold_probes = true;
    bench.configure(vec![pool(
        "app",
        [endpoint("a1"), endpoint("a2"), endpoint("a3")],
    )]);
    let table = bench.table("app");
    assert!(
        table
            .endpoints
            .iter()
            .all(|row| row.state == State::Unknown)
    );
    assert_eq!(bench.probes.len(), 3);
}

#[test]
fn the_first_probe_decides_and_then_fall_counts() {
    let mut bench = three();
    bench.run(1.0);
    assert_eq!(bench.states("app"), [State::Up; 3]);
    bench.dead.insert("a2".into());
    bench.run(6.0);
    assert_eq!(bench.states("app"), [State::Up, State::Down, State::Up]);
    let view = bench.engine.pool("app").unwrap();
    assert_eq!(view.endpoints[1].why, "3 of 3 checks failed: refused");
    assert_eq!(view.endpoints[1].decided_by, DecidedBy::Check);
}

#[test]
fn it_comes_back_after_hold_and_with_a_ramp() {
    let mut bench = three();
    bench.dead.insert("a2".into());
    bench.run(5.0);
    bench.dead.clear();
    bench.run(9.0);
    assert_eq!(bench.states("app")[1], State::Down);
    bench.run(4.0);
    assert_eq!(bench.states("app")[1], State::Up);
    assert!(bench.table("app").endpoints[1].ramp.is_some());
    let view = bench.engine.pool("app").unwrap();
    assert!((10..40).contains(&view.endpoints[1].ramp_percent));
    bench.run(40.0);
    let view = bench.engine.pool("app").unwrap();
    assert_eq!(view.endpoints[1].ramp_percent, 100);
}

#[test]
fn a_pool_with_nobody_usable_comes_back_all_at_once_without_hold() {
    let mut bench = three();
    bench.run(1.0);
    bench.dead.extend(["a1", "a2", "a3"].map(String::from));
    bench.run(8.0);
    assert_eq!(bench.states("app"), [State::Down; 3]);
    bench.dead.clear();
    bench.run(1.6);
    assert_eq!(bench.states("app"), [State::Up; 3]);
    assert!(
        bench
            .table("app")
            .endpoints
            .iter()
            .all(|row| row.ramp.is_none())
    );
}

#[test]
fn a_reload_that_changes_nothing_changes_nothing() {
    let mut bench = three();
    bench.run(3.0);
    let before = bench.published;
    let now = bench.now;
    bench.configure(vec![pool(
        "app",
        [endpoint("a1"), endpoint("a2"), endpoint("a3")],
    )]);
    assert_eq!(bench.published, before);
    assert_eq!(bench.now, now);
    assert_eq!(bench.engine.poll().map(|_| ()), None);
}

#[test]
fn a_reload_keeps_what_stays_and_forgets_a_changed_address() {
    let mut bench = three();
    bench.run(1.0);
    let (a2, a3) = (bench.id("a2"), bench.id("a3"));
    bench.dead.insert("a2".into());
    bench.run(6.0);
    let shared = bench.table("app").endpoints[2].shared.clone();
    bench.hold_probes = true;
    let mut moved = endpoint("a3");
    moved.target = crate::address::Target::Address(crate::address::Address::Unix("/x".into()));
    bench.configure(vec![pool("app", [moved, endpoint("a2"), endpoint("a4")])]);
    assert_eq!((bench.id("a2"), bench.id("a3")), (a2, a3));
    assert_eq!(
        bench.states("app"),
        [State::Unknown, State::Down, State::Unknown]
    );
    assert!(Arc::ptr_eq(
        &shared,
        &bench.table("app").endpoints[0].shared
    ));
    assert_eq!(bench.engine.endpoint_id("app", "a1"), None);
    assert_eq!(bench.forgotten, ["app/a1"]);
}

#[test]
fn a_pool_taken_out_of_the_configuration_is_withdrawn() {
    let mut bench = three();
    bench.configure(vec![pool("other", [endpoint("b1")])]);
    assert!(!bench.tables.contains_key("app"));
    assert!(bench.engine.pool("app").is_none());
}

#[test]
fn five_failures_in_a_row_eject_and_a_trial_brings_back() {
    let mut bench = three();
    bench.run(1.0);
    for run in 1..=5 {
        fail(&mut bench, "a1", run);
    }
    assert_eq!(bench.states("app"), [State::Down, State::Up, State::Up]);
    let why = bench.engine.pool("app").unwrap().endpoints[0]
        .why
        .to_string();
    assert_eq!(
        why,
        "5 failures in a row: connection refused; ejected for 30s"
    );
    bench.run(30.5);
    assert_eq!(bench.states("app")[0], State::Trial);
    assert_eq!(bench.trials, [("a1".to_string(), 5)]);
    let endpoint = bench.id("a1");
    bench.handle(Event::Swept {
        endpoint,
        successes: 5,
        failures: 0,
    });
    assert_eq!(bench.states("app")[0], State::Up);
    assert!(bench.table("app").endpoints[0].ramp.is_some());
}

#[test]
fn one_failure_in_a_trial_ejects_again_for_longer() {
    let mut bench = three();
    bench.run(1.0);
    (1..=5).for_each(|run| fail(&mut bench, "a1", run));
    bench.run(31.0);
    fail(&mut bench, "a1", 1);
    assert_eq!(bench.states("app")[0], State::Down);
    bench.run(59.0);
    assert_eq!(bench.states("app")[0], State::Down);
    bench.run(2.0);
    assert_eq!(bench.states("app")[0], State::Trial);
}

#[test]
fn no_more_are_ejected_than_allowed_and_min_healthy_are_left() {
    let mut bench = three();
    bench.run(1.0);
    for name in ["a1", "a2", "a3"] {
        (1..=9).for_each(|run| fail(&mut bench, name, run));
    }
    assert_eq!(bench.states("app"), [State::Down, State::Up, State::Up]);
    let next = bench.engine.pool("app").unwrap().endpoints[1].next.clone();
    assert!(
        next.contains("would be ejected, but max_ejection is reached"),
        "{next}"
    );
    let mut bench = Bench::new();
    bench.configure(vec![pool("app", [endpoint("a1")])]);
    bench.run(1.0);
    (1..=9).for_each(|run| fail(&mut bench, "a1", run));
    assert_eq!(bench.states("app"), [State::Up]);
}

#[test]
fn without_enforcement_an_ejection_is_only_shown() {
    let mut bench = Bench::new();
    let mut spec = pool("app", [endpoint("a1"), endpoint("a2")]);
    spec.outlier.enforce = false;
    bench.configure(vec![spec]);
    bench.run(1.0);
    (1..=9).for_each(|run| fail(&mut bench, "a1", run));
    assert_eq!(bench.states("app"), [State::Up; 2]);
    let next = bench.engine.pool("app").unwrap().endpoints[0].next.clone();
    assert!(next.contains("enforce = false"), "{next}");
}

#[test]
fn a_fault_the_check_can_see_ends_the_ejection() {
    let mut bench = three();
    bench.run(1.0);
    (1..=5).for_each(|run| fail(&mut bench, "a1", run));
    bench.dead.insert("a1".into());
    bench.run(6.0);
    bench.dead.clear();
    bench.run(14.0);
    assert_eq!(bench.states("app")[0], State::Up);
}

#[test]
fn an_operators_word_covers_everything_until_taken_back() {
    let mut bench = three();
    bench.run(1.0);
    bench.order("a1", Order::Draining);
    bench.order("a2", Order::Maintenance);
    assert_eq!(
        bench.states("app"),
        [State::Draining, State::Maintenance, State::Up]
    );
    bench.dead.insert("a1".into());
    bench.run(10.0);
    assert_eq!(bench.states("app")[0], State::Draining);
    bench.order("a1", Order::Ready);
    assert_eq!(bench.states("app")[0], State::Down);
    let probed = bench.probes_of("a2");
    bench.run(10.0);
    assert_eq!(
        bench.probes_of("a2"),
        probed,
        "maintenance means no checks either"
    );
    bench.order("a2", Order::Ready);
    bench.run(0.2);
    assert_eq!(bench.states("app")[1], State::Up);
    let view = bench.engine.pool("app").unwrap();
    assert_eq!(view.endpoints[0].decided_by, DecidedBy::Check);
}

#[test]
fn weights_are_overridden_and_given_back() {
    let mut bench = three();
    let endpoint = bench.id("a1");
    let weight = Some(7);
    bench.handle(Event::Weight { endpoint, weight });
    assert_eq!(bench.table("app").endpoints[0].weight, 7);
    let weight = None;
    bench.handle(Event::Weight { endpoint, weight });
    assert_eq!(bench.table("app").endpoints[0].weight, 100);
}

#[test]
fn a_restart_carries_states_and_orders() {
    let mut bench = three();
    bench.run(1.0);
    bench.dead.insert("a1".into());
    bench.run(7.0);
    (1..=5).for_each(|run| fail(&mut bench, "a2", run));
    bench.order("a3", Order::Draining);
    let states = bench.states("app");
    assert_eq!(states, [State::Down, State::Down, State::Draining]);
    bench.hold_probes = true;
    bench.restart();
    bench.configure(vec![pool(
        "app",
        [endpoint("a1"), endpoint("a2"), endpoint("a3")],
    )]);
    assert_eq!(bench.states("app"), states);
    bench.hold_probes = false;
    bench.dead.clear();
    bench.run(3.0);
    assert_eq!(bench.states("app")[0], State::Up);
    bench.run(31.0);
    assert_eq!(bench.states("app")[1], State::Trial);
    assert_eq!(bench.states("app")[2], State::Draining);
}

#[test]
fn with_manual_failback_nobody_comes_back_until_an_operator_says_ready() {
    let mut bench = Bench::new();
    let mut spec = pool("app", [endpoint("a1"), endpoint("a2"), endpoint("a3")]);
    spec.failover.failback_auto = false;
    bench.configure(vec![spec]);
    bench.run(1.0);
    bench.dead.insert("a1".into());
    bench.run(6.0);
    bench.dead.clear();
    (1..=5).for_each(|run| fail(&mut bench, "a2", run));
    bench.run(100.0);
    assert_eq!(bench.states("app"), [State::Down, State::Down, State::Up]);
    bench.order("a1", Order::Ready);
    bench.order("a2", Order::Ready);
    assert_eq!(bench.states("app"), [State::Up, State::Trial, State::Up]);
}

#[test]
fn an_answer_under_an_old_fence_is_refused() {
    let mut bench = three();
    bench.run(1.0);
    let a1 = bench.id("a1");
    for _ in 0..20 {
        bench.handle(Event::Probed {
            endpoint: a1,
            epoch: Epoch(1),
            passed: false,
            contact: Contact::Answered,
            detail: "late".into(),
        });
    }
    assert_eq!(bench.states("app")[0], State::Up);
}

#[test]
fn a_name_is_unknown_until_resolved_and_followed_after_that() {
    let mut bench = Bench::new();
    let mut named = endpoint("n1");
    named.target = named_target();
    bench.configure(vec![pool("app", [named])]);
    bench.run(5.0);
    assert_eq!(
        (bench.states("app"), bench.probes.len()),
        (vec![State::Unknown], 0)
    );
    let endpoint = bench.id("n1");
    let at = |port| Some(crate::address::Address::Ip(([127, 0, 0, 1], port).into()));
    let target = named_target();
    let resolved = |address| Event::Resolved {
        endpoint,
        target: target.clone(),
        address,
    };
    bench.handle(resolved(at(1)));
    bench.run(0.5);
    assert_eq!(bench.states("app"), [State::Up]);
    bench.handle(resolved(None));
    assert_eq!(bench.states("app"), [State::Up]);
    bench.hold_probes = true;
    bench.handle(resolved(at(2)));
    assert_eq!(bench.states("app"), [State::Unknown]);
    assert_eq!(bench.table("app").endpoints[0].address, at(2));
}

fn named_target() -> crate::address::Target {
    crate::address::Target::Name {
        host: "db".into(),
        port: 1,
    }
}

#[test]
fn standbys_and_settings_reach_the_table() {
    let mut bench = Bench::new();
    let mut first = endpoint("a1");
    first.standby = Some("a2".into());
    let mut spec = pool("app", [first, endpoint("a2")]);
    spec.failover.mode = FailoverMode::Static;
    spec.failover.overprovision = Share::percent(120);
    bench.configure(vec![spec]);
    let table = bench.table("app");
    assert_eq!(table.endpoints[0].standby, Some(1));
    assert!(table.endpoints[1].is_standby && !table.endpoints[0].is_standby);
    assert_eq!(table.failover.overprovision, Share::percent(120));
}

#[test]
fn one_event_publishes_one_table_and_epochs_grow() {
    let mut bench = three();
    let (before, epoch) = (bench.published, bench.table("app").epoch);
    bench.order("a1", Order::Draining);
    assert_eq!(bench.published, before + 1);
    assert!(bench.table("app").epoch > epoch);
}

#[test]
fn quiet_engines_wait_for_nothing() {
    let engine = Engine::new(1, Epoch::default());
    assert_eq!(engine.next_wakeup(), None);
    let bench = three();
    assert!(bench.engine.next_wakeup().is_some());
    let due = bench.engine.next_wakeup().unwrap().since(bench.now.at);
    assert!(due <= Duration::from_secs(2));
}
