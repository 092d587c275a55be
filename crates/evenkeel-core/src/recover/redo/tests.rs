//! What is sent again, in which order, and when it is given up.

use super::*;

struct Rig {
    redo: Redo,
    now: Now,
    serves: bool,
    sent: Vec<u64>,
}

fn rig() -> Rig {
    Rig {
        redo: Redo::default(),
        now: Now {
            at: Time::from_millis(1_000_000),
            wall: WallTime(1_000_000_000),
        },
        serves: true,
        sent: Vec::new(),
    }
}

fn put(id: u64, resource: u64) -> Request {
    Request {
        id,
        route: "*/a".into(),
        pool: "app".into(),
        born: WallTime(1_000_000_000),
        resource,
        replaces: true,
        replaceable: true,
        attempts: 0,
    }
}

impl Rig {
    fn fail(&mut self, id: u64, resource: u64) {
        assert!(self.redo.add(put(id, resource), true));
        self.redo.settled(id, false, self.now);
    }

    /// Lets time pass; every attempt ends at once with this.
    fn run(&mut self, ms: u64, answered: bool) {
        let end = self.now.at + Duration::from_millis(ms);
        loop {
            let due = self.redo.next_wakeup();
            if due > end {
                break;
            }
            self.pass_to(due.max(self.now.at));
            let serves = self.serves;
            while let Some(id) = self.redo.next(self.now, |_| serves) {
                self.sent.push(id);
                self.redo.tried(id, Some(answered), self.now);
            }
        }
        self.pass_to(end);
    }

    fn gone(&mut self) -> Vec<(u64, Gone)> {
        let gone = self.redo.take_gone().into_iter();
        gone.map(|(request, why)| (request.id, why)).collect()
    }

    fn pass_to(&mut self, at: Time) {
        let ms = at.since(self.now.at).as_millis() as u64;
        self.now.at = at;
        self.now.wall.0 += ms;
    }
}

#[test]
fn what_failed_is_sent_again_in_its_order_and_not_too_fast() {
    let mut rig = rig();
    for id in [3, 1, 2] {
        rig.fail(id, id);
    }
    rig.run(500, true);
    assert!(rig.sent.is_empty(), "it has only just failed");
    rig.run(510, true);
    assert_eq!(rig.sent, [1]);
    rig.run(1_000, true);
    assert_eq!(rig.sent, [1, 2, 3]);
    assert_eq!((rig.redo.pending(), rig.redo.known()), (0, 0));
    let gone = rig.gone();
    assert_eq!(
        gone,
        [(1, Gone::Redone), (2, Gone::Redone), (3, Gone::Redone)]
    );
}

#[test]
fn what_was_answered_is_never_sent_again() {
    let mut rig = rig();
    rig.redo.add(put(1, 1), true);
    rig.run(60_000, true);
    rig.redo.settled(1, true, rig.now);
    rig.run(60_000, true);
    assert!(rig.sent.is_empty());
    assert_eq!(rig.gone(), [(1, Gone::Answered)]);
}

#[test]
fn nothing_is_sent_while_the_pool_does_not_serve_and_no_attempt_is_lost_by_that() {
    let mut rig = rig();
    rig.fail(1, 1);
    rig.serves = false;
    rig.run(3_600_000, true);
    assert!(rig.sent.is_empty());
    rig.serves = true;
    rig.run(600, true);
    assert_eq!(rig.sent, [1]);
}

#[test]
fn one_that_always_fails_is_given_up_after_its_attempts_with_growing_pauses() {
    let mut rig = rig();
    rig.fail(1, 1);
    rig.fail(2, 2);
    rig.run(60_000, false);
    assert!(
        (4..ATTEMPTS as usize).contains(&rig.sent.len()),
        "{:?}",
        rig.sent
    );
    assert!(rig.sent.iter().all(|id| *id == 1), "in order");
    rig.run(600_000, false);
    let of = |id: u64| rig.sent.iter().filter(|sent| **sent == id).count() as u32;
    assert_eq!((of(1), of(2)), (ATTEMPTS, ATTEMPTS));
    let gone = rig.gone();
    assert_eq!(gone, [(1, Gone::GivenUp), (2, Gone::GivenUp)]);
}

#[test]
fn a_day_is_too_old() {
    let mut rig = rig();
    rig.fail(1, 1);
    rig.serves = false;
    rig.run(25 * 3_600_000, true);
    assert_eq!(rig.gone(), [(1, Gone::TooOld)]);
}

#[test]
fn a_later_put_that_was_answered_makes_earlier_ones_on_the_same_resource_meaningless() {
    let mut rig = rig();
    rig.fail(1, 7);
    rig.fail(2, 8);
    let mut post = put(3, 7);
    (post.replaces, post.replaceable) = (false, false);
    rig.redo.add(post, true);
    rig.redo.settled(3, false, rig.now);
    rig.redo.add(put(4, 7), true);
    rig.redo.settled(4, true, rig.now);
    assert_eq!(rig.gone(), [(1, Gone::Superseded), (4, Gone::Answered)]);
    rig.run(5_000, true);
    assert_eq!(rig.sent, [2, 3]);
}

#[test]
fn routes_do_not_wait_for_each_other() {
    let mut rig = rig();
    rig.fail(1, 1);
    let other = Request {
        route: "*/b".into(),
        ..put(2, 2)
    };
    rig.redo.add(other, false);
    let now = rig.now;
    assert_eq!(rig.redo.next(now, |_| true), Some(2));
    rig.pass_to(now.at + Duration::from_secs(2));
    assert_eq!(
        rig.redo.next(rig.now, |_| true),
        Some(1),
        "while 2 is under way"
    );
    assert_eq!(rig.redo.next(rig.now, |_| true), None);
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let mut rig = rig();
    for id in 0..KNOWN_MAX as u64 {
        assert!(rig.redo.add(put(id, id), true));
    }
    assert!(!rig.redo.add(put(u64::MAX, 1), true));
}
