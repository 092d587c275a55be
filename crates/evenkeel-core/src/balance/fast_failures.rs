//! Does failing fast attract work? A pool of three under a steady load, one of which fails a part of its requests at once:
//! what share of all it gets from the policies that look at requests in flight.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::End;
use super::testing::{Load, share_of_first};
use crate::health::traffic::{Counts, burden};

/// The share of the failing one, in percent. `gap_us` between requests, each of which takes 10 to 30 ms if it is answered.
fn share(policy: &str, gap_us: u64, fails: u64, weighed: bool) -> u64 {
    let load = Load {
        requests: 30_000,
        gap_us,
    };
    let mut got = [Counts::default(); 3];
    share_of_first(policy, load, |table, index, rng| {
        let failed = index == 0 && rng.chance(fails, 1000);
        got[index].requests += 1;
        got[index].failures += u64::from(failed);
        if weighed {
            let shared = &table.endpoints[index].shared;
            shared.burden.store(burden(got[index]), Relaxed);
        }
        let us = 10_000 + rng.below(20_000);
        match failed {
            true => (0, End::Failed),
            false => (us, End::Answered(Duration::from_micros(us))),
        }
    })
}

/// Fifty in flight, and five.
const LOADS: [u64; 2] = [400, 4_000];

#[test]
fn without_a_burden_fast_failures_do_attract_work() {
    assert!(share("least_requests", 400, 300, false) >= 40);
    assert!(share("p2c", 400, 300, false) >= 38);
}

#[test]
fn with_it_nobody_gets_more_than_its_share_for_failing() {
    for policy in ["least_requests", "p2c"] {
        for gap in LOADS {
            for fails in [150, 300, 600, 900] {
                let share = share(policy, gap, fails, true);
                assert!(
                    share <= 34,
                    "{policy} gives {share} % at {fails} ‰ failing, {gap} µs"
                );
            }
        }
    }
}

#[test]
fn who_does_not_fail_keeps_its_share() {
    for policy in ["least_requests", "p2c"] {
        for gap in LOADS {
            let share = share(policy, gap, 0, true);
            assert!((32..=34).contains(&share), "{policy}: {share}");
        }
    }
}
