//! What a person does about a fault: whose the cure is, and that it stands in the incident's story.

use super::bench::{Bench, see};
use super::recovery::{allowing, begin, hang, only, ship, taken};
use super::*;
use crate::diagnose::{Cause, Evidence};
use crate::incident::{Actor, Labeller, Noticed, Outcome, Record};
use crate::settings::RecoverySettings;

/// A person has an action carried out on a service, which takes no time.
fn ask(bench: &mut Bench, service: &str, action: &str) {
    let asked = |ended| Event::Asked {
        service: service.into(),
        action: action.into(),
        ended,
    };
    bench.handle(asked(None));
    bench.handle(asked(Some(Ok("done".to_owned()))));
}

/// Who did what, and what came of it.
fn story(record: &Record) -> Vec<(Actor, &str, Outcome)> {
    let all = record.actions.iter();
    all.map(|a| (a.by, a.action.as_str(), a.outcome)).collect()
}

fn counts(bench: &Bench) -> Vec<(String, String, u32, u32)> {
    bench.engine.recovery("app").unwrap().cures
}

/// It is over, this is its story, and evenkeel counts no cure.
fn closed_for_nobody(bench: &Bench, wanted: [(Actor, &str, Outcome); 2]) {
    let record = only(bench);
    assert!(record.closed.is_some(), "{record:#?}");
    assert_eq!(story(&record), wanted);
    assert_eq!(counts(bench), []);
}

#[test]
fn a_cure_after_what_a_person_did_is_the_persons_and_counts_for_nobody() {
    let mut bench = begin(RecoverySettings::default());
    hang(&mut bench, "s1");
    assert_eq!(taken(&only(&bench)).len(), 1, "it was restarted in vain");
    ask(&mut bench, "s1", "rollback_release");
    bench.dead.clear();
    bench.run(20.0);
    closed_for_nobody(
        &bench,
        [
            (Actor::Evenkeel, "restart", Outcome::Overtaken),
            (Actor::Operator, "rollback_release", Outcome::Cured),
        ],
    );
    let tried = &bench.recoveries["app"].tried;
    assert_eq!(tried.last().unwrap().end.name(), "overtaken");
}

#[test]
fn the_restart_of_supervision_is_not_praised_for_what_a_person_did_after_it() {
    let mut bench = begin(allowing(&[]));
    ship(&mut bench, "s1");
    ask(&mut bench, "s1", "rollback_release");
    bench.dead.clear();
    bench.run(20.0);
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::BadRelease);
    assert!(record.closed.is_some(), "{record:#?}");
    assert_eq!(
        story(&record),
        [
            (Actor::Evenkeel, "restart", Outcome::Overtaken),
            (Actor::Operator, "rollback_release", Outcome::Cured),
        ]
    );
}

#[test]
fn what_a_person_does_once_everything_serves_again_has_cured_nothing() {
    let mut bench = begin(RecoverySettings::default());
    hang(&mut bench, "s1");
    bench.dead.clear();
    while only(&bench).restored.is_none() {
        bench.run(0.1);
    }
    ask(&mut bench, "s1", "reload_service");
    bench.run(10.0);
    assert_eq!(
        story(&only(&bench)),
        [
            (Actor::Evenkeel, "restart", Outcome::Cured),
            (Actor::Operator, "reload_service", Outcome::Done),
        ]
    );
    let restart = ("process_hung".into(), "restart".into(), 1, 1);
    assert_eq!(counts(&bench), [restart]);
}

#[test]
fn what_a_person_does_before_evenkeel_acts_takes_nothing_from_its_cure() {
    let mut bench = begin(RecoverySettings::default());
    bench.dead.insert("s1".into());
    for _ in 0..200 {
        if !bench.engine.incidents().is_empty() {
            break;
        }
        see(&mut bench, "s1", Evidence::NoAnswer);
        bench.run(0.05);
    }
    ask(&mut bench, "s1", "reload_service");
    hang(&mut bench, "s1");
    bench.dead.clear();
    bench.run(15.0);
    let record = only(&bench);
    assert_eq!(
        story(&record),
        [
            (Actor::Operator, "reload_service", Outcome::Overtaken),
            (Actor::Evenkeel, "restart", Outcome::Cured),
        ]
    );
    assert_eq!(counts(&bench).len(), 1);
    let decided = record.times.decide.unwrap();
    assert!(decided >= 1500, "what a person did is no decision of ours");
}

