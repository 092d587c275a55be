//! The own zone first: where requests go while one's own zone is well, hurt, gone and back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use support::{Endpoint, Evenkeel, app, eventually, get};

/// a1 and a2 in zone a, b1 and b2 in zone b, and a balancer in this one.
fn site(endpoints: &[Endpoint; 4], own: &str) -> String {
    let pool = endpoints.iter().fold(app(&[], ""), |text, endpoint| {
        let zone = &endpoint.name[..1];
        format!("{text}{}zone = \"{zone}\"\n", endpoint.toml())
    });
    let text = Evenkeel::text(&pool);
    text.replacen("[node]\n", &format!("[node]\nzone = \"{own}\"\n"), 1)
}

fn start() -> ([Endpoint; 4], Evenkeel, SocketAddr) {
    let endpoints = ["a1", "a2", "b1", "b2"].map(Endpoint::start);
    let folder = Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("evenkeel.toml"), site(&endpoints, "a")).unwrap();
    let evenkeel = Evenkeel::launch_in(folder, &[]);
    evenkeel.until_ready();
    for endpoint in &endpoints {
        evenkeel.until("app", &endpoint.name, "up");
    }
    let web = evenkeel.address("web");
    (endpoints, evenkeel, web)
}

/// How many of so many requests each one answers; none may fail.
fn spread(web: SocketAddr, n: usize) -> [usize; 4] {
    let mut taken = [0; 4];
    for _ in 0..n {
        let answer = get(web, "/").unwrap();
        assert_eq!(answer.status, 200);
        let name = answer.field("X-Served-By").unwrap();
        let names = ["a1", "a2", "b1", "b2"];
        taken[names.iter().position(|&n| n == name).unwrap()] += 1;
    }
    taken
}

fn stays(evenkeel: &Evenkeel) -> Value {
    let answer = evenkeel.admin("GET", "/v1/pools/app", "").unwrap();
    let pool: Value = serde_json::from_slice(&answer.body).unwrap();
    pool["zone"].clone()
}

fn until_stays(evenkeel: &Evenkeel, percent: f64) {
    eventually("the zone's part is as it should be", || {
        (stays(evenkeel)["stays"].as_f64() == Some(percent)).then_some(())
    });
}

#[test]
fn a_zone_serves_itself_while_it_can_and_gives_away_what_it_cannot() {
    let (endpoints, evenkeel, web) = start();
    until_stays(&evenkeel, 100.0);
    assert_eq!(stays(&evenkeel)["name"], "a");
    assert_eq!(spread(web, 40), [20, 20, 0, 0]);
    let (code, text, _) = evenkeel.command(&["status", "app"]);
    assert_eq!(code, 0);
    assert!(
        text.contains("zone a  100 % of the traffic stays in it"),
        "{text}"
    );
    assert!(text.contains("ZONE"), "{text}");

    endpoints[1].close();
    evenkeel.until("app", "a2", "down");
    until_stays(&evenkeel, 70.0);
    let [a1, a2, b1, b2] = spread(web, 400);
    assert!((230..=330).contains(&a1), "{a1}");
    assert_eq!(a2, 0);
    assert!(b1.abs_diff(b2) <= 1, "{b1} {b2}");

    endpoints[0].close();
    evenkeel.until("app", "a1", "down");
    until_stays(&evenkeel, 0.0);
    assert_eq!(spread(web, 40), [0, 0, 20, 20]);

    let back = [0, 1].map(|n: usize| {
        let was = &endpoints[n];
        Endpoint::start_on(["a1", "a2"][n], was.address.port())
    });
    for endpoint in &back {
        evenkeel.until("app", &endpoint.name, "up");
    }
    until_stays(&evenkeel, 100.0);
    let [a1, a2, b1, b2] = spread(web, 40);
    assert_eq!((a1 + a2, b1 + b2), (40, 0));
}

#[test]
fn a_drained_endpoint_is_missed_in_its_zone_and_another_zone_is_taken_over_at_a_reload() {
    let (endpoints, evenkeel, web) = start();
    assert_eq!(evenkeel.command(&["drain", "app/a1"]).0, 0);
    until_stays(&evenkeel, 70.0);
    assert_eq!(evenkeel.command(&["ready", "app/a1"]).0, 0);
    until_stays(&evenkeel, 100.0);
    std::fs::write(evenkeel.file(), site(&endpoints, "b")).unwrap();
    let (code, _, problem) = evenkeel.command(&["reload"]);
    assert_eq!(code, 0, "{problem}");
    eventually("the other zone is preferred", || {
        (stays(&evenkeel)["name"] == "b").then_some(())
    });
    eventually("requests stay in it", || {
        (spread(web, 20)[..2] == [0, 0]).then_some(())
    });
}
