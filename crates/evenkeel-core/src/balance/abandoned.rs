//! What tries tell whose clients have left: that nobody is answered there, and not that anybody was answered soon. A pool of
//! three under a light load, held to by every policy that learns from how tries end.

use std::time::Duration;

use super::testing::{Load, share_of_first};
use super::{End, POLICIES};
use crate::rng::Rng;

const LOAD: Load = Load {
    requests: 40_000,
    gap_us: 10_000,
};

fn answered(us: u64) -> (u64, End) {
    (us, End::Answered(Duration::from_micros(us)))
}

fn abandoned(us: u64) -> (u64, End) {
    (us, End::Abandoned(Duration::from_micros(us)))
}

/// The share of the first one, in percent. The others answer after 20 ms; of this one `end` says what comes of a try, and after
/// how many microseconds.
fn share(policy: &str, end: impl Fn(&mut Rng) -> (u64, End)) -> u64 {
    share_of_first(policy, LOAD, |_, index, rng| match index {
        0 => end(rng),
        _ => answered(18_000 + rng.below(4_000)),
    })
}

fn of_those_that_learn(mut check: impl FnMut(&str)) {
    let learn = POLICIES.iter().filter(|entry| entry.learns);
    learn.for_each(|entry| check(entry.part.name));
}

#[test]
fn where_clients_leave_without_an_answer_few_are_sent() {
    of_those_that_learn(|policy| {
        let share = share(policy, |_| abandoned(100_000));
        assert!(share <= 20, "{policy}: {share}");
    });
}

#[test]
fn who_leaves_early_has_not_seen_a_fast_endpoint() {
    of_those_that_learn(|policy| {
        let leave = |rng: &mut Rng| match rng.chance(4, 5) {
            true => abandoned(1_000),
            false => answered(38_000 + rng.below(4_000)),
        };
        let share = share(policy, leave);
        assert!(share <= 30, "{policy}: {share}");
    });
}
