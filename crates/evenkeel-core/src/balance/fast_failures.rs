//! Does failing fast attract work? A pool of three under a steady load, one of which fails a part of its requests at once:
//! what share of all it gets from the policies that look at requests in flight.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use super::testing::{pool, up};
use super::{Choice, Picker, Request};
use crate::health::traffic::{Counts, burden};
use crate::rng::Rng;
use crate::time::Time;

const REQUESTS: u64 = 30_000;

/// The share of the failing one, in percent. `gap_us` between requests, each of which takes 10 to 30 ms if it is answered.
fn share(policy: &str, gap_us: u64, fails: u64, weighed: bool) -> u64 {
    let table = pool(policy, [up(100), up(100), up(100)]);
    let mut picker = Picker::new(&table, 7);
    let mut rng = Rng::new(7).stream("load");
    let mut ends: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let mut got = [Counts::default(); 3];
    for n in 0..REQUESTS {
        let at = n * gap_us;
        while let Some(entry) = ends.first_entry().filter(|entry| entry.key().0 <= at) {
            let index = entry.remove();
            table.endpoints[index]
                .shared
                .in_flight
                .fetch_sub(1, Relaxed);
        }
        let Choice::Endpoint(index) =
            picker.pick(&table, &Request::at(Time::from_nanos(at * 1000)))
        else {
            panic!("everybody is up");
        };
        let shared = &table.endpoints[index].shared;
        got[index].requests += 1;
        let failed = index == 0 && rng.chance(fails, 1000);
        got[index].failures += u64::from(failed);
        if weighed {
            shared.burden.store(burden(got[index]), Relaxed);
        }
        let takes = if failed {
            0
        } else {
            10_000 + rng.below(20_000)
        };
        shared.in_flight.fetch_add(1, Relaxed);
        ends.insert((at + takes, n), index);
    }
    got[0].requests * 100 / REQUESTS
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
