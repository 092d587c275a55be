//! The keeper and its children: whatever dies is replaced, and nothing is left behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Endpoint, Evenkeel, alive, app, binary, eventually, free_port, freeze, get, kill};

/// A supervised sample service on a free port, as configuration.
fn supervised(name: &str, port: u16) -> String {
    format!(
        "[[pool.app.endpoint]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nservice = \"{name}\"\n\
         [service.{name}]\ncommand = [\"{}\", \"__sample\", \"{name}\", \"{port}\"]\n\
         ready = {{ kind = \"tcp\", port = {port}, timeout = \"10s\" }}\nstop_timeout = \"2s\"\n",
        binary()
    )
}

fn service_pid(evenkeel: &Evenkeel, name: &str) -> Option<u32> {
    evenkeel.endpoint("app", name)?["service"]["pid"]
        .as_u64()
        .map(|pid| pid as u32)
}

#[test]
fn a_killed_balancer_is_replaced_and_nobody_is_refused() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    let web = evenkeel.address("web");
    let (stop, refused) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load = std::thread::spawn({
        let (stop, refused) = (stop.clone(), refused.clone());
        move || {
            while !stop.load(SeqCst) {
                if let Err(e) = get(web, "/")
                    && e.kind() == std::io::ErrorKind::ConnectionRefused
                {
                    refused.fetch_add(1, SeqCst);
                }
            }
        }
    });
    for _ in 0..3 {
        let old = evenkeel.worker_pid();
        kill(old, "KILL");
        eventually("another balancer answers", || {
            evenkeel.status()?["worker_pid"]
                .as_u64()
                .filter(|pid| *pid != u64::from(old))
        });
        assert_eq!(get(web, "/").unwrap().status, 200);
    }
    stop.store(true, SeqCst);
    load.join().unwrap();
    assert_eq!(refused.load(SeqCst), 0);
}

#[test]
fn a_frozen_balancer_is_replaced() {
    let endpoint = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
    let (web, old) = (evenkeel.address("web"), evenkeel.worker_pid());
    freeze(old);
    let began = Instant::now();
    assert_eq!(get(web, "/").unwrap().status, 200, "the client only waits");
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    assert!(!alive(old));
}

#[test]
fn a_killed_service_is_started_again() {
    let port = free_port();
    let evenkeel = Evenkeel::run(&format!("{}{}", app(&[], ""), supervised("a1", port)));
    evenkeel.until("app", "a1", "up");
    let old = eventually("it has a pid", || service_pid(&evenkeel, "a1"));
    kill(old, "KILL");
    let new = eventually("it has another pid", || {
        service_pid(&evenkeel, "a1").filter(|pid| *pid != old)
    });
    assert!(alive(new));
    let endpoint = evenkeel.until("app", "a1", "up");
    assert_eq!(endpoint["service"]["restarts"], 1, "{endpoint}");
}

