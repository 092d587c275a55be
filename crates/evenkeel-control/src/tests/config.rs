//! Going to another configuration, and back; and every way of being refused.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;

use super::rig::{Answer, Rig, Setup, config, leftovers, nowhere};
use crate::{Input, last_applied};

fn put(rig: &Rig, if_match: &str, text: &str) -> Answer {
    let headers = [("if-match", if_match), ("content-type", "application/toml")];
    rig.ask("PUT", "/v1/config", &headers, text)
}

fn etag(rig: &Rig) -> String {
    rig.get("/v1/config").header("etag").unwrap().to_owned()
}

#[test]
fn a_reload_applies_file_and_an_unchanged_one_is_no_new_revision() {
    let first = config("", &[nowhere()]);
    let rig = Rig::new(&first);
    assert_eq!(rig.post("/v1/reload", "").json(), json!({"revision": 1}));
    let second = config("", &[nowhere(), nowhere()]);
    std::fs::write(rig.file(), &second).unwrap();
    assert_eq!(rig.post("/v1/reload", "").json(), json!({"revision": 2}));
    assert_eq!(rig.get("/v1/config").body(), second);
    assert_eq!(rig.host.tables.lock().unwrap()["app"].endpoints.len(), 2);
    std::fs::write(rig.file(), &first).unwrap();
    rig.input(Input::Reload);
    rig.until("the reload by signal", |rig| {
        rig.get("/v1/status").json()["revision"] == 3
    });
    rig.until("the file of the last applied one", |rig| {
        last_applied(&rig.state_dir()) == Ok(Some((3, first.clone())))
    });
}

#[test]
fn a_bad_file_changes_nothing_and_is_told_everywhere() {
    let rig = Rig::new(&config("", &[nowhere()]));
    std::fs::write(rig.file(), "[node]\nnmae = 1\n[pool.app]\nbalnce = 2\n").unwrap();
    let answer = rig.post("/v1/reload", "");
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (422, "config_rejected")
    );
    let mistakes = answer.json()["error"]["mistakes"].clone();
    assert!(mistakes.as_array().unwrap().len() >= 2, "{mistakes}");
    let status = rig.get("/v1/status").json();
    assert_eq!(status["revision"], 1);
    let why = status["rejected"]["why"].as_str().unwrap();
    assert!(why.contains("nmae") && why.contains("balnce"), "{why}");
    let metrics = rig.get("/metrics");
    assert!(metrics.body().contains("evenkeel_config_rejected_total 1"));
    assert_eq!(*rig.host.applied.lock().unwrap(), [1]);
    std::fs::write(rig.file(), config("", &[nowhere()])).unwrap();
    assert_eq!(rig.post("/v1/reload", "").status(), 200);
    assert_eq!(rig.get("/v1/status").json()["rejected"], json!(null));
}

#[test]
fn what_only_a_restart_can_change_is_refused_by_name() {
    let rig = Rig::new(&config("", &[nowhere()]));
    for (front, key) in [
        ("[node]\nstate_dir = \"elsewhere\"", "node.state_dir"),
        ("[node]\nworkers = 7", "node.workers"),
        ("[admin]\nbind = \"127.0.0.1:1\"", "admin.bind"),
    ] {
        std::fs::write(rig.file(), config(front, &[nowhere()])).unwrap();
        let answer = rig.post("/v1/reload", "");
        assert_eq!(
            (answer.status(), answer.code().as_str()),
            (409, "restart_needed")
        );
        assert!(answer.body().contains(key), "{answer:?}");
    }
    assert_eq!(rig.host.opened.load(SeqCst), 0, "nothing was opened for it");
}

#[test]
fn an_address_that_cannot_be_had_rejects_the_reload_whole() {
    let rig = Rig::new(&config("", &[nowhere()]));
    *rig.host.refuse.lock().unwrap() = Some("127.0.0.1:8080 is taken by pid 42".into());
    let text = config("", &[nowhere(), nowhere()]);
    let answer = put(&rig, "*", &text);
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (409, "address_taken")
    );
    assert!(answer.body().contains("pid 42"));
    assert_ne!(std::fs::read_to_string(rig.file()).unwrap(), text);
    assert_eq!(*rig.host.applied.lock().unwrap(), [1]);
    assert_eq!(leftovers(rig.folder.path()), [""; 0]);
}

