//! What the journal costs the loop that drives the engine: printed, and held to a bound that only an accident passes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evenkeel_core::counters::Lane;
use evenkeel_core::health::traffic::Measured;
use evenkeel_core::id::PoolId;
use evenkeel_core::times::Spread;

use super::*;
use crate::Recorder;

/// One sweep under load: three endpoints, two workers, times once a second.
fn sweep(n: u64) -> Event {
    let lane = |grown: u64| Lane {
        successes: n * grown,
        failures: n / 100,
        unheard: n / 200,
        handed: n * grown + 3,
        settled: n * grown,
        answered: grown,
        in_vain: n / 300,
    };
    let times = n.is_multiple_of(10).then(|| {
        let mut spread = Spread::default();
        (1..20).for_each(|k| spread.observe(Duration::from_micros(100 * k * k)));
        spread
    });
    let measured = |id| {
        let measured = Measured {
            lanes: vec![lane(90), lane(110)],
            times: times.clone(),
            in_flight: 3,
        };
        (EndpointId(id), measured)
    };
    Event::Measured {
        pool: PoolId(1),
        since: now(n * 100 - 100).at,
        endpoints: (1..4).map(measured).collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn a_sweep_costs_the_loop_little() {
    const SWEEPS: u64 = 5_000;
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::new(1, Epoch(7));
    engine.handle(configuration(), now(0));
    let mut plain = postcard::to_stdvec(&engine)
        .map(|bytes| Engine::restore(&mut postcard::Deserializer::from_bytes(&bytes)).unwrap())
        .unwrap();
    let mut recorder = Recorder::start(folder.path().to_owned(), 1);
    let (mut with, mut without) = (Duration::ZERO, Duration::ZERO);
    for n in 1..=SWEEPS {
        let (event, same) = (sweep(n), sweep(n));
        let began = Instant::now();
        plain.handle(event, now(n * 100));
        while plain.poll().is_some() {}
        without += began.elapsed();
        let began = Instant::now();
        recorder.handle(&mut engine, same, now(n * 100));
        while engine.poll().is_some() {}
        recorder.flush();
        with += began.elapsed();
    }
    recorder.close();
    let view = recorder.view();
    let each = with.saturating_sub(without) / SWEEPS as u32;
    println!(
        "{each:?} and {} bytes for each sweep of 3 endpoints and 2 workers; the engine itself {:?}",
        view.bytes / SWEEPS,
        without / SWEEPS as u32
    );
    assert!(each < Duration::from_millis(5), "{each:?}");
}
