//! What is kept of what agents tell, and for how long.

use evenkeel_core::settings::{Care, Data};
use evenkeel_core::time::WallTime;
use evenkeel_schema::admin::RecoveryPoints;
use evenkeel_schema::agent::{CareReport, PointReport, PointsProblem};

use super::*;

fn service(name: &str, points: Option<PointsReport>) -> ServiceReport {
    let data = Data {
        directory: "/data".into(),
        every: std::time::Duration::from_secs(60),
        keep: 24,
    };
    let care = Care {
        data: Some(data),
        ..Care::default()
    };
    ServiceReport {
        name: name.into(),
        state: "ready".into(),
        care: CareReport::new(&care),
        points,
        ..ServiceReport::default()
    }
}

fn point(id: &str) -> PointReport {
    PointReport {
        id: id.into(),
        made_ms: 1000,
        directory: "/data".into(),
        ..PointReport::default()
    }
}

fn points(ids: &[&str]) -> Option<PointsReport> {
    Some(PointsReport {
        points: ids.iter().map(|id| point(id)).collect(),
        ..PointsReport::default()
    })
}

fn listed(points: &TheirPoints) -> Vec<(String, String)> {
    let mut all = RecoveryPoints::default();
    points.list("host-1", None, &mut all);
    let all = all.recovery_points.into_iter();
    all.map(|point| (point.service, point.id)).collect()
}

#[test]
fn points_stay_as_told_until_others_are_told_or_their_service_or_its_data_is_gone() {
    let mut kept = TheirPoints::default();
    let both = [
        service("a", points(&["1", "2"])),
        service("b", points(&["3"])),
    ];
    kept.told(&both, true);
    let of = |service: &str, id: &str| (format!("host-1/{service}"), id.to_owned());
    assert_eq!(listed(&kept), [of("a", "1"), of("a", "2"), of("b", "3")]);
    // Another state says nothing of points.
    kept.told(&[service("a", None)], false);
    assert_eq!(listed(&kept).len(), 3);
    kept.told(&[service("a", points(&["2"]))], false);
    assert_eq!(listed(&kept), [of("a", "2"), of("b", "3")]);
    // An agent that has just started and has not looked yet.
    kept.told(&[service("a", None), service("b", None)], true);
    assert_eq!(listed(&kept), [of("a", "2"), of("b", "3")]);
    let without = ServiceReport {
        care: CareReport::default(),
        ..service("a", None)
    };
    kept.told(&[without], true);
    assert_eq!(listed(&kept), []);
}

#[test]
fn what_is_not_known_here_is_left_to_the_agent_and_what_is_known_is_not() {
    let mut kept = TheirPoints::default();
    assert!(kept.may_have("a", "1"), "it has not told");
    kept.told(&[service("a", points(&["2"]))], false);
    assert!(kept.may_have("a", "2") && !kept.may_have("a", "1"));
    let mut more = points(&["2"]);
    more.as_mut().unwrap().older = 1;
    kept.told(&[service("a", more)], false);
    assert!(kept.may_have("a", "1"), "it did not fit");
}

#[test]
fn an_agent_that_tells_more_than_one_may_is_kept_no_more_of() {
    let mut kept = TheirPoints::default();
    let many: Vec<PointReport> = (0..800).map(|n| point(&format!("p{n}"))).collect();
    let report = PointsReport {
        points: many,
        ..PointsReport::default()
    };
    let services: Vec<_> = (0..10)
        .map(|n| service(&format!("s{n}"), Some(report.clone())))
        .collect();
    kept.told(&services, true);
    let bytes: usize = kept.0.values().map(PointsReport::weight).sum();
    assert!(bytes > 0 && bytes <= POINTS_BYTES_MAX, "{bytes}");
}

#[test]
fn those_of_an_agent_that_is_gone_say_since_when_and_problems_and_older_ones_are_told() {
    let mut kept = TheirPoints::default();
    let report = PointsReport {
        points: vec![point("1")],
        older: 7,
        problem: Some(PointsProblem {
            at_ms: 5,
            why: "no\nroom".into(),
        }),
    };
    kept.told(&[service("a", Some(report))], true);
    let mut all = RecoveryPoints::default();
    let then = Some(Stamp(WallTime(9)));
    kept.list("host-1", then, &mut all);
    assert_eq!(all.recovery_points[0].as_of, then);
    assert_eq!(all.problems[0].service, "host-1/a");
    assert_eq!(all.problems[0].why, "no room");
    assert_eq!(
        (&*all.older[0].service, all.older[0].points),
        ("host-1/a", 7)
    );
}
