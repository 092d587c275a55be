//! Actions that the end of the balancer interrupted.

use super::*;

#[test]
fn an_action_that_a_restart_of_the_balancer_interrupted_is_not_repeated() {
    let mut bench = begin(allowing(&["rollback_release"]));
    bench.hold_acts = true;
    ship(&mut bench, "s1");
    assert_eq!(bench.orders.len(), 1);
    let specs = vec![pool_of(&bench)];
    bench.restart();
    bench.configure(specs);
    for _ in 0..40 {
        bench.run(1.0);
        see(&mut bench, "s1", Evidence::ErrorStatus);
    }
    assert_eq!(bench.orders.len(), 1, "nobody knows how far it came");
    let record = only(&bench);
    assert!(
        taken(&record).contains(&("rollback_release", Outcome::Interrupted)),
        "{record:#?}"
    );
    assert!(!record.person.is_empty());
}

/// A stopped process hears no polite word: the balancer that ordered the restart dies while it waits for the end.
fn taken_over_in_the_middle_of_a_restart(allow: &[&'static str], age: Duration) -> Bench {
    let mut bench = begin(allowing(allow));
    let recover = vec!["/bin/recover".to_owned()];
    bench.services[0].care.commands = vec![("recover".to_owned(), recover)];
    let specs = vec![pool_of(&bench)];
    bench.configure(specs);
    bench.stubborn = true;
    hang(&mut bench, "s1");
    assert_eq!(bench.service("s1"), ServiceState::Stopping);
    let specs = vec![pool_of(&bench)];
    let running = ["s1", "s2"].map(|name| {
        let id = bench.engine.service_id(name).unwrap();
        let view = bench.engine.service(id).unwrap();
        Running {
            service: name.into(),
            pid: view.pid.unwrap(),
            restarts: view.restarts,
            age: Some(age),
        }
    });
    bench.restart();
    bench.deaf = Some("s1".into());
    bench.handle(Event::Running(running.into()));
    bench.configure(specs);
    bench
}

fn go_on_hanging(bench: &mut Bench, seconds: u32) {
    for _ in 0..seconds {
        see(bench, "s1", Evidence::NoAnswer);
        let mut stopped = facts(bench, "s1");
        stopped.process = ProcessState::Stopped;
        read(bench, stopped);
        bench.run(1.0);
    }
}

#[test]
fn after_an_interrupted_restart_the_next_action_that_fits_is_taken_without_waiting_for_readiness() {
    let allow = ["restart", "run"];
    let mut bench = taken_over_in_the_middle_of_a_restart(&allow, Duration::from_secs(9));
    assert_eq!(bench.service("s1"), ServiceState::Starting);
    go_on_hanging(&mut bench, 5);
    let record = only(&bench);
    assert_eq!(bench.orders.len(), 1, "{record:#?}");
    assert_eq!(bench.orders[0].action.name(), "run");
    let all = taken(&record);
    assert!(
        all.contains(&("restart", Outcome::Interrupted)),
        "{record:#?}"
    );
    assert_eq!(bench.starts["s1"], 1, "the restart is not done again");
}

#[test]
fn where_nothing_else_is_allowed_after_an_interrupted_restart_a_person_is_told_at_once() {
    let mut bench = taken_over_in_the_middle_of_a_restart(&["restart"], Duration::from_secs(19));
    go_on_hanging(&mut bench, 10);
    let record = only(&bench);
    let told = record.person.join("\n");
    assert!(
        told.contains("restart: was under way when the balancer before this one ended"),
        "{record:#?}"
    );
    assert_eq!(bench.starts["s1"], 1, "the restart is not done again");
}

#[test]
fn one_that_was_started_by_the_interrupted_restart_has_its_time_to_get_ready() {
    let allow = ["restart", "run"];
    let mut bench = taken_over_in_the_middle_of_a_restart(&allow, Duration::ZERO);
    go_on_hanging(&mut bench, 8);
    assert!(bench.orders.is_empty(), "it may be on its way");
    let record = only(&bench);
    assert_eq!(taken(&record), [("restart", Outcome::Interrupted)]);
}
