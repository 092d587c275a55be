//! The retry budget: further tries may be at most a share of the requests of the last ten seconds, so that a pool in
//! trouble is not finished off by its own balancer.
//!
//! The windows are exact counts in a ring of 100 buckets of 100 ms, not a decaying average: what happened more than ten
//! seconds ago counts for nothing. A retry counts when it is scheduled, not when it succeeds. Beside the share there is a
//! floor of ten a second, that is one hundred per window: a quiet pool whose one endpoint dies with its requests in
//! flight may try all of them again.

use crate::settings::Share;
use crate::time::Time;

const BUCKETS: usize = 100;
const BUCKET_NS: u64 = 100_000_000;
/// Ten a second over the window.
const FLOOR: u64 = 100;

/// One worker's part of a pool's budget.
#[derive(Clone, Debug)]
pub struct Budget {
    share: Share,
    floor: u64,
    requests: Window,
    retries: Window,
}

impl Budget {
    /// For one of `workers` workers: each holds its part of the floor, rounded up.
    pub fn new(share: Share, workers: usize) -> Budget {
        Budget {
            share,
            floor: FLOOR.div_ceil(workers.max(1) as u64),
            requests: Window::new(),
            retries: Window::new(),
        }
    }

    /// A reload changed the share; what was counted stays.
    pub fn set_share(&mut self, share: Share) {
        self.share = share;
    }

    /// Counts a request (its first try).
    pub fn request(&mut self, now: Time) {
        self.requests.add(now);
    }

    /// May one further try be made now? If so, it is counted.
    pub fn try_spend(&mut self, now: Time) -> bool {
        let allowed = self.share.of(self.requests.total(now)).max(self.floor);
        let room = self.retries.total(now) < allowed;
        if room {
            self.retries.add(now);
        }
        room
    }
}

/// Counts of the last ten seconds.
#[derive(Clone, Debug)]
struct Window {
    buckets: [u32; BUCKETS],
    /// Number of the newest bucket since the clock's start.
    newest: u64,
    total: u64,
}

impl Window {
    fn new() -> Window {
        Window {
            buckets: [0; BUCKETS],
            newest: 0,
            total: 0,
        }
    }

    fn add(&mut self, now: Time) {
        self.advance(now);
        let bucket = &mut self.buckets[(self.newest % BUCKETS as u64) as usize];
        if *bucket < u32::MAX {
            *bucket += 1;
            self.total += 1;
        }
    }

    fn total(&mut self, now: Time) -> u64 {
        self.advance(now);
        self.total
    }

    /// Empties the buckets between the newest and now; a time before the newest counts as the newest.
    fn advance(&mut self, now: Time) {
        let number = now.as_nanos() / BUCKET_NS;
        if number <= self.newest {
            return;
        }
        for step in 1..=(number - self.newest).min(BUCKETS as u64) {
            let bucket = &mut self.buckets[((self.newest + step) % BUCKETS as u64) as usize];
            self.total -= u64::from(*bucket);
            *bucket = 0;
        }
        self.newest = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quiet_pool_may_retry_ten_a_second() {
        let mut budget = Budget::new(Share::percent(20), 1);
        let now = Time::from_millis(50_000);
        assert_eq!((0..500).filter(|_| budget.try_spend(now)).count(), 100);
        assert!(!budget.try_spend(Time::from_millis(59_900)));
        assert!(budget.try_spend(Time::from_millis(60_000)));
    }

    #[test]
    fn a_busy_pool_may_retry_its_share() {
        let mut budget = Budget::new(Share::percent(20), 4);
        let now = Time::from_millis(1_000);
        for _ in 0..10_000 {
            budget.request(now);
        }
        assert_eq!((0..5000).filter(|_| budget.try_spend(now)).count(), 2000);
    }

    #[test]
    fn the_workers_floors_add_up_to_at_least_ten_a_second() {
        for workers in 1..40 {
            let one = Budget::new(Share::percent(0), workers);
            assert!(one.floor * workers as u64 >= FLOOR);
        }
    }

    proptest! {
        #[test]
        fn a_window_counts_exactly_what_its_buckets_cover(
            steps in proptest::collection::vec(0_u64..3_000, 1..200)
        ) {
            let mut window = Window::new();
            let mut at = 0;
            let mut seen = Vec::new();
            for step in steps {
                at += step;
                window.add(Time::from_millis(at));
                seen.push(at / 100);
                let oldest = (at / 100).saturating_sub(99);
                let exact = seen.iter().filter(|&&n| n >= oldest).count() as u64;
                prop_assert_eq!(window.total(Time::from_millis(at)), exact);
            }
        }

        #[test]
        fn retries_in_a_window_never_exceed_share_or_floor(
            share in 0_u32..10_000,
            events in proptest::collection::vec((0_u64..400, any::<bool>()), 1..400)
        ) {
            let mut budget = Budget::new(Share(share), 1);
            let (mut at, mut requests, mut retries) = (0, Vec::new(), Vec::new());
            for (step, is_request) in events {
                at += step;
                let now = Time::from_millis(at);
                if is_request {
                    budget.request(now);
                    requests.push(at / 100);
                } else if budget.try_spend(now) {
                    retries.push(at / 100);
                    let oldest = (at / 100).saturating_sub(99);
                    let within = |list: &[u64]| list.iter().filter(|&&n| n >= oldest).count() as u64;
                    let allowed = Share(share).of(within(&requests)).max(FLOOR);
                    prop_assert!(within(&retries) <= allowed);
                }
            }
        }
    }
}
