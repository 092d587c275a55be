//! Fuzzing without a nightly compiler: mutates the seeds at random for some seconds per target. No coverage guides it, so it finds
//! only what lies near the seeds; the same seed number gives the same inputs.
//!
//! `smoke [SECONDS [TARGET [SEED]]]`; an input that breaks a target is kept in `fuzz/artifacts/TARGET/`.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use evenkeel_fuzz::{TARGETS, Target};

/// Largest input.
const LEN_MAX: usize = 4096;
/// Seed of the generator where none is given: any number does, but always the same one.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|a| a.parse::<u64>().ok());
    let time = Duration::from_secs(number(0).unwrap_or(10));
    let wanted = arguments.get(1);
    let seed = number(2).unwrap_or(SEED);
    let mut broken = false;
    for (name, target) in TARGETS {
        if wanted.is_none_or(|w| w == name) {
            broken |= !run(name, target, time, seed);
        }
    }
    if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Runs one target; false if an input breaks it.
fn run(name: &str, target: Target, time: Duration, seed: u64) -> bool {
    let seeds = seeds(name);
    let mut random = Random(seed);
    let begun = Instant::now();
    let mut inputs = 0u64;
    for input in &seeds {
        if !survives(name, target, input) {
            return false;
        }
    }
    let mut pool = seeds.clone();
    while begun.elapsed() < time {
        // A mutant is sometimes kept, so that mutations add up; the pool stays small.
        let mut input = pool[random.below(pool.len())].clone();
        for _ in 0..=random.below(6) {
            mutate(&mut input, &pool, &mut random);
        }
        input.truncate(LEN_MAX);
        if !survives(name, target, &input) {
            return false;
        }
        inputs += 1;
        if random.below(64) == 0 {
            if pool.len() < seeds.len() + 64 {
                pool.push(input);
            } else {
                let at = seeds.len() + random.below(64);
                pool[at] = input;
            }
        }
    }
    println!(
        "{name}: {inputs} inputs from {} seeds (seed {seed}), none broke it",
        seeds.len()
    );
    true
}

fn survives(name: &str, target: Target, input: &[u8]) -> bool {
    if catch_unwind(|| target(input)).is_ok() {
        return true;
    }
    let folder = folder("artifacts").join(name);
    let path = folder.join("smoke");
    let kept = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input));
    match kept {
        Ok(()) => println!("{name}: broken by {}", path.display()),
        Err(error) => println!("{name}: broken by {input:?} (not kept: {error})"),
    }
    false
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The seeds of a target in the order of their names; an empty input if there are none.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder("seeds").join(name))
        .map(|entries| entries.filter_map(Result::ok).map(|e| e.path()).collect())
        .unwrap_or_default();
    paths.sort();
    let mut seeds: Vec<Vec<u8>> = paths.iter().filter_map(|p| std::fs::read(p).ok()).collect();
    if seeds.is_empty() {
        seeds.push(Vec::new());
    }
    seeds
}

/// Bytes that parsers stumble over.
const WORDS: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"0",
    b"-1",
    b"ffffffffffffffff",
    b"%2e",
    b"%00",
    b"../",
    b"chunked",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: a\r\n",
    b"Connection: close\r\n",
    b"\"",
    b"[[",
    b"= ",
    b"\xff",
];

fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = (at + 1 + random.below(16)).min(input.len());
    match random.below(7) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.next() as u8,
        2 => drop(input.drain(at.min(end)..end)),
        3 => {
            let word = WORDS[random.below(WORDS.len())];
            input.splice(at..at, word.iter().copied());
        }
        4 => {
            let copy = input[at.min(end)..end].to_vec();
            input.splice(at..at, copy);
        }
        5 => {
            let other = &pool[random.below(pool.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => input.insert(at, random.next() as u8),
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to choose bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which must not be 0.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}
