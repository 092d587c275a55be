//! Data restored from recovery points.

use super::*;

/// It ends at every start, and is given up.
fn spoilt(allow: &[&'static str]) -> Bench {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    let mut spec = cared("s1");
    spec.restart_starts = 2;
    spec.care.data = Some(Data {
        directory: "/data".into(),
        every: Duration::from_secs(3600),
        keep: 2,
    });
    bench.services = vec![spec, cared("s2")];
    let mut pool = pool("app", [served("s1"), served("s2")]);
    pool.failover.hold = Duration::ZERO;
    pool.recovery = allowing(allow);
    bench.configure(vec![pool]);
    bench.run(15.0);
    bench
}

fn end_again_and_again(bench: &mut Bench) {
    bench.dead.insert("s1".into());
    for _ in 0..30 {
        let seen = Observation {
            about: About::Endpoint(bench.id("s1")),
            evidence: Evidence::PortTaken,
            present: false,
            source: Source::Check,
            value: String::new(),
        };
        bench.handle(Event::Observed(seen));
        let service = bench.engine.service_id("s1").unwrap();
        if let Some(pid) = bench.engine.service(service).unwrap().pid {
            let status = "exit status: 3".into();
            let event = ServiceEvent::Exited { pid, status };
            bench.handle(Event::Service { service, event });
        }
        bench.run(1.0);
    }
}

/// What the planner took: what supervision does by itself is in the record too.
fn planned(record: &Record) -> Vec<&str> {
    let all = record.actions.iter();
    let planned = all.filter(|a| a.why.contains("helps with"));
    planned.map(|a| a.action.as_str()).collect()
}

fn know(bench: &mut Bench, oldest: Option<WallTime>) {
    bench.handle(Event::Points {
        agent: None,
        oldest: [("s1".into(), oldest)].into(),
    });
}

#[test]
fn data_is_restored_where_it_ends_at_every_start_and_starting_it_again_did_not_help() {
    let mut bench = spoilt(&["restart", "restore_data"]);
    let made = bench.now.wall;
    know(&mut bench, Some(made));
    bench.run(2.0);
    bench.hold_acts = true;
    end_again_and_again(&mut bench);
    let record = only(&bench);
    assert_eq!(planned(&record), ["restart", "restore_data"], "{record:#?}");
    assert_eq!(bench.orders.len(), 1);
    assert!(
        made < bench.orders[0].since,
        "a point from before the fault"
    );
}

#[test]
fn no_restoration_is_begun_where_there_is_no_point_from_before_the_fault() {
    let later = WallTime(u64::MAX / 2);
    for known in [None, Some(later)] {
        let mut bench = spoilt(&["restart", "restore_data"]);
        know(&mut bench, known);
        end_again_and_again(&mut bench);
        let record = only(&bench);
        assert_eq!(planned(&record), ["restart"], "{record:#?}");
        let told = record.person.join("\n");
        assert!(
            told.contains("restore_data: there is no recovery point from before the fault"),
            "{record:#?}"
        );
    }
}

#[test]
fn what_is_known_of_recovery_points_is_known_by_host() {
    let mut bench = spoilt(&["restart", "restore_data"]);
    let made = bench.now.wall;
    know(&mut bench, Some(made));
    bench.run(2.0);
    bench.handle(Event::Points {
        agent: Some("host-1".into()),
        oldest: [
            ("s1".into(), None),
            ("host-1/s1".into(), None),
            ("host-2/s1".into(), None),
        ]
        .into(),
    });
    end_again_and_again(&mut bench);
    let record = only(&bench);
    assert!(
        planned(&record).contains(&"restore_data"),
        "an agent says nothing of what is here: {record:#?}"
    );
}
