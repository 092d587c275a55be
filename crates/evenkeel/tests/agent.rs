//! What evenkeel sees of its services and how it holds them to their limits, with real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{Evenkeel, alive, app, eventually, kill};

/// A configuration with one service that runs `script`, and more keys of it.
fn service(script: &str, keys: &str) -> String {
    format!(
        "{}[[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:1\"\nservice = \"s\"\n\
         [service.s]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\nstop_timeout = \"1s\"\n{keys}",
        app(&[], "")
    )
}

fn facts(evenkeel: &Evenkeel) -> Option<Value> {
    let status = evenkeel.status()?;
    let facts = status["services"].as_array()?.first()?["facts"].clone();
    (!facts.is_null()).then_some(facts)
}

/// Can control groups for memory be made here, as far as a test can know?
fn groups() -> bool {
    let root = rustix::process::geteuid().is_root();
    root && (Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists()
        || std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")
            .is_ok_and(|c| c.contains("memory")))
}

#[test]
fn facts_of_a_service_are_in_status_pool_metrics_and_command() {
    let evenkeel = Evenkeel::run(&service("while :; do :; done", ""));
    let facts = eventually("it is seen to be busy", || {
        facts(&evenkeel).filter(|f| f["cpu_millicores"].as_u64() > Some(50))
    });
    assert_eq!(facts["process"], "running");
    assert!(facts["memory_bytes"].as_u64() > Some(100_000), "{facts}");
    assert!(facts["descriptors"].as_u64() >= Some(3), "{facts}");
    assert!(facts["disks"][0]["bytes"].as_u64() > Some(0), "{facts}");
    let endpoint = evenkeel.endpoint("app", "a1").unwrap();
    assert_eq!(endpoint["service"]["facts"]["process"], "running");
    let machine = &evenkeel.status().unwrap()["machine"];
    assert!(machine["cores"].as_u64() >= Some(1), "{machine}");
    let metrics = evenkeel.admin("GET", "/metrics", "").unwrap().text();
    for name in [
        "evenkeel_service_cpu_cores{service=\"s\"} ",
        "evenkeel_service_memory_bytes{service=\"s\"} ",
        "evenkeel_service_descriptors{service=\"s\"} ",
        "evenkeel_disk_free_bytes{service=\"s\",path=",
        "evenkeel_machine_memory_available_bytes ",
    ] {
        assert!(metrics.contains(name), "{name}\n{metrics}");
    }
    let (code, out, _) = evenkeel.command(&["status"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("MEMORY") && out.contains("machine  cpu"),
        "{out}"
    );
}

#[test]
fn memory_max_is_held_by_the_kernel_and_its_group_goes_with_evenkeel() {
    if !groups() {
        return;
    }
    // `tail` keeps all of a line: 100 MiB.
    let hog = "head -c 100M /dev/zero | tail > /dev/null; exec sleep 1000";
    let evenkeel = Evenkeel::run(&service(hog, "memory_max = \"16MiB\"\ncpu_max = \"50%\"\n"));
    let facts = eventually("the kernel has ended the hog", || {
        facts(&evenkeel).filter(|f| f["oom_kills"].as_u64() > Some(0))
    });
    assert_eq!(facts["memory_max"]["max"], 16 << 20, "{facts}");
    let way = facts["memory_max"]["way"].as_str().unwrap();
    assert!(way.starts_with("cgroup"), "{facts}");
    assert!(facts["memory_bytes"].as_u64() <= Some(16 << 20), "{facts}");
    let group = facts["memory_max"]["why"].as_str().unwrap().to_owned();
    let group = Path::new(&group);
    assert!(group.join("cgroup.procs").exists(), "{group:?}");

    // It outlives the balancer.
    let old = evenkeel.worker_pid();
    kill(old, "KILL");
    let after = eventually("another balancer sees the same", || {
        let other = evenkeel.status()?["worker_pid"].as_u64()? != u64::from(old);
        self::facts(&evenkeel).filter(|_| other)
    });
    assert_eq!(after["memory_max"]["why"], facts["memory_max"]["why"]);

    let (status, log) = evenkeel.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!group.exists() && !group.parent().unwrap().exists());
}

#[test]
fn cpu_max_holds_a_service_back() {
    if !groups() {
        return;
    }
    let evenkeel = Evenkeel::run(&service("while :; do :; done", "cpu_max = \"20%\"\n"));
    let facts = eventually("it is held back", || {
        facts(&evenkeel).filter(|f| f["throttled_permille"].as_u64() > Some(0))
    });
    assert!(facts["cpu_millicores"].as_u64() <= Some(400), "{facts}");
    assert_eq!(facts["cpu_max"]["max"], 200, "{facts}");
}

#[test]
fn what_a_limited_service_leaves_behind_ends_with_it() {
    if !groups() {
        return;
    }
    // A daemon in a session of its own is in no process group that could be killed, but in the control group.
    let script = "setsid sleep 999 & echo $! > daemon; exec sleep 1000";
    let evenkeel = Evenkeel::run(&service(script, "memory_max = \"64MiB\"\n"));
    let daemon = eventually("the daemon runs", || {
        let text = std::fs::read_to_string(evenkeel.folder.path().join("daemon")).ok()?;
        let pid = text.trim().parse().ok()?;
        facts(&evenkeel)
            .filter(|f| f["processes"] == 2)
            .map(|_| pid)
    });
    let pid = evenkeel.endpoint("app", "a1").unwrap()["service"]["pid"]
        .as_u64()
        .unwrap();
    kill(u32::try_from(pid).unwrap(), "KILL");
    eventually("the daemon has ended", || (!alive(daemon)).then_some(()));
}

#[test]
fn without_control_groups_memory_is_watched_and_the_service_restarted() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Its own view of the file systems, in which there are none.
    let hide = "mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"";
    let by = ["unshare", "--mount", "/bin/sh", "-c", hide, "sh"];
    // The shell itself grows: a value of 40 MiB.
    let hog = "sleep 0.5; x=$(head -c 40000000 /dev/zero | tr '\\0' x); while :; do sleep 1; done";
    let keys = "memory_max = \"8MiB\"\nready = { kind = \"none\" }\n";
    let evenkeel = Evenkeel::launch_by(&service(hog, keys), &by);
    let facts = eventually("it is watched", || facts(&evenkeel));
    assert_eq!(facts["memory_max"]["way"], "watched", "{facts}");
    let why = facts["memory_max"]["why"].as_str().unwrap();
    assert!(
        why.contains("version 2") && why.contains("version 1"),
        "{why}"
    );
    let (_, out, _) = evenkeel.command(&["status"]);
    assert!(out.contains("memory_max is watched"), "{out}");
    eventually("it is restarted for its memory", || {
        let restarts = evenkeel.endpoint("app", "a1")?["service"]["restarts"].as_u64()?;
        (restarts > 0).then_some(())
    });
    let log = evenkeel.log();
    assert!(log.contains("its memory_max is 8 MiB"), "{log}");
}
