//! Prevention with the real binary: a service that uses up its processor gives work away, is shown to, and has it back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Evenkeel, binary, free_port, get, request};

/// Facts come once a second, a step is five, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two samples that may use a fifth of a core each; checks that a throttled one passes.
fn config(ports: [u16; 2], more: &str) -> String {
    let mut text = format!(
        "[[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:0\"]\n[[route]]\npool = \"app\"\n\
         [pool.app]\nbalance = \"round_robin\"\n[pool.app.check]\nkind = \"tcp\"\ntimeout = \"20s\"\n\
         [pool.app.failover]\nhold = \"0s\"\nramp = \"0s\"\n{more}"
    );
    for (name, port) in ["a1", "a2"].into_iter().zip(ports) {
        text += &format!(
            "[[pool.app.endpoint]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nservice = \"{name}\"\n\
             [service.{name}]\ncommand = [\"{}\", \"__sample\", \"{name}\", \"{port}\"]\ncpu_max = \"20%\"\n\
             ready = {{ kind = \"tcp\", port = {port}, timeout = \"20s\" }}\nstop_timeout = \"2s\"\n",
            binary()
        );
    }
    text
}

fn until(evenkeel: &Evenkeel, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = evenkeel.endpoint("app", "a1");
        if let Some(found) = found.as_ref().filter(|endpoint| fits(endpoint)) {
            return found.clone();
        }
        assert!(Instant::now() < end, "{what}: {found:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn knob(port: u16, fault: &str) {
    let address = ([127, 0, 0, 1], port).into();
    let answer = request(address, "POST", &format!("/_drill/{fault}"), "").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_service_that_uses_up_its_processor_gives_work_away_and_has_it_back_when_it_cools() {
    let ports = [free_port(), free_port()];
    let evenkeel = Evenkeel::run(&config(ports, ""));
    for name in ["a1", "a2"] {
        evenkeel.until("app", name, "up");
    }
    let cool = until(&evenkeel, "its heat is known", |e| e["heat"].is_object());
    assert_eq!(cool["effective_weight"], 100);
    knob(ports[0], "burn?threads=2&for_s=600");
    let hot = until(&evenkeel, "weight moves off it", |e| {
        e["effective_weight"].as_u64() <= Some(80)
    });
    assert_eq!(hot["weight"], 100, "{hot:#}");
    assert_eq!(hot["relief"]["decided_by"], "prevention");
    let why = hot["relief"]["why"].as_str().unwrap();
    assert!(why.contains("CPU"), "{why}");
    assert!(hot["heat"]["percent"].as_u64() >= Some(80), "{hot:#}");
    let (_, text, _) = evenkeel.command(&["status", "app"]);
    assert!(
        text.contains("weight 100, ") && text.contains(" now: "),
        "{text}"
    );
    let metrics = evenkeel.admin("GET", "/metrics", "").unwrap().text();
    let weight = "evenkeel_endpoint_effective_weight{pool=\"app\",endpoint=\"a2\"} 100";
    assert!(metrics.contains(weight), "{metrics}");
    assert!(
        metrics.contains("evenkeel_endpoint_heat{pool=\"app\",endpoint=\"a1\"} 0.")
            || metrics.contains("evenkeel_endpoint_heat{pool=\"app\",endpoint=\"a1\"} 1")
    );

    // It really gets less, and never nothing.
    let web = evenkeel.address("web");
    let answers = (0..90).map(|_| get(web, "/").unwrap());
    let of_a1 = answers.filter(|a| a.text().contains("a1")).count();
    assert!((15..=43).contains(&of_a1), "{of_a1} of 90");

    knob(ports[0], "end");
    let cooled = until(&evenkeel, "all of it is back", |e| {
        e["effective_weight"] == 100 && e["relief"].is_null()
    });
    assert_eq!(cooled["state"], "up");
    evenkeel.says("app/a1 runs hot, work moves off it: ");
    evenkeel.says("app/a1 has its whole weight again");
}

#[test]
fn where_all_are_hot_admission_tightens_and_with_mode_advise_nothing_happens() {
    let ports = [free_port(), free_port()];
    let evenkeel = Evenkeel::run(&config(ports, ""));
    for name in ["a1", "a2"] {
        evenkeel.until("app", name, "up");
    }
    let web = evenkeel.address("web");
    for port in ports {
        knob(port, "burn?threads=2&for_s=600");
    }
    let end = Instant::now() + PATIENCE;
    let pool = loop {
        // Something has to be in flight to measure by.
        let _ = get(web, "/slow/200");
        let pool = evenkeel.ask("GET", "/v1/pools/app", "");
        if pool["admission"].is_object() {
            break pool;
        }
        assert!(Instant::now() < end, "{pool:#}");
    };
    let admission = &pool["admission"];
    assert!(admission["per_endpoint"].as_u64() >= Some(1), "{pool:#}");
    assert!(admission["queue"].as_u64() <= Some(1000), "{pool:#}");
    let why = admission["why"].as_str().unwrap();
    assert!(why.starts_with("every endpoint is hot: "), "{why}");
    for endpoint in pool["endpoints"].as_array().unwrap() {
        assert_eq!(
            endpoint["effective_weight"], 100,
            "nobody is left to take it"
        );
    }
    let (_, text, _) = evenkeel.command(&["status", "app"]);
    assert!(text.contains("admission at "), "{text}");

    evenkeel.rewrite(&config(ports, "[pool.app.prevention]\nmode = \"advise\"\n"));
    assert_eq!(evenkeel.command(&["reload"]).0, 0);
    let end = Instant::now() + PATIENCE;
    let pool = loop {
        let pool = evenkeel.ask("GET", "/v1/pools/app", "");
        if pool["admission"].is_null() {
            break pool;
        }
        assert!(Instant::now() < end, "{pool:#}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let heat = &pool["endpoints"][0]["heat"]["percent"];
    assert!(heat.as_u64() >= Some(80), "it is still shown: {pool:#}");
}
