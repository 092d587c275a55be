//! Killed in the middle of something: whoever comes next says what was interrupted, repeats nothing harmful, and holds nothing for ever.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::{Evenkeel, alive, app, binary, eventually, kill};

/// A pool of one endpoint whose service `s` is this script, with these keys.
fn service(script: &str, keys: &str) -> String {
    format!(
        "{}[[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:9\"\nservice = \"s\"\n\
         [service.s]\ncommand = [\"/bin/sh\", \"-c\", '''{script}''']\nstop_timeout = \"20s\"\n{keys}",
        app(&[], "")
    )
}

/// It says when it starts and when it is told to end.
const PLAIN: &str = "echo start >> log; trap 'echo end >> log; exit 0' TERM; echo up > up; while :; do sleep 0.05; done";
const READY: &str = "ready = { kind = \"file\", path = \"up\" }\n";

fn lines(at: &Path) -> usize {
    std::fs::read_to_string(at)
        .unwrap_or_default()
        .lines()
        .count()
}

/// A command of evenkeel that will be interrupted.
fn begin(evenkeel: &Evenkeel, args: &[&str]) -> Child {
    let admin = format!(
        "unix:{}",
        evenkeel.folder.path().join("admin.sock").display()
    );
    Command::new(binary())
        .args(args)
        .env("EVENKEEL_ADMIN", admin)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the balancer, and waits for the next one.
fn replace(evenkeel: &Evenkeel) {
    let old = evenkeel.worker_pid();
    kill(old, "KILL");
    eventually(
        &format!("another balancer answers\n{}", evenkeel.log()),
        || {
            let pid = evenkeel.status()?["worker_pid"].as_u64()?;
            (pid != u64::from(old)).then_some(())
        },
    );
}

fn until_said(evenkeel: &Evenkeel, what: &str) {
    eventually(&format!("it says {what:?}\n{}", evenkeel.log()), || {
        evenkeel.log().contains(what).then_some(())
    });
}

/// Entries of a folder whose names begin so.
fn named(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let fits = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.starts_with(prefix)
    };
    entries.map(|entry| entry.path()).filter(fits).collect()
}

/// Data that takes a while to copy and compare.
fn fill(data: &Path, text: &str) {
    std::fs::create_dir_all(data).unwrap();
    for n in 0..300 {
        std::fs::write(data.join(n.to_string()), text.repeat(100_000)).unwrap();
    }
}

#[test]
fn a_restoration_that_dies_in_the_middle_leaves_whole_data_and_a_service_that_runs() {
    let keys = format!("data = {{ directory = \"data\", every = \"1h\", keep = 2 }}\n{READY}");
    let evenkeel = Evenkeel::launch(&service(PLAIN, &keys));
    let folder = evenkeel.folder.path().to_owned();
    fill(&folder.join("data"), "good");
    evenkeel.until_service("ready");
    // One made before the data was there is looked for again by the next balancer.
    replace(&evenkeel);
    let id = eventually("there is a point", || {
        let list = evenkeel.admin("GET", "/v1/recovery-points", "")?;
        let list: serde_json::Value = serde_json::from_slice(&list.body).ok()?;
        let point = list["recovery_points"][0].clone();
        (point["files"] == 300).then(|| point["id"].as_str().unwrap().to_owned())
    });
    fill(&folder.join("data"), "evil");
    let mut restore = begin(&evenkeel, &["recovery-points", "s", "restore", &id]);
    eventually("the copy is being made", || {
        named(&folder, "data.restoring-").first().cloned()
    });
    replace(&evenkeel);
    assert!(
        !support::wait(&mut restore).success(),
        "nobody is told that it is done"
    );
    until_said(&evenkeel, "restoration was interrupted");
    until_said(&evenkeel, &format!("restore_data {id} was interrupted"));
    evenkeel.until_service("ready");
    assert!(named(&folder, "data.restoring-").is_empty());
    let texts: std::collections::BTreeSet<String> = named(&folder.join("data"), "")
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap()[..4].to_owned())
        .collect();
    assert_eq!(texts.len(), 1, "one or the other, whole: {texts:?}");
    // And nobody does it by himself.
    let (code, out, err) = evenkeel.command(&["recovery-points", "s", "restore", &id]);
    assert_eq!(code, 0, "{out}{err}");
    let text = std::fs::read_to_string(folder.join("data/0")).unwrap();
    assert!(text.starts_with("good"));
}

