//! Ten thousand mutations of the corpus. Of whatever arrives the judge must find nothing wrong; everything gets its answer; what is
//! right beyond doubt arrives.
//!
//! A failure names its seeds; `EVENKEEL_SEEDS=7..8 cargo test -p evenkeel-proxy --test hostile mutations` repeats the seventh, and
//! a wider range goes on where the test stops.

use std::thread;

use crate::answers::Answer;
use crate::corpus::{Case, Wanted, requests};
use crate::doubt::{beyond_doubt, delimit};
use crate::mutate::{Pool, mutant};
use crate::random::Random;
use crate::stage::{Stage, number};

/// Requests made of the corpus.
const MUTANTS: u64 = 10_000;
/// Each has a proxy and an endpoint of its own, so that it is known what arrived of which.
const STAGES: u64 = 4;
/// Longer ones would only take longer.
const LEN_MAX: usize = 2000;

/// This share of the seeds to be tried: below `count`, or a range given by hand.
pub(crate) fn seeds(share: u64, shares: u64, count: u64) -> impl Iterator<Item = u64> {
    let given = std::env::var("EVENKEEL_SEEDS").ok();
    let range = given.map(|given| {
        let (from, to) = given.split_once("..").expect("EVENKEEL_SEEDS is FROM..TO");
        let number = |text: &str| text.parse().expect("EVENKEEL_SEEDS is FROM..TO");
        number(from)..number(to)
    });
    let range = range.unwrap_or(0..count);
    range.filter(move |seed| seed % shares == share)
}

#[test]
fn nothing_ambiguous_arrives_of_ten_thousand_mutations_and_each_is_answered() {
    let cases = requests();
    let pool = pool(&cases);
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let workers: Vec<_> = (0..STAGES)
            .map(|share| {
                let pool = &pool;
                scope.spawn(move || try_all(pool, seeds(share, STAGES, MUTANTS)))
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let mut faults = Vec::new();
    let (mut arrived, mut certain, mut refused) = (0, 0, 0);
    for mut tally in tallies {
        faults.append(&mut tally.faults);
        arrived += tally.arrived;
        certain += tally.certain;
        refused += tally.refused;
    }
    println!(
        "{arrived} requests arrived, {certain} of them right beyond doubt; {refused} refusals"
    );
    crate::report(&faults);
}

fn pool(cases: &[Case]) -> Pool<'_> {
    let short = cases.iter().filter(|case| case.bytes.len() < LEN_MAX);
    let (wrong, right): (Vec<&Case>, Vec<&Case>) =
        short.partition(|case| matches!(case.wanted, Wanted::Refused(_)));
    Pool {
        right: right
            .into_iter()
            .map(|case| case.bytes.as_slice())
            .collect(),
        wrong: wrong
            .into_iter()
            .map(|case| case.bytes.as_slice())
            .collect(),
    }
}

#[derive(Default)]
struct Tally {
    faults: Vec<String>,
    arrived: usize,
    certain: usize,
    refused: usize,
}

fn try_all(pool: &Pool<'_>, seeds: impl Iterator<Item = u64>) -> Tally {
    let stage = Stage::new();
    let mut tally = Tally::default();
    for seed in seeds {
        let mut random = Random(seed);
        let mut bytes = mutant(pool, &mut random);
        bytes.extend_from_slice(format!("GET /last/{seed} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let cuts = random.below(4);
        if let Err(why) = try_one(
            &stage,
            &bytes,
            &random.cuts(bytes.len(), 1 + cuts),
            &mut tally,
        ) {
            let text = String::from_utf8_lossy(&bytes);
            tally.faults.push(format!("seed {seed}: {why}: {text:?}"));
        }
        if tally.faults.len() >= crate::ENOUGH {
            break;
        }
    }
    tally
}

fn try_one(stage: &Stage, bytes: &[u8], cuts: &[usize], tally: &mut Tally) -> Result<(), String> {
    let before = stage.requests();
    let mut pieces = Vec::new();
    let mut at = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        pieces.push(&bytes[at..cut]);
        at = cut;
    }
    let heard = stage.send(&pieces, true)?;
    let mut log = stage.log.lock().unwrap();
    if let Some(wrong) = log.wrong.pop() {
        return Err(wrong);
    }
    let arrived = &log.requests[before..];
    let finals: Vec<&Answer> = heard.answers.iter().filter(|a| a.status >= 200).collect();
    let numbers: Vec<usize> = finals.iter().filter_map(|a| number(a)).collect();
    if !numbers.iter().copied().eq(before..before + arrived.len()) {
        return Err(format!(
            "{} arrived, answered as {numbers:?}",
            arrived.len()
        ));
    }
    let own: Vec<&&Answer> = finals.iter().filter(|a| a.is_own()).collect();
    if finals.is_empty() || numbers.len() + own.len() != finals.len() {
        return Err("no answer, or one from nowhere".into());
    }
    let refusals = own
        .iter()
        .filter(|a| a.one("connection").as_deref() == Some("close"))
        .count();
    tally.arrived += arrived.len();
    tally.refused += refusals;
    let (certain, all) = beyond_doubt(bytes);
    tally.certain += certain;
    if arrived.len() < certain || all && (arrived.len() != certain || !own.is_empty()) {
        return Err(format!(
            "{certain} are right beyond doubt, {} arrived",
            arrived.len()
        ));
    }
    // Requests that were answered here without closing stand somewhere between the others: nothing to compare with.
    if own.len() == refusals {
        let read = delimit(bytes, arrived.len()).ok_or("arrived what nobody sent")?;
        for (request, (method, body)) in arrived.iter().zip(read) {
            if request.method != method || request.body != body {
                return Err(format!("{method} with {body:?} arrived as {request:?}"));
            }
        }
    }
    Ok(())
}
