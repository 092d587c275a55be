//! Prevention from facts to the table.

use super::*;
use crate::facts::MachineFacts;
use crate::settings::{PreventionMode, PreventionSettings};

/// Two endpoints with a service each, which may use one core.
fn two(mode: PreventionMode) -> Bench {
    let mut bench = Bench::new();
    bench.services = vec![service("a1", Ready::None), service("a2", Ready::None)];
    let with = |name: &str| crate::settings::EndpointSpec {
        service: Some(name.into()),
        ..endpoint(name)
    };
    let mut spec = pool("app", [with("a1"), with("a2")]);
    spec.prevention = PreventionSettings { mode };
    bench.configure(vec![spec]);
    bench.run(20.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    bench
}

/// Seconds in which they use so much.
fn seconds(bench: &mut Bench, n: u32, millicores: [u32; 2]) {
    for _ in 0..n {
        bench.run(1.0);
        let of = |(name, used): (&str, u32)| ServiceFacts {
            cpu_millicores: Some(used),
            memory_bytes: 1 << 20,
            cpu_limit: Some(Limit {
                max: 1000,
                way: LimitWay::Cgroup2,
                why: String::new(),
            }),
            ..ServiceFacts::known_as(name, 1)
        };
        let services = ["a1", "a2"].into_iter().zip(millicores).map(of);
        bench.handle(Event::Facts(std::sync::Arc::new(Facts {
            machine: MachineFacts::default(),
            services: services.collect(),
        })));
    }
}

fn reliefs(bench: &Bench) -> Vec<u32> {
    let rows = bench.table("app").endpoints.iter();
    rows.map(|row| row.relief).collect()
}

#[test]
fn weight_moves_off_a_hot_service_and_comes_back() {
    let mut bench = two(PreventionMode::Act);
    seconds(&mut bench, 30, [990, 100]);
    let found = reliefs(&bench);
    assert!(found[0] < 1000 && found[1] == 1000, "{found:?}");
    let id = bench.id("a1");
    let view = bench.engine.endpoint(id).unwrap();
    assert!(view.relief.why().unwrap().1.starts_with("CPU at 99 %"));
    // Nothing is heard any more, as when an agent dies: it goes back by itself.
    bench.run(200.0);
    assert_eq!(reliefs(&bench), [1000, 1000]);
}

#[test]
fn a_policy_that_goes_by_use_is_told_of_it_and_when_nothing_is_known_any_more() {
    let mut bench = two(PreventionMode::Off);
    let mut spec = bench.engine.pool("app").unwrap().spec.clone();
    spec.policy = crate::settings::PolicySpec::named("utilization");
    bench.configure(vec![spec]);
    bench.run(1.0);
    let taken = |bench: &Bench| {
        let table = bench.table("app");
        let mut picker = crate::balance::Picker::new(table, 1);
        let request = crate::balance::Request::at(bench.now.at);
        let mut taken = [0; 2];
        for _ in 0..100 {
            if let crate::balance::Choice::Endpoint(index) = picker.pick(table, &request) {
                taken[index] += 1;
            }
        }
        taken
    };
    seconds(&mut bench, 1, [810, 100]);
    assert_eq!(taken(&bench), [0, 100]);
    // Everybody is above the ceiling: then as ever.
    seconds(&mut bench, 1, [810, 900]);
    assert_eq!(taken(&bench), [50, 50]);
    seconds(&mut bench, 1, [100, 900]);
    assert_eq!(taken(&bench), [100, 0]);
    bench.run(16.0);
    bench.handle(Event::Facts(Default::default()));
    assert_eq!(taken(&bench), [50, 50]);
}

#[test]
fn advice_moves_nothing_and_a_reload_to_it_takes_back_what_moved() {
    let mut bench = two(PreventionMode::Act);
    seconds(&mut bench, 30, [990, 100]);
    let mut spec = bench.engine.pool("app").unwrap().spec.clone();
    spec.prevention.mode = PreventionMode::Advise;
    bench.configure(vec![spec]);
    seconds(&mut bench, 30, [990, 100]);
    assert_eq!(reliefs(&bench), [1000, 1000]);
    let id = bench.id("a1");
    assert!(bench.engine.endpoint(id).unwrap().heat.unwrap().percent > 90);
}

#[test]
fn a_pool_that_is_hot_all_over_lets_less_in_and_opens_again() {
    let mut bench = two(PreventionMode::Act);
    let in_flight = |bench: &mut Bench, in_flight: u32| {
        let measured = || crate::health::traffic::Measured {
            lanes: vec![Default::default()],
            times: None,
            in_flight,
        };
        let ids = [bench.id("a1"), bench.id("a2")];
        bench.handle(Event::Measured {
            pool: bench.engine.pool_id("app").unwrap(),
            since: bench.now.at,
            endpoints: ids.map(|id| (id, measured())).into(),
        });
    };
    for _ in 0..40 {
        in_flight(&mut bench, 0);
        in_flight(&mut bench, 20);
        seconds(&mut bench, 1, [990, 990]);
    }
    assert_eq!(reliefs(&bench), [1000, 1000]);
    let limit = &bench.table("app").limit;
    assert_eq!((limit.per_endpoint, limit.queue), (10, 80));
    seconds(&mut bench, 40, [990, 100]);
    let limit = &bench.table("app").limit;
    assert_eq!((limit.per_endpoint, limit.queue), (0, 1000));
}
