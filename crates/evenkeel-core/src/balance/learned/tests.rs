//! What is learned, and when it is gone by.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Learned;
use crate::balance::testing::{pool, up};
use crate::balance::{Choice, End, Ended, Kind, Method, Picker, Request, Size};
use crate::id::{EndpointId, Epoch};
use crate::rng::Rng;
use crate::session::Prefer;
use crate::table::PoolTable;
use crate::time::Time;

const PAGE: Kind = Kind {
    route: 1,
    method: Method::Read,
    size: Size::Empty,
};
const UPLOAD: Kind = Kind {
    route: 2,
    method: Method::Write,
    size: Size::Large,
};

/// A pool, its picker, and a clock.
struct Rig {
    table: PoolTable,
    picker: Picker,
    rng: Rng,
    ms: u64,
    /// Whoever got each request, by kind.
    got: [[u32; 4]; 2],
}

impl Rig {
    fn new(policy: &str) -> Rig {
        let table = pool(policy, [up(100), up(100), up(100), up(100)]);
        Rig {
            picker: Picker::new(&table, 3),
            table,
            rng: Rng::new(8),
            ms: 1000,
            got: [[0; 4]; 2],
        }
    }

    /// A request every 5 ms that is over before the next; the first endpoint takes 10 ms for a page like all, and `slow` times that
    /// for an upload. `None` = it fails at once.
    fn serve(&mut self, requests: u32, slow: Option<u64>) {
        for _ in 0..requests {
            self.ms += 5;
            let kind = if self.rng.chance(1, 2) { PAGE } else { UPLOAD };
            let request = Request::at(Time::from_millis(self.ms)).of_kind(kind);
            let Choice::Endpoint(index) = self.picker.pick(&self.table, &request) else {
                panic!("all are up");
            };
            self.got[usize::from(kind == UPLOAD)][index] += 1;
            let about = 8_000 + self.rng.below(4_000);
            let end = match (kind == UPLOAD && index == 0, slow) {
                (true, None) => End::Failed,
                (true, Some(slow)) => End::Answered(Duration::from_micros(about * slow)),
                (false, _) => End::Answered(Duration::from_micros(about)),
            };
            let at = Time::from_millis(self.ms + 1);
            let note = self.picker.note();
            self.picker
                .ended(self.table.epoch, index, &Ended { at, end, note });
        }
    }

    fn share(&self, kind: Kind, index: usize) -> f64 {
        let got = &self.got[usize::from(kind == UPLOAD)];
        f64::from(got[index]) / f64::from(got.iter().sum::<u32>())
    }

    fn forget_counts(&mut self) {
        self.got = [[0; 4]; 2];
    }

    fn learned(&self) -> Learned {
        self.picker
            .learned(Time::from_millis(self.ms))
            .next()
            .unwrap()
    }

    fn expected_ms(&self, kind: Kind, id: u32) -> f64 {
        let learned = self.learned();
        let of = learned.kinds.iter().find(|told| told.kind == kind).unwrap();
        let at = of
            .endpoints
            .iter()
            .find(|e| e.id == EndpointId(id))
            .unwrap();
        at.expected_s * 1e3
    }
}

