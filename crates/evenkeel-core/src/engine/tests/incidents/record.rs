//! What is kept of incidents: over restarts, how many, what a person said, and what weighing evidence costs.

use super::*;

#[test]
fn an_open_incident_survives_a_restart_and_numbers_go_on() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    bench.dead.insert("a1".into());
    refused(&mut bench, "a1", 5);
    let before = only(&bench);
    bench.restart();
    bench.handle(Event::Incidents(vec![before.clone()]));
    bench.configure(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(3.0);
    let after = only(&bench);
    assert_eq!((after.id, after.opened), (before.id, before.opened));
    assert_eq!(after.cause(), before.cause());
    bench.dead.clear();
    bench.run(20.0);
    assert_eq!(only(&bench).state(), "closed");
    bench.dead.insert("a2".into());
    bench.run(10.0);
    assert_eq!(all(&bench)[0].id, before.id + 1);
}

#[test]
fn a_person_may_say_what_it_was() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    bench.dead.insert("a1".into());
    bench.run(8.0);
    let (incident, cause) = (only(&bench).id, Cause::BadRelease);
    bench.handle(Event::Label {
        incident,
        cause,
        by: Labeller::Operator,
    });
    assert_eq!(only(&bench).label, Some(cause));
    bench.dead.clear();
    bench.run(20.0);
    let cause = Cause::DiskFull;
    bench.handle(Event::Label {
        incident,
        cause,
        by: Labeller::Operator,
    });
    assert_eq!(only(&bench).label, Some(cause));
    assert!(told(&bench).ends_with(&[News::Labelled]));
}

#[test]
fn a_thousand_faults_are_remembered_and_no_more() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    fault(&mut bench);
    let one = only(&bench);
    let numbered = |id| Record { id, ..one.clone() };
    let mut bench = Bench::new();
    bench.handle(Event::Incidents((1..=1200).map(numbered).collect()));
    bench.configure(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    (0..3).for_each(|_| fault(&mut bench));
    let all = all(&bench);
    assert_eq!((all.len(), all[0].id, all[999].id), (1000, 1203, 204));
    let forgotten = bench
        .incidents
        .iter()
        .filter(|c| c.news == [News::Forgotten]);
    assert_eq!(forgotten.count(), 203);
}

#[test]
fn a_number_that_became_part_of_another_is_not_given_again_by_the_next_process() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    fault(&mut bench);
    let one = only(&bench);
    let merged = Record {
        id: 3,
        merged: vec![4, 7],
        ..one
    };
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(vec![merged]));
    bench.configure(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    fault(&mut bench);
    assert_eq!(all(&bench)[0].id, 8);
    let part = bench.engine.incident(7).map(|record| record.id);
    assert_eq!(part, Some(3), "whoever asks for the old number finds it");
}

/// An ejection that a person ends.
fn fault(bench: &mut Bench) {
    (1..=5).for_each(|run| fail(bench, "a1", run));
    bench.order("a1", Order::Maintenance);
    bench.order("a1", Order::Ready);
    bench.run(20.0);
}

#[test]
fn evidence_that_pours_in_is_not_weighed_each_time() {
    let mut bench = begin(vec![pool("app", [at("a1", "m1"), at("a2", "m2")])]);
    bench.run(5.0);
    for run in 1..=5 {
        fail(&mut bench, "a1", run);
    }
    let before = bench.incidents.len();
    for run in 6..1000 {
        fail(&mut bench, "a1", run);
        bench.run(0.0001);
    }
    assert!(
        bench.incidents.len() - before < 10,
        "{}",
        bench.incidents.len()
    );
    assert_eq!(only(&bench).subjects[0].phase, Phase::Down);
    bench.run(Duration::from_secs(1).as_secs_f64());
}
