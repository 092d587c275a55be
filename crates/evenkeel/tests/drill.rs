//! Drills on real processes: what is measured is right, and what was done is taken back, whatever happens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Endpoint, Evenkeel, app, binary, eventually, free_port, kill, wait};

/// A supervised sample as an endpoint of the pool `app`, with more of its command line and more keys.
fn sample(name: &str, args: &str, keys: &str) -> String {
    let port = free_port();
    format!(
        "[[pool.app.endpoint]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nservice = \"{name}\"\n\
         [service.{name}]\ncommand = [\"{}\", \"__sample\", \"{name}\", \"{port}\"{args}]\n\
         ready = {{ kind = \"tcp\", port = {port}, timeout = \"10s\" }}\nstop_timeout = \"2s\"\n{keys}",
        binary()
    )
}

fn two(args: &str, keys: &str) -> Evenkeel {
    let samples = sample("a1", args, keys) + &sample("a2", "", "");
    let evenkeel = Evenkeel::run(&format!("{}{samples}", app(&[], "")));
    for name in ["a1", "a2"] {
        evenkeel.until("app", name, "up");
    }
    // What is not known of it before may be taken for a cause afterwards.
    eventually("facts were read", || {
        let endpoint = evenkeel.endpoint("app", "a1")?;
        endpoint["service"]["facts"].is_object().then_some(())
    });
    evenkeel
}

/// Where the binary finds the file of this evenkeel: its name is that of the running one.
fn drill(evenkeel: &Evenkeel, args: &[&str]) -> (i32, String, String) {
    let file = evenkeel.file().display().to_string();
    evenkeel.command(&[&["drill"], args, &[&file]].concat())
}

fn cases(evenkeel: &Evenkeel) -> Vec<Value> {
    let folder = evenkeel.folder.path().join("state/cases");
    let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| read(&path))
        .collect()
}

/// The letter of the state of a sample's process.
fn process_state(evenkeel: &Evenkeel, name: &str) -> Option<char> {
    let pid = evenkeel.endpoint("app", name)?["service"]["pid"].as_u64()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}

#[test]
fn a_drilled_kill_is_measured_labelled_and_recorded() {
    let evenkeel = two("", "");
    let (code, out, err) = drill(&evenkeel, &["kill", "--json", "--rate", "50"]);
    assert_eq!(code, 0, "{out}{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let case = &told["record"];
    assert_eq!(case["scenario"], "kill");
    assert_eq!(case["cause"], "process_dead");
    assert_eq!(case["rank"], 1, "{case:#}");
    assert_eq!(case["incident"]["actions"][0]["outcome"], "cured");
    for step in ["detect", "decide", "act", "restore"] {
        assert!(case["times_ms"][step].is_u64(), "{step}: {case:#}");
    }
    assert!(case["fail_back_ms"].is_u64(), "{case:#}");
    assert!(case["clients"]["requests"].as_u64() > Some(50), "{case:#}");
    assert_eq!(case["clients"]["errors"], serde_json::json!({}), "{case:#}");
    assert_eq!(cases(&evenkeel), std::slice::from_ref(&told));
    let incident = evenkeel.ask("GET", "/v1/incidents/1", "");
    assert_eq!(incident["label"], "process_dead");
}

#[test]
fn an_interrupted_drill_lets_its_victim_go_on() {
    let evenkeel = two("", "");
    let file = evenkeel.file();
    let mut drill = Command::new(binary())
        .args(["drill", "stop", file.to_str().unwrap(), "--rate", "10"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it is stopped", || {
        (process_state(&evenkeel, "a1") == Some('T')).then_some(())
    });
    kill(drill.id(), "INT");
    assert_eq!(wait(&mut drill).code(), Some(1));
    assert_ne!(process_state(&evenkeel, "a1"), Some('T'));
    assert!(cases(&evenkeel).is_empty(), "it was not seen to its end");
}

#[test]
fn what_must_not_be_drilled_is_refused_before_anything_is_done() {
    let foreign = Endpoint::start("a2");
    let samples = sample("a1", "", "") + &foreign.toml();
    let evenkeel = Evenkeel::run(&format!("{}{samples}", app(&[], "")));
    evenkeel.until("app", "a1", "up");
    evenkeel.until("app", "a2", "up");
    let pid = evenkeel.endpoint("app", "a1").unwrap()["service"]["pid"].clone();
    let refused = |args: &[&str], words: &str| {
        let (code, out, err) = drill(&evenkeel, args);
        assert!(
            code != 0 && err.contains(words),
            "{args:?}: {code} {out}{err}"
        );
    };
    refused(&["gremlins"], "wanted one of kill, stop");
    refused(&["kill", "--endpoint", "app/a2"], "is not supervised");
    refused(&["kill", "--endpoint", "app/a9"], "no endpoint app/a9");
    refused(&["memory_leak"], "drill_memory_leak");
    refused(&["disk_full"], "disk_paths");
    refused(&["dependency_down"], "drill_dependency_down");
    let text = std::fs::read_to_string(evenkeel.file()).unwrap();
    std::fs::write(evenkeel.file(), format!("{text}\n# an edit\n")).unwrap();
    refused(&["kill"], "is not what is running");
    std::fs::write(evenkeel.file(), text).unwrap();
    foreign.close();
    evenkeel.until("app", "a2", "down");
    refused(&["kill"], "no other endpoint");
    let now = evenkeel.endpoint("app", "a1").unwrap()["service"]["pid"].clone();
    assert_eq!(now, pid, "nothing was done to it");
    let (code, list, _) = evenkeel.command(&["drill", "--list"]);
    assert!(code == 0 && list.contains("path_cut"), "{list}");
}

#[test]
fn a_full_disk_is_felt_by_the_sample_and_empty_again_afterwards() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let keys = "directory = \".\"\ndisk_paths = [\"cache\"]\n";
    let evenkeel = two(", \"--cache\", \"cache\"", keys);
    let (code, out, err) = drill(&evenkeel, &["disk_full", "--json", "--hold", "3"]);
    assert_eq!(code, 0, "{out}{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let case = &told["record"];
    let what = case["what"].as_str().unwrap();
    assert!(what.contains("KiB filled the disk"), "{what}");
    let causes = case["incident"]["causes"].as_array().unwrap();
    let first = causes[0]["cause"].as_str();
    assert_eq!(first, Some("disk_full"), "{case:#}");
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    let folder = evenkeel.folder.path().display().to_string();
    assert!(!mounts.contains(&folder), "{mounts}");
}
