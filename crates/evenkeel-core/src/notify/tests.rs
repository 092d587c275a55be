//! What is told and what is not, and how messages get there in the end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::rng::Rng;
use crate::time::{Now, Time, WallTime};

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1000)
}

fn now(seconds: u64) -> Now {
    Now {
        at: at(seconds),
        wall: WallTime(seconds * 1000),
    }
}

fn pools(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn teller() -> Teller {
    let mut teller = Teller::default();
    teller.configure(pools(&["app", "db"]).iter());
    teller
}

fn events(messages: &[Message]) -> Vec<Event> {
    messages.iter().map(|message| message.event).collect()
}

fn look(teller: &mut Teller, seconds: u64) -> Vec<Event> {
    events(&teller.look(|_| Some(7), at(seconds)))
}

#[test]
fn a_blip_is_not_told_an_outage_is_and_so_is_its_end() {
    let mut teller = teller();
    teller.pool("app", false, at(0));
    assert_eq!(look(&mut teller, 14), []);
    teller.pool("app", true, at(14));
    teller.pool("app", false, at(20));
    assert_eq!(teller.next_wakeup(), at(35));
    assert_eq!(look(&mut teller, 34), []);
    assert_eq!(look(&mut teller, 35), [Event::Outage]);
    assert_eq!(look(&mut teller, 100), [], "once");
    // It flaps: still the same outage.
    teller.pool("app", true, at(100));
    teller.pool("app", false, at(110));
    teller.pool("app", true, at(120));
    assert_eq!(look(&mut teller, 134), []);
    assert_eq!(teller.next_wakeup(), at(135));
    assert_eq!(look(&mut teller, 135), [Event::Over]);
    assert_eq!(teller.next_wakeup(), Time::NEVER);
}

#[test]
fn an_incident_that_needs_a_person_is_told_once_an_hour_and_its_end_once() {
    let mut teller = teller();
    let needed = |teller: &mut Teller, s| {
        let why = "nothing is left to try".to_owned();
        events(&teller.person_needed(Some(3), pools(&["app"]), why, at(s)))
    };
    assert_eq!(needed(&mut teller, 0), [Event::PersonNeeded]);
    assert_eq!(needed(&mut teller, 3599), []);
    assert_eq!(needed(&mut teller, 3600), [Event::PersonNeeded]);
    let end = teller.closed(3, "served again".into(), at(4000));
    assert_eq!(events(&end), [Event::Over]);
    assert_eq!(end[0].pools, pools(&["app"]));
    assert_eq!(teller.closed(3, String::new(), at(4001)), []);
    assert_eq!(
        teller.closed(4, String::new(), at(4001)),
        [],
        "never told of"
    );
}

#[test]
fn what_was_told_of_is_known_after_a_restart_and_after_it_became_part_of_another() {
    let mut before = teller();
    before.person_needed(Some(3), pools(&["app"]), "why".into(), at(0));
    let told: Vec<_> = before.told().map(|(id, p)| (id, p.clone())).collect();
    let mut after = teller();
    after.remember(told, at(10));
    assert_eq!(
        after.person_needed(Some(3), pools(&["app"]), "why".into(), at(20)),
        []
    );
    after.merged(3, 9);
    assert_eq!(after.closed(3, String::new(), at(30)), []);
    assert_eq!(
        events(&after.closed(9, String::new(), at(30))),
        [Event::Over]
    );
}

#[test]
fn more_than_anybody_reads_is_withheld_but_never_an_end() {
    let mut teller = teller();
    let mut told = 0;
    for id in 0..100 {
        told += teller
            .person_needed(Some(id), pools(&["app"]), "why".into(), at(id))
            .len();
    }
    assert_eq!((told, teller.withheld()), (20, 80));
    assert_eq!(
        events(&teller.closed(99, String::new(), at(100))),
        [Event::Over]
    );
    let other = teller.person_needed(Some(200), pools(&["db"]), "why".into(), at(100));
    assert_eq!(other.len(), 1, "another pool's people are other people");
    let later = teller.person_needed(Some(201), pools(&["app"]), "why".into(), at(3700));
    assert_eq!(later.len(), 1);
}

#[test]
fn alerts_are_told_both_ways() {
    let mut teller = teller();
    let app = Arc::from("app");
    assert_eq!(
        events(&teller.alert(&app, true, "page".into(), at(0))),
        [Event::Alert]
    );
    assert_eq!(
        events(&teller.alert(&app, false, "page".into(), at(1))),
        [Event::AlertOver]
    );
}

fn outbox() -> Outbox<u32> {
    Outbox::new(Rng::new(1))
}

fn parcel(target: &str, n: u32) -> Parcel<u32> {
    Parcel {
        id: format!("id-{n}").into(),
        target: target.into(),
        content: n,
        made: WallTime(0),
        tries: 0,
    }
}

const FAILED: Result<(), Failure> = Err(Failure::Failed { not_before: None });

#[test]
fn a_target_gets_one_at_a_time_in_order_and_does_not_hold_back_another() {
    let mut outbox = outbox();
    for n in 0..3 {
        assert_eq!(outbox.put(parcel("a", n)), None);
    }
    outbox.put(parcel("b", 9));
    assert_eq!(outbox.poll(at(0)).unwrap().content, 0);
    assert_eq!(outbox.poll(at(0)).unwrap().content, 9);
    assert_eq!(outbox.poll(at(0)), None);
    assert!(matches!(
        outbox.done("a", "id-0", FAILED, now(0)),
        Verdict::Again(_)
    ));
    assert_eq!(outbox.poll(at(0)), None, "it waits");
    assert_eq!(outbox.done("b", "id-9", Ok(()), now(0)), Verdict::Delivered);
    assert_eq!(outbox.poll(at(2)).unwrap().content, 0, "the same again");
    assert_eq!(outbox.done("a", "id-0", Ok(()), now(2)), Verdict::Delivered);
    assert_eq!(outbox.poll(at(2)).unwrap().content, 1);
    assert_eq!(outbox.done("a", "id-2", Ok(()), now(2)), Verdict::Unknown);
    assert_eq!(outbox.len(), 2);
}

#[test]
fn pauses_grow_to_five_minutes_and_after_a_day_it_is_given_up() {
    let mut outbox = outbox();
    outbox.put(parcel("a", 0));
    let (mut at_ms, mut pauses) = (0_u64, Vec::new());
    loop {
        let moment = Time::from_millis(at_ms);
        assert_eq!(outbox.poll(moment).unwrap().content, 0);
        let now = Now {
            at: moment,
            wall: WallTime(at_ms),
        };
        match outbox.done("a", "id-0", FAILED, now) {
            Verdict::Again(pause) => {
                assert_eq!(outbox.next_wakeup(), moment + pause);
                pauses.push(pause);
                at_ms += pause.as_millis() as u64;
            }
            verdict => break assert_eq!(verdict, Verdict::GivenUp),
        }
    }
    assert!((800..=1200).contains(&pauses[0].as_millis()));
    assert!((1600..=2400).contains(&pauses[1].as_millis()));
    assert!(pauses.iter().all(|p| *p <= Duration::from_secs(360)));
    let day = 86_400_000;
    assert!((day..day + 360_000).contains(&at_ms), "{at_ms}");
    assert!(outbox.is_empty());
}

#[test]
fn one_that_is_refused_is_given_up_soon_and_the_next_one_goes() {
    let mut outbox = outbox();
    outbox.put(parcel("a", 0));
    outbox.put(parcel("a", 1));
    let mut tries = 0;
    for second in 0..10_000 {
        let Some(parcel) = outbox.poll(at(second)) else {
            continue;
        };
        if parcel.content == 1 {
            break;
        }
        tries = parcel.tries;
        outbox.done("a", "id-0", Err(Failure::Refused), now(second));
    }
    assert_eq!(tries, 5);
}

#[test]
fn a_target_may_ask_for_a_pause_but_not_for_ever() {
    let mut outbox = outbox();
    outbox.put(parcel("a", 0));
    for (asked, least, most) in [(120, 120, 120), (1_000_000, 3600, 3600)] {
        let moment = outbox.next_wakeup();
        outbox.poll(moment).unwrap();
        let failed = Failure::Failed {
            not_before: Some(Duration::from_secs(asked)),
        };
        let now = Now {
            at: moment,
            wall: WallTime(0),
        };
        let Verdict::Again(pause) = outbox.done("a", "id-0", Err(failed), now) else {
            panic!("it is tried again");
        };
        assert!((least..=most).contains(&pause.as_secs()), "{pause:?}");
    }
}

#[test]
fn too_many_cost_the_oldest_of_the_target_that_has_most_but_not_the_one_under_way() {
    let mut outbox = outbox();
    outbox.put(parcel("b", 9999));
    for n in 0..WAITING_MAX as u32 - 1 {
        assert_eq!(outbox.put(parcel("a", n)), None);
    }
    assert_eq!(outbox.poll(at(0)).unwrap().content, 0);
    let dropped = outbox.put(parcel("a", 300)).unwrap();
    assert_eq!(dropped.parcel.content, 1);
    assert_eq!(outbox.len(), WAITING_MAX);
    let gone = outbox.retain(|target| target == "b");
    assert_eq!(gone.len(), WAITING_MAX - 1);
    assert_eq!(outbox.done("a", "id-0", Ok(()), now(0)), Verdict::Unknown);
}

#[test]
fn no_more_than_four_are_under_way_at_once() {
    let mut outbox = outbox();
    for n in 0..6 {
        outbox.put(parcel(&format!("t{n}"), n));
    }
    let sent: Vec<_> = std::iter::from_fn(|| outbox.poll(at(0))).collect();
    assert_eq!(sent.len(), 4);
    assert_eq!(outbox.next_wakeup(), Time::NEVER);
    outbox.done("t0", "id-0", Ok(()), now(0));
    assert!(outbox.poll(at(0)).is_some());
}
