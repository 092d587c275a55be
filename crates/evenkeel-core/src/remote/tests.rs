//! The promises between balancers and agents, each in a world without a clock.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::id::Epoch;
use crate::rng::Rng;
use crate::time::{Time, WallTime};

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn name(text: &str) -> Arc<str> {
    text.into()
}

#[test]
fn the_first_call_is_made_at_once_and_waits_grow_to_6_500_ms_at_most() {
    let mut dial = Dial::new(Rng::new(1));
    assert_eq!(dial.due(), Time::ZERO);
    let waits: Vec<u128> = (0..100)
        .map(|_| dial.on(Happened::Ended, at(0)).unwrap().as_millis())
        .collect();
    assert!((70..=130).contains(&waits[0]), "{waits:?}");
    assert!((140..=260).contains(&waits[1]), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= 6_500), "{waits:?}");
    assert!(waits[50..].iter().all(|wait| *wait >= 3_500), "{waits:?}");
}

#[test]
fn agents_that_lost_a_balancer_together_do_not_call_together() {
    let mut first: Vec<u128> = (0..1000)
        .map(|seed| {
            let mut dial = Dial::new(Rng::new(seed));
            dial.on(Happened::Ended, at(0)).unwrap().as_millis()
        })
        .collect();
    first.sort_unstable();
    first.dedup();
    assert!(first.len() > 50, "{} different waits", first.len());
}

#[test]
fn a_connection_that_held_makes_the_next_loss_a_first_one_and_a_refusal_does_not() {
    let mut dial = Dial::new(Rng::new(1));
    for _ in 0..10 {
        dial.on(Happened::Ended, at(0));
    }
    dial.on(Happened::Connected, at(0));
    assert_eq!(dial.due(), Time::NEVER);
    let long = dial.on(Happened::Ended, at(500)).unwrap();
    assert!(long > Duration::from_secs(3), "{long:?}");
    dial.on(Happened::Connected, at(1_000));
    let short = dial.on(Happened::Ended, at(11_000)).unwrap();
    assert!(short <= Duration::from_millis(130), "{short:?}");
}

/// When orders arrive that say nothing of the time.
const NOW: WallTime = WallTime(1_800_000_000_000);
const DAY_MS: u64 = 86_400_000;

#[test]
fn a_fence_of_the_far_future_is_refused_and_locks_nobody_out() {
    let mut fences = Fences::default();
    let api = name("api");
    let tomorrow = calendar(WallTime(NOW.0 + DAY_MS));
    for fence in [Epoch(u64::MAX), Epoch(tomorrow.0 + 1)] {
        let unfit = fences.admit(&api, fence, NOW).unwrap_err();
        assert_eq!(unfit, Unfit::Ahead { fence });
        let words = unfit.to_string();
        assert!(words.contains(&fence.to_string()), "{words}");
        assert!(words.contains("clock"), "{words}");
    }
    assert_eq!(fences.newest(), Epoch::default(), "nothing is left of it");
    assert_eq!(fences.admit(&api, calendar(NOW), NOW), Ok(()));
    assert_eq!(fences.admit(&api, tomorrow, NOW), Ok(()), "a wrong hour");
}

#[test]
fn an_agent_that_kept_a_fence_of_the_far_future_takes_what_is_decided_from_now_on() {
    let (api, db) = (name("api"), name("db"));
    let kept = [(api.clone(), Epoch(u64::MAX)), (db.clone(), Epoch(7))];
    let mut fences = Fences::carried(kept, Epoch(u64::MAX));
    assert_eq!(fences.cap(NOW), [None, Some(api.clone())]);
    assert_eq!(fences.newest(), calendar(NOW));
    assert!(fences.admit(&api, calendar(NOW), NOW).is_err());
    let next = following(fences.newest(), NOW);
    assert_eq!(fences.admit(&api, next, NOW), Ok(()));
    assert_eq!(fences.admit(&db, next, NOW), Ok(()));
    assert_eq!(fences.cap(NOW), []);
}

#[test]
fn a_fence_of_the_far_future_is_not_followed() {
    assert_eq!(following(Epoch(u64::MAX), NOW), calendar(NOW));
    let tomorrow = calendar(WallTime(NOW.0 + DAY_MS));
    assert_eq!(following(tomorrow, NOW), Epoch(tomorrow.0 + 1));
    assert!(!ahead(tomorrow, NOW) && ahead(Epoch(tomorrow.0 + 1), NOW));
}

