//! What comparison with the others comes to: suspicion, its probe, ejection, and what is only shown.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::*;
use super::bench::{Bench, endpoint, pool};
use crate::counters::Lane;
use crate::health::traffic::{By, Measured};
use crate::settings::{CheckKind, PoolSpec};
use crate::table::State;
use crate::times::Spread;

const NAMES: [&str; 3] = ["a1", "a2", "a3"];

/// A pool under traffic: so many requests of each endpoint every 100 ms, answered in 3 ms, but for one that is silent.
struct Traffic {
    bench: Bench,
    lanes: BTreeMap<&'static str, Lane>,
    times: BTreeMap<&'static str, Spread>,
    silent: Option<&'static str>,
    /// Of ten requests at a2, so many fail.
    failing: u64,
    /// What an answer of a2 takes.
    takes: Duration,
    sweeps: u64,
}

fn spec() -> PoolSpec {
    let mut spec = pool("app", NAMES.map(endpoint));
    spec.check.kind = CheckKind::Http {
        path: "/".into(),
        host: None,
        headers: Vec::new(),
        expect: vec![(200, 399)],
        body: None,
    };
    spec
}

fn traffic(spec: PoolSpec) -> Traffic {
    let mut bench = Bench::new();
    bench.configure(vec![spec]);
    Traffic {
        bench,
        lanes: BTreeMap::new(),
        times: BTreeMap::new(),
        silent: None,
        failing: 0,
        takes: Duration::from_millis(3),
        sweeps: 0,
    }
}

impl Traffic {
    fn sweep(&mut self) {
        let since = self.bench.now.at;
        self.bench.run(0.1);
        self.sweeps += 1;
        let mut endpoints = BTreeMap::new();
        for name in NAMES {
            let lane = self.lanes.entry(name).or_default();
            let times = self.times.entry(name).or_default();
            let row = self.bench.id(name);
            let table = self.bench.table("app");
            let row = table.endpoints.iter().find(|r| r.id == row).unwrap();
            if row.trusted() {
                let failed = if name == "a2" { self.failing } else { 0 };
                lane.handed += 10;
                if self.silent != Some(name) {
                    lane.settled += 10;
                    lane.failures += failed;
                    lane.successes += 10 - failed;
                    let takes = match name {
                        "a2" => self.takes,
                        _ => Duration::from_millis(3),
                    };
                    (0..10).for_each(|_| times.observe(takes));
                }
            }
            let measured = Measured {
                lanes: vec![*lane],
                times: self.sweeps.is_multiple_of(10).then(|| times.clone()),
                in_flight: 0,
            };
            endpoints.insert(self.bench.id(name), measured);
        }
        let pool = self.bench.engine.pool_id("app").unwrap();
        self.bench.handle(Event::Measured {
            pool,
            since,
            endpoints,
        });
    }

    fn run(&mut self, sweeps: u64) {
        (0..sweeps).for_each(|_| self.sweep());
    }

    /// Until somebody is suspected, for a second at most.
    fn until_suspected(&mut self) {
        for _ in 0..10 {
            self.sweep();
            if self.suspects() > 0 {
                return;
            }
        }
        panic!("nobody was suspected");
    }

    fn suspects(&self) -> usize {
        let table = self.bench.table("app");
        table.endpoints.iter().filter(|row| row.suspect).count()
    }

    fn view(&self) -> EndpointView<'_> {
        let id = self.bench.id("a2");
        self.bench.engine.endpoint(id).unwrap()
    }
}

#[test]
fn a_silent_endpoint_is_suspected_and_a_failed_probe_ejects_it_with_the_evidence() {
    let mut traffic = traffic(spec());
    traffic.run(30);
    traffic.bench.hold_probes = true;
    traffic.silent = Some("a2");
    traffic.until_suspected();
    let view = traffic.view();
    assert_eq!(view.state, State::Up);
    assert!(
        view.next
            .starts_with("suspected, a probe decides: not a byte for "),
        "{}",
        view.next
    );
    traffic.bench.hold_probes = false;
    traffic.bench.dead.insert("a2".into());
    // The probe that was held is lost; the next one fails.
    traffic.bench.run(2.5);
    assert_eq!(
        traffic.bench.states("app"),
        [State::Up, State::Down, State::Up]
    );
    assert_eq!(traffic.suspects(), 0);
    let view = traffic.view();
    assert_eq!(view.decided_by, DecidedBy::Outlier);
    assert!(
        view.why
            .contains("; its probe failed too: refused; ejected for 30s"),
        "{}",
        view.why
    );
    assert_eq!(view.ejections[By::Stall as usize], 1);
}

