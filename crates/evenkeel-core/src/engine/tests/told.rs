//! Agents at endpoints: what they say, beside what is seen.

use crate::settings::AgentCheckSettings;

use super::*;
use crate::address::{Address, Target};
use crate::health::DecidedBy;
use crate::settings::{EndpointSpec, PoolSpec};

fn at_an_address(name: &str, last: u8) -> EndpointSpec {
    let address = std::net::SocketAddr::from(([10, 0, 0, last], 9001));
    EndpointSpec {
        target: Target::Address(Address::Ip(address)),
        ..endpoint(name)
    }
}

fn spec() -> PoolSpec {
    let agent_check = AgentCheckSettings {
        port: 9990,
        interval: Duration::from_secs(2),
    };
    PoolSpec {
        agent_check: Some(agent_check),
        ..pool("app", [at_an_address("a1", 1), at_an_address("a2", 2)])
    }
}

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.configure(vec![spec()]);
    bench.run(3.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    bench
}

fn says(bench: &mut Bench, line: &str) {
    bench.agents.insert("a1".into(), Ok(line.into()));
    bench.run(2.5);
}

fn a1(bench: &Bench) -> (State, DecidedBy, String) {
    let pool = bench.engine.pool("app").unwrap();
    let view = &pool.endpoints[0];
    (view.state, view.decided_by, view.why.to_owned())
}

#[test]
fn agent_and_check_must_agree_that_it_is_up() {
    let mut bench = bench();
    says(&mut bench, "down # disk");
    let down = (
        State::Down,
        DecidedBy::AgentCheck,
        "its agent says down: disk".to_owned(),
    );
    assert_eq!(a1(&bench), down);
    bench.run(20.0);
    assert_eq!(a1(&bench), down, "checks that pass change nothing");
    bench.dead.insert("a1".into());
    bench.run(20.0);
    assert_eq!(
        a1(&bench).1,
        DecidedBy::Check,
        "now it is the check that matters"
    );
    says(&mut bench, "up");
    assert_eq!(a1(&bench).0, State::Down);
    bench.dead.clear();
    bench.run(20.0);
    assert_eq!(a1(&bench).0, State::Up);
    assert_eq!(bench.states("app"), [State::Up; 2]);
}

#[test]
fn what_its_check_finds_is_shown_once_its_agent_takes_its_word_back() {
    let mut bench = bench();
    says(&mut bench, "down");
    bench.dead.insert("a1".into());
    bench.run(20.0);
    says(&mut bench, "drain up");
    let (state, by, why) = a1(&bench);
    assert_eq!((state, by), (State::Down, DecidedBy::Check), "{why}");
    bench.dead.clear();
    bench.run(20.0);
    assert_eq!(
        a1(&bench),
        (
            State::Draining,
            DecidedBy::AgentCheck,
            "its agent says drain".into()
        )
    );
    says(&mut bench, "ready");
    assert_eq!(a1(&bench).0, State::Up);
    let table = bench.table("app");
    assert!(
        table.endpoints[0].ramp.is_some(),
        "its share grows as after any other return"
    );
}

#[test]
fn its_share_of_the_weight_multiplies_with_an_operators() {
    let mut bench = bench();
    says(&mut bench, "5%");
    let row = |bench: &Bench| {
        let row = &bench.table("app").endpoints[0];
        (row.weight, row.relief)
    };
    assert_eq!(row(&bench), (100, 50));
    let endpoint = bench.id("a1");
    let weight = Some(40);
    bench.handle(Event::Weight { endpoint, weight });
    assert_eq!(row(&bench), (40, 50));
    assert_eq!(
        bench.engine.endpoint(endpoint).unwrap().effective_weight(),
        2
    );
    says(&mut bench, "0%");
    assert_eq!(a1(&bench).0, State::Draining);
    says(&mut bench, "100%");
    assert_eq!(row(&bench), (40, 1000));
}

#[test]
fn the_requests_it_takes_at_once_are_its_limit_until_it_says_otherwise() {
    let mut bench = bench();
    let limits = |bench: &Bench| {
        let table = bench.table("app");
        let rows = table.endpoints.iter();
        rows.map(|row| table.limit_of(row)).collect::<Vec<_>>()
    };
    says(&mut bench, "maxconn:2");
    assert_eq!(limits(&bench), [2, 0]);
    let epoch = bench.table("app").epoch;
    says(&mut bench, "up maxconn:2");
    assert_eq!(bench.table("app").epoch, epoch, "nothing is new");
    says(&mut bench, "up");
    assert_eq!(limits(&bench), [2, 0], "what it does not name stays");
    let limited = |per_endpoint| {
        let limit = crate::settings::LimitSettings {
            per_endpoint,
            ..crate::settings::LimitSettings::default()
        };
        PoolSpec { limit, ..spec() }
    };
    bench.configure(vec![limited(1)]);
    assert_eq!(limits(&bench), [1, 1], "the smaller one holds");
    bench.configure(vec![limited(5)]);
    assert_eq!(limits(&bench), [2, 5]);
    says(&mut bench, "maxconn:0");
    assert_eq!(limits(&bench), [5, 5], "0 = none of its own");
    says(&mut bench, "maxconn:3");
    bench.configure(vec![PoolSpec {
        agent_check: None,
        ..spec()
    }]);
    assert_eq!(limits(&bench), [0, 0], "without an agent nobody says so");
}

#[test]
fn an_operators_word_covers_it_and_a_silent_agent_changes_nothing() {
    let mut bench = bench();
    bench.order("a1", Order::Draining);
    says(&mut bench, "down");
    assert_eq!(a1(&bench).1, DecidedBy::Operator);
    bench.order("a1", Order::Ready);
    assert_eq!(a1(&bench).0, State::Down);
    bench.agents.clear();
    bench.run(60.0);
    assert_eq!(a1(&bench).0, State::Down);
    let pool = bench.engine.pool("app").unwrap();
    let view = pool.endpoints[0].agent_check.view().unwrap();
    assert_eq!(
        (view.line, view.trouble),
        (Some("down"), Some("connection refused"))
    );
}

#[test]
fn a_restart_carries_it_and_a_pool_without_agents_does_not() {
    let mut bench = bench();
    says(&mut bench, "maint");
    bench.restart();
    bench.configure(vec![spec()]);
    assert_eq!(a1(&bench).0, State::Maintenance);
    bench.run(3.0);
    assert_eq!(a1(&bench).0, State::Maintenance);
    bench.configure(vec![PoolSpec {
        agent_check: None,
        ..spec()
    }]);
    bench.run(10.0);
    assert_eq!(a1(&bench).0, State::Up);
    bench.restart();
    bench.configure(vec![PoolSpec {
        agent_check: None,
        ..spec()
    }]);
    bench.run(3.0);
    assert_eq!(a1(&bench).0, State::Up);
}

#[test]
fn a_policy_that_goes_by_use_is_told_what_is_free() {
    let mut bench = Bench::new();
    let policy = crate::settings::PolicySpec::named("utilization");
    bench.configure(vec![PoolSpec { policy, ..spec() }]);
    bench.run(3.0);
    says(&mut bench, "30%");
    let used = &bench.table("app").endpoints[0].shared.used;
    let used = used.read(crate::settings::Used::Own, bench.now.at);
    assert_eq!(used, Some(700));
}