#[test]
fn services_outlive_the_balancer_and_are_adopted() {
    let port = free_port();
    let evenkeel = Evenkeel::run(&format!("{}{}", app(&[], ""), supervised("a1", port)));
    evenkeel.until("app", "a1", "up");
    let (_, text, _) = evenkeel.command(&["status"]);
    assert!(!text.contains("replaced"), "{text}");
    let (service, old) = (
        eventually("pid", || service_pid(&evenkeel, "a1")),
        evenkeel.worker_pid(),
    );
    kill(old, "KILL");
    eventually("a new balancer", || {
        evenkeel.status()?["worker_pid"]
            .as_u64()
            .filter(|p| *p != u64::from(old))
    });
    assert_eq!(
        eventually("it is adopted", || service_pid(&evenkeel, "a1")),
        service
    );
    assert!(alive(service));
    let replaced = evenkeel.status().unwrap()["own"]["replaced"].clone();
    assert_eq!(
        (&replaced["times"], &replaced["adopted"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(replaced["why"], "killed by signal 9");
    assert!(replaced["last"].is_string(), "{replaced}");
    let (_, text, _) = evenkeel.command(&["status"]);
    let line = text.lines().find(|line| line.contains("replaced"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(
        line.starts_with("balancer replaced 1 time, last "),
        "{line}"
    );
    let end = " ago (killed by signal 9); 1 service adopted";
    assert!(line.ends_with(end), "{line}");
    kill(service, "KILL");
    eventually("it is still supervised", || {
        service_pid(&evenkeel, "a1").filter(|pid| *pid != service)
    });
}

#[test]
fn an_orderly_end_leaves_nothing_behind() {
    let port = free_port();
    let evenkeel = Evenkeel::run(&format!("{}{}", app(&[], ""), supervised("a1", port)));
    evenkeel.until("app", "a1", "up");
    let (service, balancer) = (
        eventually("pid", || service_pid(&evenkeel, "a1")),
        evenkeel.worker_pid(),
    );
    let (status, log) = evenkeel.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!alive(service) && !alive(balancer));
}

#[test]
fn when_the_keeper_is_killed_its_children_end_too() {
    let port = free_port();
    let evenkeel = Evenkeel::run(&format!("{}{}", app(&[], ""), supervised("a1", port)));
    evenkeel.until("app", "a1", "up");
    let (service, balancer) = (
        eventually("pid", || service_pid(&evenkeel, "a1")),
        evenkeel.worker_pid(),
    );
    kill(evenkeel.child.id(), "KILL");
    eventually("both are gone", || {
        (!alive(service) && !alive(balancer)).then_some(())
    });
}

#[test]
fn a_service_that_cannot_stay_up_needs_a_person() {
    let config = format!(
        "{}[[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:{}\"\nservice = \"a1\"\n\
         [service.a1]\ncommand = [\"/bin/false\"]\nready = {{ kind = \"none\" }}\nrestart_limit = {{ starts = 3, within = \"60s\" }}\n",
        app(&[], ""),
        free_port()
    );
    let evenkeel = Evenkeel::run(&config);
    let service = eventually("it is given up", || {
        let status = evenkeel.status()?;
        status["services"]
            .as_array()?
            .iter()
            .find(|s| s["state"] == "failed")
            .cloned()
    });
    assert!(
        service["why"].as_str().unwrap().contains("person"),
        "{service}"
    );
}

#[test]
fn a_second_run_on_the_same_state_is_refused_with_the_firsts_pid() {
    let endpoint = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
    let output = std::process::Command::new(binary())
        .arg("run")
        .arg(evenkeel.file())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{complaint}");
    assert!(
        complaint.contains(&evenkeel.child.id().to_string()),
        "{complaint}"
    );
}

#[test]
fn a_services_output_is_in_the_log_with_its_name() {
    let config = format!(
        "{}[[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:{}\"\nservice = \"talker\"\n\
         [service.talker]\ncommand = [\"/bin/sh\", \"-c\", \"echo here I am; exec sleep 1000\"]\nready = {{ kind = \"none\" }}\n",
        app(&[], ""),
        free_port()
    );
    let evenkeel = Evenkeel::run(&config);
    eventually("the line is there", || {
        evenkeel
            .log()
            .lines()
            .any(|l| l.contains("talker") && l.contains("here I am"))
            .then_some(())
    });
}

#[test]
fn a_log_for_programs_is_one_object_a_line() {
    let config = format!(
        "[log]\nformat = \"json\"\n{}[[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:{}\"\nservice = \"talker\"\n\
         [service.talker]\ncommand = [\"/bin/sh\", \"-c\", \"sleep 0.1; echo 'it said \\\"hello\\\"'; exec sleep 1000\"]\nready = {{ kind = \"none\" }}\n",
        app(&[], ""),
        free_port()
    );
    let evenkeel = Evenkeel::run(&config);
    let line = eventually("the line is there", || {
        let log = evenkeel.log();
        log.lines()
            .find(|l| l.contains("it said"))
            .map(str::to_owned)
    });
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(object.to_string().contains("talker"), "{line}");
    let log = evenkeel.says("serving");
    for line in log.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }
}

/// How many descriptors a process may have.
fn limit_descriptors(pid: u32, most: u64) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(1024),
    };
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

#[test]
fn a_balancer_out_of_descriptors_blames_no_endpoint_and_recovers() {
    let endpoint = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
    let (web, pid) = (evenkeel.address("web"), evenkeel.worker_pid());
    evenkeel.until("app", "a1", "up");
    limit_descriptors(pid, 8);
    evenkeel.says("checks cannot look");
    limit_descriptors(pid, 1024);
    evenkeel.says("checks can look again");
    assert_eq!(get(web, "/").unwrap().status, 200);
    assert_eq!(evenkeel.worker_pid(), pid);
    assert!(!evenkeel.log().contains("up → down"), "{}", evenkeel.log());
}
