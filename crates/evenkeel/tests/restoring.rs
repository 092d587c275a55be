//! A service whose data is broken, end to end: the planner puts a recovery point in its place where there is one from before the fault,
//! and keeps the broken data; where there is none, or it could not be put there, that is said before anybody needs it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on panics; one that cannot be made here says so"
)]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use support::{Evenkeel, app, binary, eventually, kill};

/// A pool of one endpoint whose service `s` ends at once if what it reads is not good.
fn config(reads: &str) -> String {
    let port = support::free_port();
    format!(
        "{}[pool.app.recovery]\nmode = \"act\"\nallow = [\"restart\", \"restore_data\"]\n\
         [[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:{port}\"\nservice = \"s\"\n\
         [service.s]\ncommand = [\"/bin/sh\", \"-c\", \
         '''grep -q good {reads} || {{ echo \"{reads} cannot be read\" >&2; exit 3; }}; exec {} __sample s {port}''']\n\
         ready = {{ kind = \"tcp\", port = {port}, timeout = \"10s\" }}\nrestart_limit = {{ starts = 2, within = \"60s\" }}\n\
         data = {{ directory = \"data\", every = \"1h\", keep = 2 }}\n",
        app(&[], ""),
        binary()
    )
}

fn launch(folder: &Arc<tempfile::TempDir>, config: &str) -> Evenkeel {
    let file = folder.path().join("evenkeel.toml");
    std::fs::write(file, Evenkeel::text(config)).unwrap();
    Evenkeel::launch_in(folder.clone(), &[])
}

fn points(evenkeel: &Evenkeel) -> Option<Value> {
    let list = evenkeel.admin("GET", "/v1/recovery-points", "")?;
    serde_json::from_slice(&list.body).ok()
}

/// What was done, with its outcome.
fn actions(evenkeel: &Evenkeel) -> Vec<(String, String)> {
    let incidents = evenkeel.ask("GET", "/v1/incidents", "");
    let all = incidents.as_array().cloned().unwrap_or_default();
    let actions = all.iter().flat_map(|i| i["actions"].as_array().cloned());
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    actions
        .flatten()
        .map(|action| (word(&action["action"]), word(&action["outcome"])))
        .collect()
}

/// Breaks what the service reads, and ends it, so that it has to read.
fn spoil(evenkeel: &Evenkeel, reads: &Path) {
    let service = evenkeel.until_service("ready");
    std::fs::write(reads, "spoilt").unwrap();
    let pid = u32::try_from(service["pid"].as_u64().unwrap()).unwrap();
    kill(pid, "KILL");
}

#[test]
fn broken_data_is_replaced_by_the_point_from_before_and_kept() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let state = folder.path().join("data/state");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(&state, "good").unwrap();
    let evenkeel = launch(&folder, &config("data/state"));
    evenkeel.until("app", "a1", "up");
    eventually("there is a point", || {
        (points(&evenkeel)?["recovery_points"][0]["files"] == 1).then_some(())
    });
    spoil(&evenkeel, &state);
    let cured = ("restore_data".to_owned(), "cured".to_owned());
    eventually(
        &format!("it is restored and proved\n{}", evenkeel.log()),
        || {
            let read = std::fs::read_to_string(&state).ok()?;
            (read == "good" && actions(&evenkeel).contains(&cured)).then_some(())
        },
    );
    let mut done = actions(&evenkeel);
    assert_eq!(done.pop(), Some(cured), "{}", evenkeel.log());
    let vain = ("restart".to_owned(), "failed".to_owned());
    assert!(
        !done.is_empty() && done.iter().all(|other| *other == vain),
        "the least harmful first: {done:?}"
    );
    evenkeel.until("app", "a1", "up");
    let aside = std::fs::read_dir(folder.path()).unwrap().flatten();
    let mut aside = aside
        .map(|entry| entry.path())
        .filter(|path| path.display().to_string().contains("data.before-restore-"));
    let kept = aside.next().expect("the broken data is kept");
    assert_eq!(
        std::fs::read_to_string(kept.join("state")).unwrap(),
        "spoilt"
    );
    assert!(aside.next().is_none(), "once");
}

#[test]
fn where_there_is_no_point_none_is_looked_for_and_a_person_is_told() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let state = folder.path().join("state-file");
    std::fs::write(&state, "good").unwrap();
    let evenkeel = launch(&folder, &config("state-file"));
    evenkeel.until("app", "a1", "up");
    eventually("it is known that there is none", || {
        (points(&evenkeel)?["problems"][0]["service"] == "s").then_some(())
    });
    spoil(&evenkeel, &state);
    let why = "restore_data: there is no recovery point from before the fault";
    eventually(&format!("a person is told\n{}", evenkeel.log()), || {
        evenkeel.log().contains(why).then_some(())
    });
    assert!(
        actions(&evenkeel)
            .iter()
            .all(|(action, _)| action == "restart"),
        "{:?}\n{}",
        actions(&evenkeel),
        evenkeel.log()
    );
}

/// A small disk of its own, taken away with it.
struct Disk(std::path::PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn data_that_is_a_mount_point_is_told_by_check_and_with_its_points() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "evenkeel-test"])
        .arg(&data)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("not tested here: only root can mount a small disk");
        return;
    }
    let _disk = Disk(data.clone());
    std::fs::write(data.join("state"), "good").unwrap();
    let evenkeel = launch(&folder, &config("data/state"));
    let check = |extra: &[&str]| {
        let file = evenkeel.file().display().to_string();
        let mut args = vec!["check", &file];
        args.extend(extra);
        evenkeel.command(&args)
    };
    let (code, out, err) = check(&[]);
    assert!(
        code == 0 && out.contains("warning: service s: data: ") && out.contains("mount point"),
        "{out}{err}"
    );
    let (code, out, err) = check(&["--format", "json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(
        code == 0
            && json["warnings"][0]
                .as_str()
                .unwrap()
                .contains("mount point"),
        "{out}{err}"
    );
    evenkeel.until("app", "a1", "up");
    let list = eventually("there is a point, and what is wrong with it", || {
        let list = points(&evenkeel)?;
        list["problems"][0]["why"].is_string().then_some(list)
    });
    assert_eq!(list["recovery_points"][0]["files"], 1, "{list}");
    let why = list["problems"][0]["why"].as_str().unwrap();
    assert!(why.contains("is itself a mount point"), "{why}");
    evenkeel.says(why);
    let id = list["recovery_points"][0]["id"].as_str().unwrap();
    let (code, out, err) = evenkeel.command(&["recovery-points", "s", "restore", id]);
    assert!(code == 1 && err.contains("mount point"), "{out}{err}");
    let (_, out, _) = evenkeel.command(&["recovery-points"]);
    assert!(
        out.contains("no point that can be restored") && out.contains("mount point"),
        "{out}"
    );
    evenkeel.until_service("ready");
}
