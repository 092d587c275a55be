//! What a pick costs, for each policy, among 10 and among 1,000 endpoints: `cargo xtask score picks` prints it.
//!
//! Endpoints have some requests in flight, keys are different each time, and each pick is counted in flight until sixteen
//! later ones are made, with an answer time told to policies that learn. Of many short rounds the fastest counts: the others
//! had more of the machine's noise in them.
#![allow(clippy::print_stdout)]

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use evenkeel_core::address::Address;
use evenkeel_core::balance::{Choice, End, Ended, Entry, Kind, Note, POLICIES, Picker, Request};
use evenkeel_core::id::EndpointId;
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::PolicySpec;
use evenkeel_core::table::{EndpointRow, PoolTable};
use evenkeel_core::time::Time;

const ENDPOINTS: [usize; 2] = [10, 1000];
const PICKS: u64 = 500;
const ROUNDS: usize = 500;
/// A pick is over when so many others were made.
const OPEN: usize = 16;
/// Requests are of so many sorts.
const ROUTES: u32 = 8;
/// Bounds in nanoseconds: among 10, among 1,000, and there for rules that have to look at everybody.
const BOUNDS: [f64; 3] = [100.0, 300.0, 3000.0];
/// Rules that do.
const LOOK_AT_ALL: [&str; 8] = [
    "round_robin",
    "least_requests",
    "least_time",
    "load_inverse",
    "utilization",
    "source_ip",
    "rendezvous",
    "ring_hash",
];

fn table(policy: &str, n: usize) -> PoolTable {
    let address = Address::Ip(([127, 0, 0, 1], 9001).into());
    let row = |n: usize| {
        let (id, name) = (EndpointId(n as u32), format!("endpoint-{n}"));
        EndpointRow::new(id, &name, address.clone(), 1)
    };
    let rows = (0..n).map(row).collect();
    PoolTable::new("app", PolicySpec::named(policy), rows)
}

/// Nanoseconds a pick.
fn cost(entry: &Entry, n: usize) -> f64 {
    let table = table(entry.part.name, n);
    let mut rng = Rng::new(7);
    for row in &table.endpoints {
        row.shared.in_flight.store(rng.below(5) as u32, Relaxed);
    }
    let mut picker = Picker::new(&table, 1);
    let mut open: [Option<(usize, Note)>; OPEN] = [None; OPEN];
    let mut best = f64::INFINITY;
    for round in 0..ROUNDS {
        let mut spent = Duration::ZERO;
        for pick in 0..PICKS {
            let now = Time::from_nanos((round as u64 * PICKS + pick + 1) * 20_000);
            let kind = Kind {
                route: 1 + pick as u32 % ROUTES,
                ..Kind::default()
            };
            let request = Request::at(now).keyed(Some(rng.draw())).of_kind(kind);
            let place = &mut open[pick as usize % OPEN];
            if let Some((index, note)) = place.take() {
                let row: &EndpointRow = &table.endpoints[index];
                row.shared.in_flight.fetch_sub(1, Relaxed);
                // Some are slower than others: what there is to be learned is learned.
                let slower = 300 * (index as u64 % 4);
                let end = End::Answered(Duration::from_micros(1000 + slower + rng.below(500)));
                let at = now;
                picker.ended(table.epoch, index, &Ended { at, end, note });
            }
            let began = Instant::now();
            let choice = picker.pick(&table, &request);
            spent += began.elapsed();
            if let Choice::Endpoint(index) = choice {
                table.endpoints[index]
                    .shared
                    .in_flight
                    .fetch_add(1, Relaxed);
                *place = Some((index, picker.note()));
            }
        }
        best = best.min(spent.as_nanos() as f64 / PICKS as f64);
    }
    best - clock()
}

/// What reading the clock twice costs by itself.
fn clock() -> f64 {
    let round = |_| {
        let spent: Duration = (0..PICKS).map(|_| Instant::now().elapsed()).sum();
        spent.as_nanos() as f64 / PICKS as f64
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

fn main() -> std::process::ExitCode {
    println!(
        "| policy | ns among {} | ns among {} | bound |",
        ENDPOINTS[0], ENDPOINTS[1]
    );
    println!("| --- | --- | --- | --- |");
    let mut broken = false;
    for entry in POLICIES {
        let name = entry.part.name;
        let costs = ENDPOINTS.map(|n| cost(entry, n));
        let many = match LOOK_AT_ALL.contains(&name) {
            true => BOUNDS[2],
            false => BOUNDS[1],
        };
        broken |= costs[0] > BOUNDS[0] || costs[1] > many;
        println!(
            "| `{name}` | {:.0} | {:.0} | {:.0}, {many:.0} |",
            costs[0], costs[1], BOUNDS[0]
        );
    }
    match broken {
        true => std::process::ExitCode::FAILURE,
        false => std::process::ExitCode::SUCCESS,
    }
}
