//! The commands as a person types them: output and exit codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::process::Command;

use support::{Endpoint, Evenkeel, app, binary, eventually};

fn evenkeel(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(binary())
        .args(args)
        .env_remove("EVENKEEL_ADMIN")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn check_names_every_mistake_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(
        &file,
        "[[listener]]\nname = \"web\"\nbin = [\"127.0.0.1:80\"]\n[[route]]\npool = \"nope\"\n",
    )
    .unwrap();
    let (code, _, complaint) = evenkeel(&["check", file.to_str().unwrap()]);
    assert_eq!(code, 2);
    for wanted in ["bad.toml:3:1", "bin", "bind", "nope"] {
        assert!(complaint.contains(wanted), "{wanted} in {complaint}");
    }
    let (code, json, _) = evenkeel(&["check", file.to_str().unwrap(), "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["ok"]), (2, &serde_json::Value::Bool(false)));
    assert!(json["mistakes"].as_array().unwrap().len() >= 2);
    assert_eq!(evenkeel(&["check", "/does/not/exist"]).0, 2);
}

#[test]
fn what_a_scenario_expects_and_was_not_simulated_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.toml");
    let scenario = "summary = \"two\"\npolicies = [\"random\"]\n[run]\nseconds = 2\n[arrival]\nload = 0.5\n\
                    [work]\nmean_s = 0.01\n[[endpoints]]\ncount = 2\n\
                    [[expect]]\npolicy = \"random\"\nfigure = \"errors\"\nat_most = 0.0\n";
    std::fs::write(&file, scenario).unwrap();
    let file = file.to_str().unwrap();
    for args in [
        &["simulate", file][..],
        &["simulate", file, "--load", "0.3,0.5"],
    ] {
        let (code, told, complaint) = evenkeel(args);
        assert_eq!(code, 0, "{told}{complaint}");
        assert!(
            told.contains("holds") && !told.contains("not checked"),
            "{told}"
        );
    }
    let (code, told, _) = evenkeel(&["simulate", file, "--load", "0.3"]);
    assert_eq!(code, 1, "{told}");
    assert!(
        told.contains("not checked") && told.contains("of load 0.5"),
        "{told}"
    );
    let (code, json, _) = evenkeel(&["simulate", file, "--load", "0.3", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &json["unchecked"][0]["figure"]),
        (1, &"errors".into())
    );
}

#[test]
fn run_refuses_a_bad_configuration_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "nonsense = 1\n").unwrap();
    let (code, _, complaint) = evenkeel(&["run", file.to_str().unwrap()]);
    assert_eq!(code, 2, "{complaint}");
    assert!(complaint.contains("nonsense"), "{complaint}");
}

#[test]
fn an_admin_api_that_is_not_there_ends_with_3() {
    let (code, _, complaint) = evenkeel(&["status", "--admin", "unix:/does/not/exist"]);
    assert_eq!(code, 3);
    assert!(complaint.contains("/does/not/exist"), "{complaint}");
    assert_eq!(evenkeel(&["status", "--admin", "nonsense"]).0, 2);
    assert_eq!(evenkeel(&["drain", "no-slash"]).0, 2);
}

#[test]
fn the_demos_configuration_can_be_printed_and_passes_the_check() {
    let (code, text, _) = evenkeel(&["demo", "--print-config"]);
    assert_eq!(code, 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.toml");
    std::fs::write(&file, text).unwrap();
    let (code, _, complaint) = evenkeel(&["check", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{complaint}");
}

#[test]
fn operators_orders_are_shown_kept_over_a_crash_and_taken_back() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    for (command, state) in [("drain", "draining"), ("maint", "maintenance")] {
        let (code, said, complaint) = evenkeel.command(&[command, "app/a1"]);
        assert_eq!(code, 0, "{complaint}");
        assert!(said.contains(state), "{said}");
    }
    assert_eq!(evenkeel.command(&["weight", "app/a2", "7"]).0, 0);
    let old = evenkeel.worker_pid();
    support::kill(old, "KILL");
    eventually("a new balancer", || {
        evenkeel.status()?["worker_pid"]
            .as_u64()
            .filter(|p| *p != u64::from(old))
    });
    assert_eq!(
        evenkeel.until("app", "a1", "maintenance")["decided_by"],
        "operator"
    );
    assert_eq!(evenkeel.endpoint("app", "a2").unwrap()["weight"], 7);
    let (_, table, _) = evenkeel.command(&["status"]);
    assert!(
        table.contains("maintenance") && table.contains("a1"),
        "{table}"
    );
    assert_eq!(evenkeel.command(&["ready", "app/a1"]).0, 0);
    evenkeel.until("app", "a1", "up");
    assert_eq!(evenkeel.command(&["weight", "app/a2", "default"]).0, 0);
    assert_eq!(evenkeel.endpoint("app", "a2").unwrap()["weight"], 100);
    let (code, _, complaint) = evenkeel.command(&["drain", "app/a9"]);
    assert_eq!(code, 1);
    assert!(complaint.contains("a9"), "{complaint}");
}

#[test]
fn revisions_are_listed() {
    let endpoint = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
    let (code, table, _) = evenkeel.command(&["revisions"]);
    assert_eq!(code, 0);
    assert!(table.contains('1'), "{table}");
}

#[test]
fn an_access_log_that_is_a_pipe_nobody_reads_is_an_error_and_no_standstill() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("access.pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let config = format!(
        "[log]\naccess = \"{}\"\n{}",
        pipe.display(),
        app(&[&Endpoint::start("a1")], "")
    );
    let mut evenkeel = Evenkeel::launch(&config);
    assert!(!support::wait(&mut evenkeel.child).success());
    evenkeel.says("access.pipe: it is a named pipe");
}
