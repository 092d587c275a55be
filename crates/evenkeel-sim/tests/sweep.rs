//! 256 stories, or the one that `EVENKEEL_SEED` names.

use evenkeel_sim::{Summary, run};

const STORIES: u64 = 256;
/// So that a test runner with several threads has something to share out.
const PARTS: u64 = 4;

fn sweep(part: u64) {
    let asked = std::env::var("EVENKEEL_SEED").ok();
    let seeds: Vec<u64> = match asked {
        Some(seed) if part == 0 => vec![seed.parse().expect("EVENKEEL_SEED is a number")],
        Some(_) => return,
        None => (0..STORIES).filter(|seed| seed % PARTS == part).collect(),
    };
    let mut sum = Summary::default();
    let mut broken = Vec::new();
    for seed in &seeds {
        match run(*seed) {
            Ok(summary) => {
                sum.requests += summary.requests;
                sum.failed += summary.failed;
                sum.ejections += summary.ejections;
                sum.suspicions += summary.suspicions;
                sum.stale += summary.stale;
                sum.remarks += summary.remarks;
                sum.changes += summary.changes;
                sum.tries += summary.tries;
                sum.tables += summary.tables;
                sum.healed_after_ms = sum.healed_after_ms.max(summary.healed_after_ms);
            }
            Err(what) => broken.push(what.to_string()),
        }
    }
    assert!(
        broken.is_empty(),
        "{} broken:\n{}",
        broken.len(),
        broken.join("\n")
    );
    if seeds.len() > 1 {
        // The stories must not be empty ones.
        assert!(
            sum.ejections > 50 && sum.suspicions > 2 && sum.stale > 100 && sum.changes > 1000,
            "{sum:?}"
        );
    }
}

#[test]
fn every_invariant_holds_in_the_first_quarter_of_the_stories() {
    sweep(0);
}

#[test]
fn every_invariant_holds_in_the_second_quarter_of_the_stories() {
    sweep(1);
}

#[test]
fn every_invariant_holds_in_the_third_quarter_of_the_stories() {
    sweep(2);
}

#[test]
fn every_invariant_holds_in_the_last_quarter_of_the_stories() {
    sweep(3);
}

#[test]
fn a_seed_tells_the_same_story_again() {
    assert_eq!(run(12), run(12));
}