#[test]
fn a_put_replaces_file_and_keeps_its_mode() {
    let first = config("", &[nowhere()]);
    let rig = Rig::new(&first);
    std::fs::set_permissions(rig.file(), PermissionsExt::from_mode(0o640)).unwrap();
    assert_eq!(rig.get("/v1/config").body(), first);
    let second = config("", &[nowhere(), nowhere()]);
    let answer = put(&rig, &etag(&rig), &second);
    assert_eq!(answer.json(), json!({"revision": 2}));
    assert_eq!(std::fs::read_to_string(rig.file()).unwrap(), second);
    let mode = std::fs::metadata(rig.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(leftovers(rig.folder.path()), [""; 0]);
}

#[test]
fn a_put_must_name_what_it_changes() {
    let rig = Rig::new(&config("", &[nowhere()]));
    let text = config("", &[nowhere(), nowhere()]);
    let toml = ("content-type", "application/toml");
    let answer = rig.ask("PUT", "/v1/config", &[toml], &text);
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (428, "if_match_required")
    );
    let answer = put(&rig, "\"0\"", &text);
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (412, "config_changed")
    );
    let json = [("if-match", "*"), ("content-type", "application/json")];
    assert_eq!(rig.ask("PUT", "/v1/config", &json, &text).status(), 415);
    let answer = put(&rig, "*", "[node]\nnmae = 1");
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (422, "config_rejected")
    );
    let file = answer.json()["error"]["mistakes"][0]["file"].clone();
    assert_eq!(file, rig.file().display().to_string());
    let stale = etag(&rig);
    assert_eq!(put(&rig, &stale, &text).status(), 200);
    assert_eq!(put(&rig, &stale, &text).status(), 412);
    std::fs::write(rig.file(), "# somebody is editing this").unwrap();
    let answer = put(&rig, "*", &config("", &[nowhere()]));
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (412, "config_changed")
    );
    assert_eq!(leftovers(rig.folder.path()), [""; 0]);
}

#[test]
fn a_folder_that_cannot_be_written_refuses_a_put() {
    let rig = Rig::new(&config("", &[nowhere()]));
    // FILE is gone and its place taken by a folder: no user, not even root, can write or replace it.
    std::fs::remove_file(rig.file()).unwrap();
    std::fs::create_dir(rig.file()).unwrap();
    let answer = rig.post("/v1/rollback", r#"{"revision":1}"#);
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (409, "file_not_writable")
    );
    assert_eq!(leftovers(rig.folder.path()), [""; 0]);
}

#[test]
fn a_rollback_goes_back_to_a_revision_and_keeps_edits_that_were_never_applied() {
    let texts = [
        config("", &[nowhere()]),
        config("", &[nowhere(), nowhere()]),
    ];
    let rig = Rig::new(&texts[0]);
    assert_eq!(put(&rig, "*", &texts[1]).status(), 200);
    std::fs::write(rig.file(), "broken [").unwrap();
    let answer = rig.post("/v1/rollback", "");
    assert_eq!(answer.json(), json!({"revision": 1}), "{answer:?}");
    assert_eq!(std::fs::read_to_string(rig.file()).unwrap(), texts[0]);
    let kept = rig.folder.path().join("evenkeel.toml.unapplied");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "broken [");
    let listed = rig.get("/v1/revisions").json()["revisions"].clone();
    let current: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["revision"].clone(), r["current"].clone()))
        .collect();
    assert_eq!(current, [(json!(2), json!(false)), (json!(1), json!(true))]);
    assert_eq!(
        rig.post("/v1/rollback", r#"{"revision":2}"#).json(),
        json!({"revision": 2})
    );
    let answer = rig.post("/v1/rollback", r#"{"revision":9}"#);
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (404, "no_such_revision")
    );
}

#[test]
fn revisions_outlive_the_process_and_a_replaced_balancer_starts_from_the_last_applied() {
    let texts = [
        config("", &[nowhere()]),
        config("", &[nowhere(), nowhere()]),
    ];
    let mut rig = Rig::new(&texts[0]);
    assert_eq!(put(&rig, "*", &texts[1]).status(), 200);
    rig.end();
    let folder = rig.folder.clone();
    assert_eq!(
        last_applied(&rig.state_dir()),
        Ok(Some((2, texts[1].clone())))
    );
    let again = Setup {
        folder: Some(folder.clone()),
        ..Setup::default()
    };
    let mut rig = Rig::with(&texts[1], again);
    assert_eq!(
        *rig.host.applied.lock().unwrap(),
        [2],
        "the same text is no new revision"
    );
    rig.end();
    let replaced = Setup {
        folder: Some(folder.clone()),
        resume: true,
        ..Setup::default()
    };
    let mut rig = Rig::with(&texts[1], replaced);
    assert_eq!(*rig.host.applied.lock().unwrap(), [2]);
    rig.end();
    let edited = Setup {
        folder: Some(folder),
        ..Setup::default()
    };
    let rig = Rig::with(&config("# new", &[nowhere()]), edited);
    assert_eq!(*rig.host.applied.lock().unwrap(), [3]);
    let listed = rig.get("/v1/revisions").json()["revisions"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(rig.post("/v1/rollback", "").json(), json!({"revision": 2}));
}

#[test]
fn many_reloads_at_once_are_done_one_after_the_other() {
    let rig = Rig::new(&config("", &[nowhere()]));
    std::thread::scope(|scope| {
        let reload = || rig.post("/v1/reload", "").status();
        let all: Vec<_> = (0..12).map(|_| scope.spawn(reload)).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), 200);
        }
    });
    assert_eq!(rig.host.opened.load(SeqCst), 12);
    assert_eq!(rig.get("/v1/status").json()["revision"], 1);
}
