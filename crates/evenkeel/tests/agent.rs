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
    evenkeel.says("its memory_max is 8 MiB");
}

#[test]
fn recovery_points_are_made_listed_verified_and_restored_while_the_service_is_held() {
    // It writes its data at its start, and says at its end that it ended.
    let script = "mkdir -p data; test -f data/value || echo good > data/value; \
                  trap 'echo ended >> ends; exit 0' TERM; echo up > up; while :; do sleep 0.1; done";
    let keys = "data = { directory = \"data\", every = \"1h\", keep = 2 }\n\
                ready = { kind = \"file\", path = \"up\" }\n";
    let config = service(script, keys);
    let evenkeel = Evenkeel::launch(&config);
    let folder = evenkeel.folder.path();
    // Nothing there yet: said, and tried again within a minute; a start with data has its point at once.
    eventually("the service runs", || {
        std::fs::read(folder.join("data/value")).ok()
    });
    let list = || -> Option<Value> {
        let answer = evenkeel.admin("GET", "/v1/recovery-points", "")?;
        serde_json::from_slice(&answer.body).ok()
    };
    eventually("the thread has looked", || {
        let list = list()?;
        let looked = !list["problems"].as_array()?.is_empty()
            || !list["recovery_points"].as_array()?.is_empty();
        looked.then_some(())
    });
    kill(evenkeel.worker_pid(), "KILL");
    let id = eventually("there is a point", || {
        Some(list()?["recovery_points"][0]["id"].as_str()?.to_owned())
    });
    let (code, out, err) = evenkeel.command(&["recovery-points"]);
    assert!(code == 0 && out.contains(&id), "{out}{err}");
    let (code, out, err) = evenkeel.command(&["recovery-points", "s", "verify", &id]);
    assert!(code == 0 && out.contains("is whole"), "{out}{err}");

    std::fs::write(folder.join("data/value"), "broken").unwrap();
    let before = evenkeel.until_service("ready");
    let (code, out, err) = evenkeel.command(&["recovery-points", "s", "restore", &id]);
    assert!(
        code == 0 && out.contains("kept in"),
        "{out}{err}\n{}",
        evenkeel.log()
    );
    assert_eq!(
        std::fs::read_to_string(folder.join("data/value")).unwrap(),
        "good\n"
    );
    assert_eq!(
        std::fs::read_to_string(folder.join("ends")).unwrap(),
        "ended\n"
    );
    let after = evenkeel.until_service("ready");
    assert_ne!(before["pid"], after["pid"]);
    let mut aside = std::fs::read_dir(folder).unwrap().flatten();
    let aside = aside
        .find(|e| e.file_name().to_string_lossy().contains("before-restore"))
        .unwrap();
    assert_eq!(
        std::fs::read_to_string(aside.path().join("value")).unwrap(),
        "broken"
    );

    // A damaged one is refused, and the service goes on with what it has.
    let point = folder.join("state/recovery/s").join(&id);
    std::fs::write(point.join("data/value"), "evil\n").unwrap();
    let (code, _, err) = evenkeel.command(&["recovery-points", "s", "restore", &id]);
    assert!(code == 1 && err.contains("not what was written"), "{err}");
    evenkeel.until_service("ready");
    assert_eq!(
        std::fs::read_to_string(folder.join("data/value")).unwrap(),
        "good\n"
    );
    let (code, _, err) = evenkeel.command(&["recovery-points", "s", "restore", "none"]);
    assert!(code == 1 && err.contains("no recovery point"), "{err}");
}

#[test]
fn an_operator_has_actions_carried_out_and_only_those_the_configuration_names() {
    let script = "trap 'echo hup >> signals' HUP; echo up > up; cat releases/current/version >> versions; \
                  while :; do sleep 0.05; done";
    let keys = "release = { current = \"releases/current\", previous = \"releases/previous\" }\n\
                disk_paths = [\"cache\"]\ndisk_keep = \"0\"\n\
                commands = { hello = [\"/bin/echo\", \"hello there\"] }\n\
                ready = { kind = \"file\", path = \"up\" }\n";
    let evenkeel = Evenkeel::launch(&service(script, keys));
    let at = |name: &str| evenkeel.folder.path().join(name);
    for release in ["1", "2"] {
        std::fs::create_dir_all(at("releases").join(release)).unwrap();
        std::fs::write(at("releases").join(release).join("version"), release).unwrap();
    }
    std::os::unix::fs::symlink("2", at("releases/current")).unwrap();
    std::os::unix::fs::symlink("1", at("releases/previous")).unwrap();
    std::fs::create_dir(at("cache")).unwrap();
    let first = evenkeel.until_service("ready")["pid"].clone();
    let other = |than: &Value| {
        eventually("another process serves", || {
            let service = evenkeel.status()?["services"][0].clone();
            let other =
                service["pid"].is_u64() && service["pid"] != *than && service["state"] == "ready";
            other.then(|| service["pid"].clone())
        })
    };
    let act = |args: &[&str]| evenkeel.command(&[&["act", "s"], args].concat());
    let (code, out, err) = act(&["run", "hello"]);
    assert!(code == 0 && out.contains("hello there"), "{out}{err}");
    let (code, out, err) = act(&["free_disk"]);
    assert!(code == 0 && out.contains("0 files"), "{out}{err}");
    let (code, ..) = act(&["reload_service"]);
    assert_eq!(code, 0);
    eventually("it got the signal", || std::fs::read(at("signals")).ok());
    let (code, ..) = act(&["restart"]);
    assert_eq!(code, 0);
    let second = other(&first);
    let (code, out, err) = act(&["rollback_release"]);
    assert!(code == 0 && out.contains("leads to 1 now"), "{out}{err}");
    let third = other(&second);
    eventually("the other release runs", || {
        std::fs::read_to_string(at("versions"))
            .ok()
            .filter(|text| text.ends_with('1'))
    });
    let (code, ..) = act(&["kill_hung"]);
    assert_eq!(code, 0);
    other(&third);
    let (code, _, err) = act(&["run", "rm"]);
    assert!(code == 1 && err.contains("it has hello"), "{err}");
    let (code, _, err) = act(&["reboot"]);
    assert!(code == 1 && err.contains("free_disk"), "{err}");
}