#[test]
fn an_endpoint_that_is_drained_is_not_cured_by_what_was_done_before() {
    let mut bench = begin(RecoverySettings::default());
    hang(&mut bench, "s1");
    bench.order("s1", Order::Draining);
    bench.run(20.0);
    closed_for_nobody(
        &bench,
        [
            (Actor::Evenkeel, "restart", Outcome::Overtaken),
            (Actor::Operator, "drain", Outcome::Done),
        ],
    );
}

#[test]
fn a_cure_after_a_reload_that_touches_the_pool_is_the_reloads() {
    let mut bench = begin(RecoverySettings::default());
    hang(&mut bench, "s1");
    let mut changed = bench.engine.pool("app").unwrap().spec.clone();
    // What changes nothing of it is none of its story.
    bench.configure(vec![changed.clone()]);
    assert_eq!(only(&bench).actions.len(), 1);
    changed.retry.retries += 1;
    bench.configure(vec![changed]);
    bench.dead.clear();
    bench.run(20.0);
    closed_for_nobody(
        &bench,
        [
            (Actor::Evenkeel, "restart", Outcome::Overtaken),
            (Actor::Operator, "reload", Outcome::Cured),
        ],
    );
}

#[test]
fn what_a_person_had_done_outlives_the_balancer() {
    let mut bench = begin(allowing(&[]));
    hang(&mut bench, "s1");
    ask(&mut bench, "s1", "restart");
    let before = only(&bench);
    bench.restart();
    assert_eq!(story(&only(&bench)), story(&before));
    assert_eq!(only(&bench).actions[0].by, Actor::Operator);
}

fn noticed(requests: u64, failed: u64) -> Event {
    Event::Noticed {
        pool: "app".into(),
        noticed: Noticed {
            requests,
            failed,
            retried: 2,
            slow: 0,
        },
    }
}

#[test]
fn what_clients_noticed_is_counted_from_the_first_sign_until_it_is_over() {
    let mut bench = begin(RecoverySettings::default());
    bench.handle(noticed(1000, 3));
    bench.run(10.0);
    bench.dead.insert("s1".into());
    // Not known to be a fault yet.
    while bench.engine.incidents().is_empty() {
        see(&mut bench, "s1", Evidence::NoAnswer);
        bench.handle(noticed(10, 1));
        bench.run(0.5);
    }
    let (pool, seen) = only(&bench).clients.remove(0);
    assert_eq!(pool, "app");
    let times = seen.requests / 10;
    assert!(times > 1, "those before it was known count: {seen:?}");
    assert_eq!((seen.failed, seen.retried), (times, times * 2));
    bench.dead.clear();
    hang(&mut bench, "s1");
    bench.handle(noticed(7, 0));
    bench.dead.clear();
    bench.run(20.0);
    let record = only(&bench);
    assert!(record.closed.is_some());
    assert_eq!(record.clients[0].1.requests, seen.requests + 7);
    bench.handle(noticed(50, 0));
    assert_eq!(only(&bench).clients, record.clients, "it is over");
}

#[test]
fn who_said_what_it_was_is_kept() {
    let mut bench = begin(RecoverySettings::default());
    hang(&mut bench, "s1");
    bench.handle(Event::Label {
        incident: only(&bench).id,
        cause: Cause::ProcessHung,
        by: Labeller::Drill,
    });
    let record = only(&bench);
    let said = (record.label, record.labelled_by);
    assert_eq!(said, (Some(Cause::ProcessHung), Labeller::Drill));
}
