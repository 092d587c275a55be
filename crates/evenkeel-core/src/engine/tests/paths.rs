//! An endpoint on two networks, in the whole engine.

use std::net::IpAddr;

use super::super::*;
use super::bench::{Bench, endpoint, pool};
use crate::address::{Address, Target};
use crate::diagnose::{Cause, Evidence, Scope};
use crate::observe::{Failure, FailureKind};
use crate::settings::{EndpointSpec, RecoveryMode};
use crate::table::State;

fn ip(network: u8, host: u8) -> Address {
    Address::Ip((IpAddr::from([10, network, 0, host]), 80).into())
}

fn twice(name: &str, host: u8) -> EndpointSpec {
    EndpointSpec {
        target: Target::Address(ip(1, host)),
        others: vec![Target::Address(ip(2, host))],
        machine: Some(format!("m{host}").into()),
        ..endpoint(name)
    }
}

fn two() -> Bench {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.configure(vec![pool("app", [twice("a1", 1), twice("a2", 2)])]);
    bench.run(5.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    bench
}

fn address(bench: &Bench, at: usize) -> Address {
    bench.table("app").endpoints[at].address.clone().unwrap()
}

fn fail(bench: &mut Bench, name: &str, kind: FailureKind, path: crate::id::PathId, run: u32) {
    let failure = Failure {
        endpoint: bench.id(name),
        path,
        kind,
        run,
        at: bench.now.at,
    };
    bench.handle(Event::Failed(failure));
}

#[test]
fn a_cut_path_is_left_before_the_endpoint_is_down_and_that_is_an_incident_of_the_path() {
    let mut bench = two();
    let path = bench.path("a1");
    bench.cut.insert(ip(1, 1));
    for run in 1..=4 {
        fail(&mut bench, "a1", FailureKind::ConnectTimeout, path, run);
    }
    bench.run(0.6);
    assert_eq!(address(&bench, 0), ip(2, 1));
    assert_eq!(address(&bench, 1), ip(1, 2));
    assert_eq!(bench.states("app"), [State::Up; 2]);
    bench.run(4.0);
    let incident = bench.engine.incident(1).expect("one incident");
    assert_eq!(
        incident.cause(),
        Cause::NetworkPathCut,
        "{:?}",
        incident.causes
    );
    assert_eq!(incident.scope, Scope::Path);
    assert!(incident.closed.is_some());
    let actions: Vec<_> = incident.actions.iter().collect();
    assert_eq!(actions.len(), 1);
    assert_eq!(actions[0].action, "switch_network");
    assert_eq!(actions[0].outcome, crate::incident::Outcome::Cured);
    let elsewhere =
        |e: &crate::incident::EvidenceRecord| e.evidence == Evidence::AnswersElsewhere && e.present;
    assert!(incident.evidence.iter().any(elsewhere));
}

#[test]
fn an_idle_endpoint_whose_path_is_cut_is_reached_by_the_other_too() {
    let mut bench = two();
    bench.cut.insert(ip(1, 1));
    bench.run(4.0);
    assert_eq!(address(&bench, 0), ip(2, 1));
    assert_eq!(bench.states("app"), [State::Up; 2]);
}

#[test]
fn late_failures_of_the_old_path_do_not_count_against_the_new_one() {
    let mut bench = two();
    let old = bench.path("a1");
    bench.cut.insert(ip(1, 1));
    bench.run(4.0);
    let switches = bench.switches.len();
    for run in 1..=50 {
        fail(&mut bench, "a1", FailureKind::ConnectTimeout, old, run);
    }
    let endpoint = bench.id("a1");
    bench.handle(Event::Swept {
        endpoint,
        successes: 0,
        failures: 50,
    });
    bench.run(5.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    assert_eq!(bench.switches.len(), switches);
    // Those of the new one do.
    let new = bench.path("a1");
    for run in 1..=5 {
        fail(&mut bench, "a1", FailureKind::Reset, new, run);
    }
    assert_eq!(bench.states("app")[0], State::Down);
}

#[test]
fn an_ejection_for_want_of_connections_ends_with_the_path() {
    let mut bench = two();
    let path = bench.path("a1");
    bench.cut.extend([ip(1, 1), ip(2, 1)]);
    for run in 1..=5 {
        fail(&mut bench, "a1", FailureKind::ConnectTimeout, path, run);
    }
    bench.run(0.2);
    assert_eq!(bench.states("app")[0], State::Down);
    bench.cut.remove(&ip(2, 1));
    bench.run(1.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    assert_eq!(address(&bench, 0), ip(2, 1));
}

#[test]
fn a_dead_process_is_not_looked_for_on_another_network() {
    let mut bench = two();
    bench.dead.insert("a1".into());
    let path = bench.path("a1");
    for run in 1..=20 {
        fail(&mut bench, "a1", FailureKind::Connect, path, run);
    }
    bench.run(10.0);
    assert_eq!(bench.states("app")[0], State::Down);
    assert!(bench.switches.is_empty());
    assert_eq!(address(&bench, 0), ip(1, 1));
    let incident = bench.engine.incident(1).expect("one incident");
    assert_ne!(incident.cause(), Cause::NetworkPathCut);
}

#[test]
fn a_network_that_fails_for_all_is_left_by_all_and_is_not_taken_for_our_own_fault() {
    let mut bench = two();
    bench.cut.extend([ip(1, 1), ip(1, 2)]);
    bench.run(6.0);
    assert_eq!(address(&bench, 0), ip(2, 1));
    assert_eq!(address(&bench, 1), ip(2, 2));
    assert_eq!(bench.states("app"), [State::Up; 2]);
    assert!(bench.engine.cut().is_none());
}

#[test]
fn the_first_path_comes_back_without_anybody_being_down_or_an_incident() {
    let mut bench = two();
    bench.cut.insert(ip(1, 1));
    bench.run(5.0);
    let incidents = bench.engine.incidents().len();
    bench.cut.clear();
    bench.run(20.0);
    assert_eq!(address(&bench, 0), ip(1, 1));
    assert!(bench.switches.last().unwrap().change.back);
    assert_eq!(bench.engine.incidents().len(), incidents);
    assert_eq!(bench.states("app"), [State::Up; 2]);
}

#[test]
fn with_manual_failback_ready_brings_the_first_path_back() {
    let mut bench = Bench::new();
    let mut spec = pool("app", [twice("a1", 1), twice("a2", 2)]);
    spec.failover.failback_auto = false;
    bench.configure(vec![spec]);
    bench.run(5.0);
    bench.cut.insert(ip(1, 1));
    bench.run(5.0);
    bench.cut.clear();
    bench.run(60.0);
    assert_eq!(address(&bench, 0), ip(2, 1));
    let view = bench.engine.endpoint(bench.id("a1")).unwrap();
    assert!(
        view.next.contains("when an operator says ready"),
        "{}",
        view.next
    );
    bench.order("a1", Order::Ready);
    assert_eq!(address(&bench, 0), ip(1, 1));
}

#[test]
fn the_address_in_use_outlives_a_restart() {
    let mut bench = two();
    bench.cut.insert(ip(1, 1));
    bench.run(5.0);
    bench.restart();
    bench.configure(vec![pool("app", [twice("a1", 1), twice("a2", 2)])]);
    assert_eq!(address(&bench, 0), ip(2, 1));
    bench.run(2.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
}

#[test]
fn what_was_sent_again_stands_in_the_incident_of_its_pool_even_if_that_is_over() {
    let mut bench = two();
    let redone = |redone, given_up| Event::Redone {
        pool: "app".into(),
        redone,
        given_up,
    };
    bench.handle(redone(1, 0));
    assert!(
        bench.engine.incidents().is_empty(),
        "there is none to say it in"
    );
    bench.cut.insert(ip(1, 1));
    bench.run(3.0);
    bench.handle(redone(12, 0));
    bench.run(10.0);
    bench.handle(redone(0, 3));
    let incident = bench.engine.incident(1).unwrap();
    assert!(incident.closed.is_some());
    let redo = incident.actions.iter().filter(|a| a.action == "redo");
    let told: Vec<_> = redo.map(|a| (a.outcome, a.target.as_str())).collect();
    use crate::incident::Outcome::{Cured, Failed};
    assert_eq!(
        told.iter().map(|(outcome, _)| *outcome).collect::<Vec<_>>(),
        [Cured, Failed]
    );
}

#[test]
fn who_is_only_to_advise_says_where_it_would_go_once_and_who_is_off_says_nothing() {
    for (mode, said) in [(RecoveryMode::Advise, 1), (RecoveryMode::Off, 0)] {
        let mut bench = Bench::new();
        let mut spec = pool("app", [twice("a1", 1), twice("a2", 2)]);
        spec.recovery.mode = mode;
        bench.configure(vec![spec]);
        bench.run(5.0);
        bench.cut.insert(ip(1, 1));
        bench.run(20.0);
        assert!(bench.switches.is_empty());
        assert_eq!(bench.states("app")[0], State::Down);
        let would = |text: &&String| text.contains("10.2.0.1:80, but recovery only advises");
        assert_eq!(
            bench.said.iter().filter(would).count(),
            said,
            "{:?}",
            bench.said
        );
    }
}

#[test]
fn in_maintenance_no_address_is_asked() {
    let mut bench = two();
    bench.order("a1", Order::Maintenance);
    let before = bench.probes_of("a1");
    bench.run(60.0);
    assert_eq!(bench.probes_of("a1"), before);
    bench.order("a1", Order::Ready);
    bench.run(20.0);
    assert!(bench.probes_of("a1") > before + 10);
}
