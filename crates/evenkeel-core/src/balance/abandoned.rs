//! What tries tell whose clients have left: that nobody is answered there, and not that anybody was answered soon. A pool of
//! three under a light load, held to by every policy that learns from how tries end.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::testing::{pool, up};
use super::{Choice, End, Ended, Kind, Method, Note, POLICIES, Picker, Request, Size};
use crate::rng::Rng;
use crate::time::Time;

const REQUESTS: u64 = 40_000;
const GAP_US: u64 = 10_000;
/// All are of this sort.
const KIND: Kind = Kind {
    route: 1,
    method: Method::Read,
    size: Size::Empty,
};

fn answered(us: u64) -> (u64, End) {
    (us, End::Answered(Duration::from_micros(us)))
}

fn abandoned(us: u64) -> (u64, End) {
    (us, End::Abandoned(Duration::from_micros(us)))
}

/// The share of the first one in the second half, in percent. The others answer after 20 ms; of this one `end` says what comes of
/// a try, and after how many microseconds.
fn share(policy: &str, end: impl Fn(&mut Rng) -> (u64, End)) -> u64 {
    let table = pool(policy, [up(100), up(100), up(100)]);
    let mut picker = Picker::new(&table, 7);
    let mut rng = Rng::new(7).stream("load");
    let mut ends: BTreeMap<(u64, u64), (usize, End, Note)> = BTreeMap::new();
    let mut got = 0;
    for n in 0..REQUESTS {
        let at = n * GAP_US;
        while let Some(entry) = ends.first_entry().filter(|entry| entry.key().0 <= at) {
            let ((at, _), (index, end, note)) = entry.remove_entry();
            let at = Time::from_nanos(at * 1000);
            let shared = &table.endpoints[index].shared;
            shared.in_flight.fetch_sub(1, Relaxed);
            picker.ended(table.epoch, index, &Ended { at, end, note });
        }
        let request = Request::at(Time::from_nanos(at * 1000)).of_kind(KIND);
        let Choice::Endpoint(index) = picker.pick(&table, &request) else {
            panic!("everybody is up");
        };
        let (us, end) = match index {
            0 => end(&mut rng),
            _ => answered(18_000 + rng.below(4_000)),
        };
        let shared = &table.endpoints[index].shared;
        shared.in_flight.fetch_add(1, Relaxed);
        got += u64::from(index == 0 && n >= REQUESTS / 2);
        ends.insert((at + us, n), (index, end, picker.note()));
    }
    got * 200 / REQUESTS
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
