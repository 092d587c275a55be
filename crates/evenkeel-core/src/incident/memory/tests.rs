//! Readings of a process, one a second, and what its memory is said to do.

use super::*;
use crate::facts::{Limit, LimitWay};

const MIB: u64 = 1 << 20;

/// A process and what was read of it.
struct Bench {
    memory: Memory,
    service: ServiceFacts,
    at: Time,
}

impl Bench {
    fn limited(mib: u64) -> Bench {
        let limit = Limit {
            max: mib * MIB,
            way: LimitWay::Cgroup2,
            why: String::new(),
        };
        Bench {
            memory: Memory::default(),
            service: ServiceFacts {
                memory_limit: Some(limit),
                ..ServiceFacts::known_as("s1", 1)
            },
            at: Time::from_millis(1000),
        }
    }

    /// So much is used now; then so many seconds pass.
    fn read(&mut self, mib: u64, seconds: u64) -> Option<Growth> {
        self.service.memory_bytes = mib * MIB;
        let growth = self.memory.read(&self.service, self.at);
        self.at = self.at + Duration::from_secs(seconds);
        growth
    }

    fn grows(&mut self, mib: u64, seconds: u64) -> bool {
        self.read(mib, seconds).is_some_and(|growth| growth.grows)
    }
}

#[test]
fn memory_that_grows_at_every_look_is_a_trend_and_jitter_is_none() {
    let mut bench = Bench::limited(10_000);
    for n in 0..10u64 {
        let said = bench.read(1000 + 10 * n, 5);
        assert_eq!(said.is_some(), n >= 6, "look {n}");
        assert!(said.is_none_or(|growth| growth.grows));
    }
    let down = bench.read(1000, 5).unwrap();
    assert!(!down.grows, "{}", down.said);
}

#[test]
fn what_a_process_takes_at_its_start_is_no_leak() {
    let mut bench = Bench::limited(10_000);
    let grows: Vec<bool> = (0..12).map(|n| bench.grows(20 + 20 * n, 1)).collect();
    assert_eq!(grows.iter().position(|grows| *grows), Some(10), "{grows:?}");
    bench.service.pid = 2;
    assert!(
        (12..22).all(|n| !bench.grows(20 + 20 * n, 1)),
        "a new process"
    );
    assert!(bench.grows(20 + 20 * 22, 1));
}

#[test]
fn all_of_the_growth_is_told_and_not_that_of_the_last_readings() {
    let mut bench = Bench::limited(10_000);
    for _ in 0..20 {
        bench.read(56, 1);
    }
    bench.read(57, 1);
    bench.read(57, 1);
    let said = (1..=19).map(|n| bench.read(57 + 6 * n, 1)).last();
    assert_eq!(said.flatten().unwrap().said, "57 → 171 MiB within 19 s");
}

#[test]
fn a_leak_is_seen_while_there_is_time_to_drain_and_to_restart() {
    // What a drill makes: from 20 to 128 MiB within some twenty seconds.
    let mut bench = Bench::limited(128);
    for _ in 0..10 {
        bench.read(20, 1);
    }
    let ails = (1..).find(|n| {
        bench.read(20 + 6 * n, 1);
        bench.memory.ails().is_some()
    });
    let left = 18 - ails.unwrap();
    assert!((4..=6).contains(&left), "{left} s before the limit");
}

#[test]
fn slow_growth_is_left_alone_until_nearly_all_is_used() {
    let mut bench = Bench::limited(1000);
    let ails = (0..).find(|n| {
        bench.read(700 + 5 * n, 1);
        bench.memory.ails().is_some()
    });
    assert_eq!(ails, Some(40), "at 900 of 1000");
}

#[test]
fn a_rise_that_ends_below_the_limit_is_over() {
    let mut bench = Bench::limited(1000);
    for _ in 0..10 {
        bench.read(400, 1);
    }
    for n in 1..=8 {
        bench.read(400 + 47 * n, 1);
    }
    assert!(
        bench.memory.ails().is_some(),
        "776 of 1000, 47 more a second"
    );
    for _ in 0..STEEP_LOOKS {
        bench.read(776, 1);
    }
    assert_eq!(bench.memory.ails(), None);
}