#[test]
fn a_service_that_was_held_when_the_balancer_died_runs_again() {
    // Told to end it takes its time, long enough to be caught in between.
    let slow = "echo start >> log; trap 'echo told >> log; sleep 3; exit 0' TERM; echo up > up; \
                mkdir -p data; echo x > data/x; while :; do sleep 0.05; done";
    let keys = format!("data = {{ directory = \"data\", every = \"1s\", keep = 2 }}\n{READY}");
    let evenkeel = Evenkeel::launch(&service(slow, &keys));
    let folder = evenkeel.folder.path().to_owned();
    evenkeel.until_service("ready");
    let id = eventually("there is a point", || {
        let list = evenkeel.admin("GET", "/v1/recovery-points", "")?;
        let list: serde_json::Value = serde_json::from_slice(&list.body).ok()?;
        Some(list["recovery_points"][0]["id"].as_str()?.to_owned())
    });
    let mut restore = begin(&evenkeel, &["recovery-points", "s", "restore", &id]);
    eventually("it was told to end", || {
        (lines(&folder.join("log")) == 2).then_some(())
    });
    replace(&evenkeel);
    support::wait(&mut restore);
    eventually("it was started again", || {
        (lines(&folder.join("log")) == 3).then_some(())
    });
    evenkeel.until_service("ready");
    assert!(
        named(&folder, "data.before-restore-").is_empty(),
        "nothing was exchanged"
    );
}

#[test]
fn a_command_that_was_running_when_the_balancer_died_is_told_of_and_not_run_again() {
    let keys = format!(
        "commands = {{ slow = [\"/bin/sh\", \"-c\", \"echo ran >> ran; sleep 2; echo ended >> ran\"] }}\n{READY}"
    );
    let evenkeel = Evenkeel::launch(&service(PLAIN, &keys));
    let ran = evenkeel.folder.path().join("ran");
    evenkeel.until_service("ready");
    let mut act = begin(&evenkeel, &["act", "s", "run", "slow"]);
    eventually("it runs", || (lines(&ran) == 1).then_some(()));
    replace(&evenkeel);
    assert!(!support::wait(&mut act).success());
    until_said(&evenkeel, "run slow was interrupted");
    eventually("it ends by itself", || (lines(&ran) == 2).then_some(()));
    let said = evenkeel.log().matches("run slow was interrupted").count();
    replace(&evenkeel);
    let service = evenkeel.until_service("ready");
    assert_eq!(
        service["restarts"], 0,
        "the service was left alone: {service}"
    );
    assert_eq!(lines(&ran), 2);
    assert_eq!(
        evenkeel.log().matches("run slow was interrupted").count(),
        said,
        "once"
    );
}