#[test]
fn an_order_is_taken_once_and_none_that_is_older() {
    let mut fences = Fences::default();
    let (api, db) = (name("api"), name("db"));
    assert_eq!(fences.admit(&api, Epoch(5), NOW), Ok(()));
    let (fence, newest) = (Epoch(5), Epoch(5));
    assert_eq!(
        fences.admit(&api, fence, NOW),
        Err(Unfit::Stale { fence, newest })
    );
    assert!(fences.admit(&api, Epoch(4), NOW).is_err());
    assert_eq!(
        fences.admit(&db, Epoch(4), NOW),
        Ok(()),
        "each service its own"
    );
    assert_eq!(fences.admit(&api, Epoch(6), NOW), Ok(()));
    assert_eq!(fences.newest(), Epoch(6));

    let kept = fences
        .iter()
        .map(|(service, fence)| (service.clone(), fence));
    let mut after = Fences::carried(kept.collect::<Vec<_>>(), fences.floor());
    assert!(
        after.admit(&api, Epoch(6), NOW).is_err(),
        "over a restart too"
    );
}

#[test]
fn an_agent_that_lost_its_fences_takes_nothing_that_was_decided_before() {
    let mut fences = Fences::lost(Epoch(100));
    assert_eq!(fences.newest(), Epoch(100));
    assert!(fences.admit(&name("api"), Epoch(100), NOW).is_err());
    assert_eq!(fences.admit(&name("api"), Epoch(101), NOW), Ok(()));
}

#[test]
fn what_a_floor_refuses_is_refused_after_the_next_restart_too() {
    let mut fences = Fences::lost(Epoch(100));
    fences.admit(&name("api"), Epoch(101), NOW).unwrap();
    let kept = fences
        .iter()
        .map(|(service, fence)| (service.clone(), fence));
    let mut after = Fences::carried(kept.collect::<Vec<_>>(), fences.floor());
    assert!(after.admit(&name("db"), Epoch(100), NOW).is_err());
    assert_eq!(after.admit(&name("db"), Epoch(101), NOW), Ok(()));
}

#[test]
fn a_service_that_was_forgotten_and_came_back_takes_no_old_order() {
    let mut fences = Fences::default();
    fences.admit(&name("api"), Epoch(7), NOW).unwrap();
    fences.retain(|service| service != "api");
    assert!(fences.admit(&name("api"), Epoch(7), NOW).is_err());
    assert_eq!(fences.admit(&name("api"), Epoch(8), NOW), Ok(()));
}

#[test]
fn fences_grow_also_where_a_clock_was_set_back() {
    let then = calendar(WallTime(1_000));
    assert_eq!(following(Epoch::default(), WallTime(1_000)), then);
    assert_eq!(following(then, WallTime(1_000)), Epoch(then.0 + 1));
    assert_eq!(following(then, WallTime(500)), Epoch(then.0 + 1));
    assert!(following(then, WallTime(1_001)) > Epoch(then.0 + 1));
}

#[test]
fn of_two_agents_with_one_name_the_second_is_refused_with_the_address_of_the_first() {
    let mut roster = Roster::default();
    let host = name("host-1");
    let first = roster.hello(&host, LinkId(1), (7, "10.0.0.1:5"), at(0));
    assert_eq!(first, Verdict::Welcome);
    roster.heard(&host, LinkId(1), at(9_000));
    let Verdict::Refused(why) = roster.hello(&host, LinkId(2), (8, "10.0.0.2:5"), at(18_000))
    else {
        panic!("two have one name")
    };
    assert!(
        why.contains("10.0.0.1:5") && why.contains("host-1"),
        "{why}"
    );
    assert!(!roster.left(&host, LinkId(2)), "it never was in");
    assert!(roster.left(&host, LinkId(1)));
    let then = roster.hello(&host, LinkId(3), (8, "10.0.0.2:5"), at(18_000));
    assert_eq!(then, Verdict::Welcome);
}

#[test]
fn the_same_agent_takes_its_own_name_over_and_so_does_anybody_from_a_dead_line() {
    let mut roster = Roster::default();
    let host = name("host-1");
    roster.hello(&host, LinkId(1), (7, "a"), at(0));
    let again = roster.hello(&host, LinkId(2), (7, "a"), at(100));
    assert_eq!(again, Verdict::Replaces(LinkId(1)));
    assert!(
        !roster.left(&host, LinkId(1)),
        "the older one says nothing any more"
    );
    assert_eq!(roster.next_wakeup(), at(10_100));
    assert_eq!(roster.overdue(at(10_099)), []);
    assert_eq!(roster.overdue(at(10_100)), [(host.clone(), LinkId(2))]);
    let other = roster.hello(&host, LinkId(3), (9, "b"), at(10_100));
    assert_eq!(other, Verdict::Replaces(LinkId(2)));
}

#[test]
fn there_is_room_for_a_thousand_agents() {
    let mut roster = Roster::default();
    for n in 0..AGENTS_MAX as u64 {
        let agent = name(&format!("host-{n}"));
        assert_eq!(
            roster.hello(&agent, LinkId(n), (n, ""), at(0)),
            Verdict::Welcome
        );
    }
    let one_more = roster.hello(&name("x"), LinkId(9999), (0, ""), at(0));
    assert!(matches!(one_more, Verdict::Refused(_)));
}