#[test]
fn who_comes_back_and_still_crawls_is_in_the_same_incident() {
    let mut spec = spec();
    spec.outlier.base_ejection = Duration::from_secs(2);
    (spec.failover.hold, spec.failover.ramp) = (Duration::ZERO, Duration::ZERO);
    let mut traffic = traffic(spec);
    traffic.run(30);
    traffic.takes = Duration::from_millis(400);
    let mut outs = 0;
    let mut was = State::Up;
    for _ in 0..600 {
        traffic.sweep();
        let state = traffic.bench.states("app")[1];
        outs += u32::from(state == State::Down && was != State::Down);
        was = state;
    }
    assert!(outs >= 2, "ejected again: {outs}");
    let records = traffic.bench.engine.incidents();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert!(records[0].closed.is_none());
    traffic.takes = Duration::from_millis(3);
    traffic.run(400);
    let records = traffic.bench.engine.incidents();
    assert!(records.len() == 1 && records[0].closed.is_some());
}

#[test]
fn a_passed_probe_clears_a_suspect_at_once() {
    let mut traffic = traffic(spec());
    traffic.run(30);
    traffic.silent = Some("a2");
    let probes = traffic.bench.probes_of("a2");
    for _ in 0..4 {
        traffic.sweep();
    }
    assert!(traffic.bench.probes_of("a2") > probes);
    assert_eq!(traffic.suspects(), 0);
    assert_eq!(traffic.bench.states("app"), [State::Up; 3]);
}

#[test]
fn ejected_for_silence_it_is_tried_again_once_its_probes_pass() {
    let mut traffic = traffic(spec());
    traffic.run(30);
    traffic.silent = Some("a2");
    traffic.bench.dead.insert("a2".into());
    traffic.run(5);
    assert_eq!(traffic.bench.states("app")[1], State::Down);
    traffic.bench.dead.clear();
    traffic.bench.run(1.1);
    assert_eq!(traffic.bench.states("app")[1], State::Trial);
}

#[test]
fn what_is_not_enforced_is_shown_with_its_numbers_and_counted() {
    let mut spec = spec();
    spec.outlier.enforce = false;
    spec.outlier.consecutive_failures = 0;
    let mut traffic = traffic(spec);
    traffic.run(30);
    traffic.failing = 5;
    traffic.run(10);
    assert_eq!(traffic.bench.states("app"), [State::Up; 3]);
    let view = traffic.view();
    assert!(
        view.next
            .contains("would be ejected, but enforce = false: "),
        "{}",
        view.next
    );
    assert!(
        view.next
            .contains("requests failed in 1 s, its peers 0 of "),
        "{}",
        view.next
    );
    assert!(view.spared[By::SuccessRate as usize] > 0);
    assert_eq!(view.ejections.iter().sum::<u64>(), 0);
    traffic.failing = 0;
    traffic.silent = Some("a2");
    traffic.run(10);
    assert_eq!(traffic.suspects(), 0);
    assert!(traffic.view().spared[By::Stall as usize] > 0);
}

#[test]
fn with_nobody_else_up_there_is_no_suspicion() {
    let mut traffic = traffic(spec());
    traffic.run(30);
    for name in ["a1", "a3"] {
        traffic.bench.order(name, Order::Draining);
    }
    traffic.silent = Some("a2");
    traffic.run(20);
    assert_eq!(traffic.suspects(), 0);
}

#[test]
fn a_third_of_failing_requests_ejects_with_the_numbers() {
    let mut traffic = traffic(spec());
    traffic.run(30);
    traffic.failing = 3;
    traffic.run(10);
    assert_eq!(
        traffic.bench.states("app"),
        [State::Up, State::Down, State::Up]
    );
    let why = traffic.view().why.to_string();
    assert!(why.ends_with("; ejected for 30s"), "{why}");
    assert!(
        why.contains(" requests failed in 1 s, its peers 0 of "),
        "{why}"
    );
}