#[test]
fn a_release_is_rolled_back_once_though_the_balancer_dies_before_the_restart_is_over() {
    let script = "cat releases/current/version >> versions; trap 'echo told >> log; sleep 2; exit 0' TERM; \
                  echo up > up; while :; do sleep 0.05; done";
    let keys = format!(
        "release = {{ current = \"releases/current\", previous = \"releases/previous\" }}\n{READY}"
    );
    let evenkeel = Evenkeel::launch(&service(script, &keys));
    let at = |name: &str| evenkeel.folder.path().join(name);
    for release in ["1", "2"] {
        std::fs::create_dir_all(at("releases").join(release)).unwrap();
        std::fs::write(
            at("releases").join(release).join("version"),
            format!("{release}\n"),
        )
        .unwrap();
    }
    std::os::unix::fs::symlink("2", at("releases/current")).unwrap();
    std::os::unix::fs::symlink("1", at("releases/previous")).unwrap();
    evenkeel.until_service("ready");
    eventually("the first release runs", || {
        (lines(&at("versions")) >= 1).then_some(())
    });
    let mut act = begin(&evenkeel, &["act", "s", "rollback_release"]);
    eventually("it was told to end", || {
        (lines(&at("log")) >= 1).then_some(())
    });
    replace(&evenkeel);
    support::wait(&mut act);
    let current = || std::fs::read_link(at("releases/current")).unwrap();
    assert_eq!(current(), Path::new("1"));
    eventually("the other release runs", || {
        let versions = std::fs::read_to_string(at("versions")).ok()?;
        (versions.lines().last() == Some("1")).then_some(())
    });
    evenkeel.until_service("ready");
    assert_eq!(current(), Path::new("1"), "not exchanged again");
}

#[test]
fn freeing_a_disk_that_was_interrupted_is_told_of_and_not_gone_on_with() {
    // More than can be freed, so that all of it would go.
    let keys = format!("disk_paths = [\"cache\"]\ndisk_keep = \"1000TiB\"\n{READY}");
    let evenkeel = Evenkeel::launch(&service(PLAIN, &keys));
    let cache = evenkeel.folder.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    for n in 0..30_000 {
        std::fs::write(cache.join(n.to_string()), "").unwrap();
    }
    let left = || named(&cache, "").len();
    evenkeel.until_service("ready");
    let mut act = begin(&evenkeel, &["act", "s", "free_disk"]);
    eventually("some are gone", || (left() < 30_000).then_some(()));
    replace(&evenkeel);
    support::wait(&mut act);
    until_said(&evenkeel, "free_disk was interrupted");
    let then = left();
    replace(&evenkeel);
    assert_eq!(left(), then);
    let (_, out, err) = evenkeel.command(&["act", "s", "free_disk"]);
    assert_eq!(left(), 0, "{out}{err}");
}

/// Frozen: such a process hears no TERM, so that a restart takes all of its `stop_timeout`. The balancer is killed in the middle of
/// the planner's restart. Neither that nor the time for getting ready is over while the test has patience.
fn killed_in_the_middle_of_a_restart(allow: &str) -> (Evenkeel, u32) {
    let port = support::free_port();
    let evenkeel = Evenkeel::run(&format!(
        "{}[pool.app.recovery]\nallow = [{allow}]\n\
         [[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:{port}\"\nservice = \"s\"\n\
         [service.s]\ncommand = [\"/bin/sh\", \"-c\", \"echo $$ > pid; exec {} __sample s {port}\"]\nstop_timeout = \"30s\"\n\
         commands = {{ recover = [\"/bin/sh\", \"-c\", \"kill -KILL $(cat pid)\"] }}\n\
         ready = {{ kind = \"http\", port = {port}, path = \"/healthz\", timeout = \"60s\" }}\n",
        app(&[], ""),
        binary()
    ));
    evenkeel.until("app", "a1", "up");
    let service = evenkeel.until_service("ready");
    let pid = u32::try_from(service["pid"].as_u64().unwrap()).unwrap();
    support::freeze(pid);
    until_said(&evenkeel, "was told to restart: restart");
    replace(&evenkeel);
    (evenkeel, pid)
}

fn done(evenkeel: &Evenkeel) -> Vec<serde_json::Value> {
    let incidents = evenkeel.ask("GET", "/v1/incidents", "");
    let all = incidents.as_array().cloned().unwrap_or_default();
    let actions = all.iter().flat_map(|i| i["actions"].as_array().cloned());
    actions.flatten().collect()
}