#[test]
fn as_long_as_nothing_is_learned_it_chooses_as_p2c_pick_by_pick() {
    let choices = |policy| {
        let rig = Rig::new(policy);
        let mut picker = rig.picker;
        let mut rng = Rng::new(1);
        (0..2000_u64)
            .map(|n| {
                let row = &rig.table.endpoints[rng.index(4)];
                row.shared.in_flight.store(rng.below(9) as u32, Relaxed);
                picker.pick(&rig.table, &Request::at(Time::from_millis(n)).of_kind(PAGE))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(choices("learned"), choices("p2c"));
}

#[test]
fn where_endpoints_do_not_differ_nothing_is_gone_by() {
    let mut rig = Rig::new("learned");
    rig.serve(20_000, Some(1));
    assert!(!rig.learned().used, "{:?}", rig.learned());
    assert!(rig.learned().skill.abs() < 0.02, "{:?}", rig.learned());
    assert!((rig.share(UPLOAD, 0) - 0.25).abs() < 0.02);
}

#[test]
fn who_is_slow_for_one_sort_of_requests_loses_those_and_keeps_the_others() {
    let mut rig = Rig::new("learned");
    rig.serve(4_000, Some(6));
    rig.forget_counts();
    rig.serve(20_000, Some(6));
    assert!(rig.share(UPLOAD, 0) < 0.06, "{}", rig.share(UPLOAD, 0));
    assert!(rig.share(PAGE, 0) > 0.2, "{}", rig.share(PAGE, 0));
    let learned = rig.learned();
    assert!(
        learned.skill > 0.3 && learned.kinds.len() == 2,
        "{learned:?}"
    );
    assert!(
        learned.ratio.is_some_and(|ratio| ratio < 0.9),
        "{learned:?}"
    );
    assert!((rig.expected_ms(UPLOAD, 1) - 10.0).abs() < 2.0);
    assert!(rig.expected_ms(UPLOAD, 0) > 35.0);
}

#[test]
fn failing_at_once_counts_as_slow() {
    let mut rig = Rig::new("learned");
    rig.serve(10_000, None);
    rig.forget_counts();
    rig.serve(20_000, None);
    assert!(rig.share(UPLOAD, 0) < 0.1, "{}", rig.share(UPLOAD, 0));
    // Its pages may go elsewhere too: whoever fails half of everything is avoided for all.
}

#[test]
fn what_has_changed_is_found_out() {
    let mut rig = Rig::new("learned");
    rig.serve(10_000, Some(6));
    // Sixteen minutes later it is as fast as the others.
    rig.serve(200_000, Some(1));
    rig.forget_counts();
    rig.serve(20_000, Some(1));
    assert!(rig.share(UPLOAD, 0) > 0.2, "{}", rig.share(UPLOAD, 0));
    // And then another time it is not.
    rig.serve(10_000, Some(6));
    rig.forget_counts();
    rig.serve(20_000, Some(6));
    assert!(rig.share(UPLOAD, 0) < 0.08, "{}", rig.share(UPLOAD, 0));
}

#[test]
fn another_table_keeps_what_was_learned_of_those_who_stay() {
    let mut rig = Rig::new("learned");
    rig.serve(6_000, Some(6));
    let before = rig.expected_ms(UPLOAD, 0);
    let mut rows = rig.table.endpoints.to_vec();
    rows.rotate_left(1);
    rows.remove(0);
    rig.table = PoolTable {
        epoch: Epoch(2),
        endpoints: rows.into(),
        ..rig.table
    };
    rig.picker.adopt(&rig.table, Time::from_millis(rig.ms));
    assert!((rig.expected_ms(UPLOAD, 0) - before).abs() < 1e-6 * before);
    assert_eq!(rig.learned().kinds[0].endpoints.len(), 3);
}

#[test]
fn requests_that_belong_to_a_session_are_learned_from_too() {
    let mut rig = Rig::new("learned");
    for n in 0..3_000_u64 {
        let index = (n % 4) as usize;
        let at = Time::from_millis(1000 + n * 5);
        let id = EndpointId(index as u32);
        let prefer = Prefer { id, index };
        let request = Request::at(at).of_kind(PAGE).preferring(Some(prefer));
        assert_eq!(
            rig.picker.pick(&rig.table, &request),
            Choice::Endpoint(index)
        );
        let end = End::Answered(Duration::from_millis(if index == 2 { 50 } else { 10 }));
        let note = rig.picker.note();
        rig.picker
            .ended(rig.table.epoch, index, &Ended { at, end, note });
        rig.ms = 1000 + n * 5;
    }
    assert!(rig.expected_ms(PAGE, 2) > 4.0 * rig.expected_ms(PAGE, 1));
}

#[test]
fn there_is_a_bound_on_what_is_kept_however_many_routes_there_are() {
    let mut rig = Rig::new("learned");
    for n in 0..5_000_u32 {
        let at = Time::from_millis(u64::from(n) * 5);
        let kind = Kind { route: n, ..PAGE };
        let request = Request::at(at).of_kind(kind);
        let Choice::Endpoint(index) = rig.picker.pick(&rig.table, &request) else {
            panic!("all are up");
        };
        let end = End::Answered(Duration::from_millis(10));
        let note = rig.picker.note();
        rig.picker
            .ended(rig.table.epoch, index, &Ended { at, end, note });
    }
    rig.ms = 25_000;
    let learned = rig.learned();
    // Those that have no place of their own are one sort.
    assert!(learned.kinds.len() <= 16);
    assert_eq!(learned.kinds[0].kind, Kind::default());
}
