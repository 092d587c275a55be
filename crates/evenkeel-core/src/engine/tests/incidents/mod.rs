//! Faults as incidents, each told as one small story.

mod record;
mod scope;
mod starting;

use std::time::Duration;

use super::bench::{Bench, endpoint, pool, see, service};
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

/// The check is refused once a second.
fn refused(bench: &mut Bench, name: &str, seconds: u32) {
    for _ in 0..seconds {
        see(bench, name, Evidence::ConnectionRefused);
        bench.run(1.0);
    }
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
fn an_endpoint_that_is_refused_is_most_probably_dead() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    bench.dead.insert("a1".into());
    refused(&mut bench, "a1", 5);
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::ProcessDead, "{record:#?}");
    assert_eq!(record.scope, Scope::Endpoint);
    assert!(record.times.detect.is_some_and(|ms| ms > 0));
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
