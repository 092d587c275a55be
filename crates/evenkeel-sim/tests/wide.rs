//! Five pools at once, restarts of control in the middle, and stories in which nothing is wrong. `EVENKEEL_STORIES=1000` tells
//! as many; `EVENKEEL_SEED` names one.

use evenkeel_sim::{Broken, Summary, run_calm, run_wide};

/// By default as many as fit a test; the long run is asked for.
const WIDE: u64 = 12;
const CALM: u64 = 100;

fn seeds(default: u64) -> Vec<u64> {
    let number = |name| {
        let text: Option<String> = std::env::var(name).ok();
        text.map(|text| text.parse::<u64>().expect("a number"))
    };
    match (number("EVENKEEL_SEED"), number("EVENKEEL_STORIES")) {
        (Some(seed), _) => vec![seed],
        (None, stories) => (0..stories.unwrap_or(default).max(default)).collect(),
    }
}

/// Every story, on as many threads as there are cores.
#[expect(clippy::print_stdout, reason = "a long run says how far it is")]
fn tell(seeds: &[u64], run: fn(u64) -> Result<Summary, Broken>) -> Vec<Summary> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let part = seeds.len().div_ceil(threads);
    let told: Vec<_> = std::thread::scope(|scope| {
        let parts = seeds.chunks(part.max(1)).map(|seeds| {
            let seeds = seeds.to_vec();
            scope.spawn(move || {
                let told = seeds.into_iter().enumerate().map(|(told, seed)| {
                    if told % 50 == 49 {
                        println!("{} stories told, now {seed}", told + 1);
                    }
                    run(seed)
                });
                told.collect::<Vec<_>>()
            })
        });
        let parts: Vec<_> = parts.collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().expect("no story panics"))
            .collect()
    });
    let broken: Vec<_> = told.iter().filter_map(|told| told.as_ref().err()).collect();
    let words: Vec<_> = broken.iter().map(ToString::to_string).collect();
    assert!(
        broken.is_empty(),
        "{} of {} broken:\n{}",
        broken.len(),
        seeds.len(),
        words.join("\n")
    );
    told.into_iter().flatten().collect()
}

fn sum(told: &[Summary], of: impl Fn(&Summary) -> u64) -> u64 {
    told.iter().map(of).sum()
}

#[test]
fn every_invariant_holds_over_five_pools() {
    let told = tell(&seeds(WIDE), run_wide);
    println!(
        "{} stories over 5 pools: {} requests, {} changes of state, {} ejections, {} changes of address, {} restarts of control, {} deaths of agents, {} connections of agents, {} refused, {} incidents, {} actions begun, {} orders, {} carried out by agents, {} refused by them as stale, {} ailments cured, {:.1} MiB of journal replayed, all healed, the slowest after {:.1} s",
        told.len(),
        sum(&told, |s| s.requests),
        sum(&told, |s| s.changes),
        sum(&told, |s| s.ejections),
        sum(&told, |s| s.switches),
        sum(&told, |s| s.restarts),
        sum(&told, |s| s.agent_deaths),
        sum(&told, |s| s.lines),
        sum(&told, |s| s.strangers),
        sum(&told, |s| s.incidents),
        sum(&told, |s| s.actions),
        sum(&told, |s| s.orders),
        sum(&told, |s| s.agent_orders),
        sum(&told, |s| s.stale_orders),
        sum(&told, |s| s.cured),
        sum(&told, |s| s.journalled) as f64 / f64::from(1 << 20),
        told.iter().map(|s| s.healed_after_ms).max().unwrap_or(0) as f64 / 1000.0,
    );
    if told.len() > 1 {
        // The stories must not be empty ones.
        let (restarts, incidents) = (sum(&told, |s| s.restarts), sum(&told, |s| s.incidents));
        let switches = sum(&told, |s| s.switches);
        assert!(
            restarts > 5 && incidents > 50 && switches > 5,
            "{restarts} restarts, {incidents} incidents, {switches} changes of address"
        );
    }
}

#[test]
fn nothing_is_done_where_nothing_is_wrong() {
    let told = tell(&seeds(CALM), run_calm);
    println!(
        "{} calm stories: {} requests, {} failed, {} ejections",
        told.len(),
        sum(&told, |s| s.requests),
        sum(&told, |s| s.failed),
        sum(&told, |s| s.ejections)
    );
    assert_eq!(sum(&told, |s| s.ejections), 0);
}