#[test]
fn what_the_planner_was_doing_is_not_done_again_by_the_next_balancer() {
    let (evenkeel, pid) = killed_in_the_middle_of_a_restart("\"restart\"");
    // How far it came nobody knows, and nothing else is allowed: that is for a person, who is told why.
    until_said(&evenkeel, "incident 1 needs a person");
    until_said(
        &evenkeel,
        "restart: was under way when the balancer before this one ended",
    );
    assert!(alive(pid), "nobody did anything to it");
    let done = done(&evenkeel);
    let log = evenkeel.log();
    let running = log.matches("action restart of app/a1 is running");
    assert_eq!(running.count(), 1, "{done:?}\n{log}");
    // That it was begun is written before it is; the page of the incident may be a moment behind that.
    assert!(done.len() <= 1, "{done:?}");
    assert!(
        done.iter().all(|action| action["outcome"] == "interrupted"),
        "{done:?}"
    );
}

#[test]
fn after_an_interrupted_restart_the_next_action_that_fits_begins_without_waiting_for_readiness() {
    let (evenkeel, pid) = killed_in_the_middle_of_a_restart("\"restart\", \"run\"");
    eventually(
        &format!("another process serves\n{}", evenkeel.log()),
        || {
            let service = evenkeel.status()?["services"][0].clone();
            let other = service["pid"].as_u64()? != u64::from(pid);
            (other && service["state"] == "ready").then_some(())
        },
    );
    evenkeel.until("app", "a1", "up");
    let log = evenkeel.log();
    // What supervision does by itself, once the process has ended, is no action of the planner's.
    let running = |action: &str| {
        log.matches(&format!(
            "action {action} of app/a1 is running: process_hung"
        ))
        .count()
    };
    assert_eq!((running("restart"), running("run")), (1, 1), "{log}");
}

#[test]
fn after_the_keepers_death_a_fresh_run_starts_everything_anew_and_cleans_up() {
    let keys = format!(
        "data = {{ directory = \"data\", every = \"1h\", keep = 2 }}\nmemory_max = \"200MiB\"\n{READY}"
    );
    let mut evenkeel = Evenkeel::launch(&service(PLAIN, &keys));
    let folder = evenkeel.folder.clone();
    let service = evenkeel.until_service("ready");
    let pid = u32::try_from(service["pid"].as_u64().unwrap()).unwrap();
    evenkeel.ask(
        "POST",
        "/v1/pools/app/endpoints/a1/weight",
        "{\"weight\":55}",
    );
    fill(&folder.path().join("data"), "good");
    replace(&evenkeel);
    let points = folder.path().join("state/recovery/s");
    eventually("a point is being made", || {
        let made = named(&points, "");
        made.into_iter()
            .find(|path| path.extension().is_some_and(|e| e == "partial"))
    });
    kill(evenkeel.child.id(), "KILL");
    evenkeel.child.wait().unwrap();
    eventually("the service ended with it", || (!alive(pid)).then_some(()));
    let evenkeel = Evenkeel::launch_in(folder.clone(), &[]);
    let again = evenkeel.until_service("ready");
    assert_ne!(again["pid"], service["pid"]);
    assert_eq!(evenkeel.endpoint("app", "a1").unwrap()["weight"], 55);
    eventually("there is a whole point and nothing half made", || {
        let names = named(&points, "");
        let partial = |path: &PathBuf| path.extension().is_some_and(|e| e == "partial");
        (names.len() == 1 && !names.iter().any(partial)).then_some(())
    });
    let (code, out, err) = evenkeel.command(&["recovery-points", "s"]);
    assert!(code == 0 && out.contains("300"), "{out}{err}");
    let old = format!("{}", evenkeel.child.id());
    let (status, log) = evenkeel.end();
    assert_eq!(status.code(), Some(0), "{log}");
    // Both keepers' groups are gone: the dead one's by the second, its own by itself.
    let groups = Command::new("find")
        .args([
            "/sys/fs/cgroup",
            "-maxdepth",
            "4",
            "-type",
            "d",
            "-name",
            "*evenkeel*",
        ])
        .output()
        .unwrap();
    let groups = String::from_utf8_lossy(&groups.stdout).into_owned();
    assert!(!groups.contains(&old), "{groups}");
}
