//! An endpoint on two networks: what clients see while the way to its first address is cut, and what is told of it.
//!
//! The packets are really lost: the test runs in a network namespace of its own, with a packet filter of its own. That needs
//! root, or a kernel that lets users have namespaces; where neither is given the test says so and is skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use support::{Endpoint, Evenkeel, eventually, get};

const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Set where the test already runs in a namespace of its own.
const INSIDE: &str = "EVENKEEL_TEST_NAMESPACE";

/// Runs the test of this name again in a network namespace. True: this is that run.
fn in_a_network_of_its_own(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        let up = sh(
            "ip link set lo up && nft add table inet t && nft add chain inet t in '{ type filter hook input priority 0; }'",
        );
        assert!(up, "the namespace's network and filter");
        return true;
    }
    let unshare = ["unshare", "--net", "--map-root-user"];
    let possible = "command -v nft >/dev/null && command -v ip >/dev/null && unshare --net --map-root-user nft list ruleset";
    if !sh(possible) {
        eprintln!("SKIPPED {test}: it needs nft, ip, and the right to make a network namespace");
        return false;
    }
    let me = std::env::current_exe().unwrap();
    let run = Command::new(unshare[0])
        .args(&unshare[1..])
        .arg(me)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(run.success(), "{test} in its namespace");
    false
}

fn sh(script: &str) -> bool {
    let run = Command::new("/bin/sh").args(["-c", script]).output();
    run.is_ok_and(|output| output.status.success())
}

/// No packet gets to this address any more.
fn cut(ip: Ipv4Addr, port: u16) {
    assert!(sh(&format!(
        "nft add rule inet t in ip daddr {ip} tcp dport {port} drop"
    )));
}

fn mend() {
    assert!(sh("nft flush chain inet t in"));
}

fn config(a1: &Endpoint, a2: &Endpoint, extra: &str) -> String {
    let other = format!("other_addresses = [\"{SECOND}:{}\"]\n", a1.address.port());
    let head = "[pool.app]\nbalance = \"round_robin\"\nconnect_timeout = \"300ms\"\n";
    support::app(&[], extra).replace("[pool.app]\nbalance = \"round_robin\"\n", head)
        + &a1.toml()
        + &other
        + &a2.toml()
}

fn path(evenkeel: &Evenkeel) -> String {
    let endpoint = evenkeel.endpoint("app", "a1").unwrap_or_default();
    let address = endpoint["path"]["address"].as_str();
    address.unwrap_or_default().to_owned()
}

#[test]
fn a_cut_path_costs_no_request_and_is_left_and_gone_back_to() {
    if !in_a_network_of_its_own("a_cut_path_costs_no_request_and_is_left_and_gone_back_to") {
        return;
    }
    let a1 = Endpoint::start_at("a1", Ipv4Addr::UNSPECIFIED, 0);
    let port = a1.address.port();
    let a2 = Endpoint::start("a2");
    let evenkeel = Evenkeel::run(&config(&a1, &a2, ""));
    let web = evenkeel.address("web");
    let (first, second) = (format!("127.0.0.1:{port}"), format!("{SECOND}:{port}"));
    eventually("both addresses were looked at", || {
        let a1 = evenkeel.endpoint("app", "a1")?;
        (a1["path"]["addresses"][1]["state"] == "answers").then_some(())
    });
    assert_eq!(path(&evenkeel), first);

    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let load = std::thread::spawn(move || {
        let mut bad = Vec::new();
        while !told.load(SeqCst) {
            match get(web, "/") {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => bad.push(format!("{} {}", answer.status, answer.text())),
                Err(error) => bad.push(error.to_string()),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bad
    });
    cut(Ipv4Addr::LOCALHOST, port);
    eventually("the other address is in use", || {
        (path(&evenkeel) == second).then_some(())
    });
    let before = a1.hits();
    eventually("a1 serves by it", || {
        (a1.hits() > before + 10).then_some(())
    });
    let incident = eventually("the incident is closed", || {
        let all = evenkeel.ask("GET", "/v1/incidents", "");
        let last = all["incidents"].get(0).or_else(|| all.get(0))?.clone();
        (last["state"] == "closed").then_some(last)
    });
    assert_eq!(
        incident["causes"][0]["cause"], "network_path_cut",
        "{incident}"
    );
    assert_eq!(incident["scope"], "path");
    assert_eq!(incident["actions"][0]["action"], "switch_network");
    assert_eq!(incident["actions"][0]["outcome"], "cured");
    let (_, status, _) = evenkeel.command(&["status"]);
    assert!(status.contains("on its other address"), "{status}");
    let metrics = evenkeel.admin("GET", "/metrics", "").unwrap().text();
    let used = format!(
        "evenkeel_endpoint_address_in_use{{pool=\"app\",endpoint=\"a1\",address=\"{second}\"}} 1"
    );
    assert!(metrics.contains(&used), "{metrics}");

    mend();
    eventually("the first address is in use again", || {
        (path(&evenkeel) == first).then_some(())
    });
    stop.store(true, SeqCst);
    assert_eq!(load.join().unwrap(), Vec::<String>::new());
    evenkeel.says("goes back from");
}

#[test]
fn the_address_in_use_outlives_a_crash_of_the_balancer() {
    if !in_a_network_of_its_own("the_address_in_use_outlives_a_crash_of_the_balancer") {
        return;
    }
    let a1 = Endpoint::start_at("a1", Ipv4Addr::UNSPECIFIED, 0);
    let port = a1.address.port();
    let a2 = Endpoint::start("a2");
    let evenkeel = Evenkeel::run(&config(&a1, &a2, ""));
    cut(Ipv4Addr::LOCALHOST, port);
    let second = format!("{SECOND}:{port}");
    eventually("the other address is in use", || {
        (path(&evenkeel) == second).then_some(())
    });
    // Answered once everything before it is on the disk.
    evenkeel.ask(
        "POST",
        "/v1/pools/app/endpoints/a2/weight",
        "{\"weight\":null}",
    );
    let old = evenkeel.worker_pid();
    support::kill(old, "KILL");
    eventually("another balancer is there", || {
        (evenkeel.worker_pid() != old).then_some(())
    });
    let endpoint = eventually("it shows a1", || evenkeel.endpoint("app", "a1"));
    assert_eq!(endpoint["path"]["address"], second.as_str(), "{endpoint}");
}

/// Needs no namespace: a refusal is an answer of the machine.
#[test]
fn a_process_that_listens_no_more_is_no_fault_of_the_path() {
    let a1 = Endpoint::start("a1");
    let port = a1.address.port();
    let elsewhere = Endpoint::start_at("a1", SECOND, port);
    let a2 = Endpoint::start("a2");
    let evenkeel = Evenkeel::run(&config(&a1, &a2, ""));
    let web = evenkeel.address("web");
    a1.close();
    for _ in 0..50 {
        assert_eq!(get(web, "/").unwrap().status, 200);
    }
    evenkeel.until("app", "a1", "down");
    let asked = || evenkeel.endpoint("app", "a1").unwrap()["path"]["addresses"][1]["state"].clone();
    eventually("the other address was looked at", || {
        (asked() == "answers").then_some(())
    });
    assert_eq!(path(&evenkeel), format!("127.0.0.1:{port}"));
    assert_eq!(elsewhere.hits(), 0);
}
