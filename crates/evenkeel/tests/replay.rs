//! What really happened, told again from the journal, by the same decisions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Evenkeel, app, binary, eventually, free_port, kill};

fn supervised(name: &str) -> String {
    let port = free_port();
    format!(
        "[[pool.app.endpoint]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nservice = \"{name}\"\n\
         [service.{name}]\ncommand = [\"{}\", \"__sample\", \"{name}\", \"{port}\"]\n\
         ready = {{ kind = \"tcp\", port = {port}, timeout = \"10s\" }}\nstop_timeout = \"2s\"\n",
        binary()
    )
}

/// Two services; one of them was killed and is back.
fn one_fault() -> Evenkeel {
    let services = format!("{}{}", supervised("a1"), supervised("a2"));
    let evenkeel = Evenkeel::run(&format!("{}{services}", app(&[], "")));
    evenkeel.until("app", "a1", "up");
    evenkeel.until("app", "a2", "up");
    let pid = eventually("it has a pid", || {
        evenkeel.endpoint("app", "a1")?["service"]["pid"].as_u64()
    });
    kill(u32::try_from(pid).unwrap(), "KILL");
    eventually("the incident is over", || {
        let all = evenkeel.ask("GET", "/v1/incidents", "");
        (all[0]["state"] == "closed").then_some(())
    });
    evenkeel
}

fn journal(evenkeel: &Evenkeel) -> PathBuf {
    let folder = evenkeel.file().parent().unwrap().to_owned();
    let found = walk(&folder)
        .into_iter()
        .find(|path| path.ends_with("journal"));
    found.expect("there is a journal")
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let folders = entries.map(|e| e.path()).filter(|path| path.is_dir());
    let folders: Vec<_> = folders.collect();
    let below = folders.iter().flat_map(|path| walk(path));
    folders.iter().cloned().chain(below).collect()
}

fn replay(evenkeel: &Evenkeel, journal: &Path, more: &[&str]) -> (i32, String, String) {
    let journal = journal.to_str().unwrap();
    let args: Vec<_> = ["replay", journal].iter().chain(more).copied().collect();
    evenkeel.command(&args)
}

#[test]
fn a_fault_is_told_again_and_decided_the_same() {
    let evenkeel = one_fault();
    let journal = journal(&evenkeel);
    let status = evenkeel.status().unwrap();
    assert_eq!(status["journal"]["recording"], true, "{status:#}");
    let (code, story, wrong) = replay(&evenkeel, &journal, &[]);
    assert_eq!(code, 0, "{story}\n{wrong}");
    for words in [
        "the configuration: 1 pools, 2 services",
        "a1 ended: process",
        "app/a1 up → down",
        "incident 1: opened for app/a1",
        "process_dead",
        "start a1",
        "incident 1: closed",
        "the same as recorded, byte for byte",
    ] {
        assert!(story.contains(words), "{words:?} is missing:\n{story}");
    }
    let (code, part, _) = replay(&evenkeel, &journal, &["--incident", "1"]);
    assert_eq!(code, 0);
    assert!(
        part.starts_with("incident 1: app/a1, process_dead"),
        "{part}"
    );
    assert!(
        part.contains("a1 ended: process") && !part.contains("app/a2"),
        "{part}"
    );
    let (code, text, _) = replay(&evenkeel, &journal, &["--json"]);
    let all: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &all["equal"]), (0, &Value::Bool(true)), "{text}");
    assert!(all["decisions"].as_array().unwrap().len() > 5);
    let (code, _, wrong) = replay(&evenkeel, &journal, &["--incident", "7"]);
    assert_eq!(code, 1);
    assert!(wrong.contains("no incident 7"), "{wrong}");
}

#[test]
fn a_killed_balancer_loses_nothing_of_it_and_the_next_one_goes_on() {
    let evenkeel = one_fault();
    let journal = journal(&evenkeel);
    let old = evenkeel.worker_pid();
    kill(old, "KILL");
    eventually("another balancer serves and knows the incident", || {
        let status = evenkeel.status()?;
        let other = status["worker_pid"].as_u64()? != u64::from(old);
        (other && status["journal"]["segment"] == 2).then_some(())
    });
    evenkeel.until("app", "a1", "up");
    let (code, story, wrong) = replay(&evenkeel, &journal, &[]);
    assert_eq!(code, 0, "{story}\n{wrong}");
    assert_eq!(story.matches("byte for byte").count(), 2, "{story}");
    assert!(
        story.contains("it is still written, or its writer was killed"),
        "{story}"
    );
    assert!(
        story.contains("a1 stopped → starting: ran already"),
        "{story}"
    );
    assert!(story.contains("incident 1: closed"), "{story}");
}

#[test]
fn a_file_that_is_no_whole_journal_is_told_of_and_never_taken_for_one() {
    let evenkeel = one_fault();
    let whole = fs::read(journal(&evenkeel).join("0000000001.journal")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let torn = written("torn", &whole[..whole.len() - 3]);
    let (code, story, _) = replay(&evenkeel, &torn, &[]);
    assert_eq!(code, 0, "{story}");
    assert!(story.contains("were cut off"), "{story}");
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let (code, _, wrong) = replay(&evenkeel, &written("damaged", &bytes), &[]);
    assert_eq!(code, 1);
    assert!(wrong.contains("it is damaged at byte"), "{wrong}");
    let (code, _, wrong) = replay(&evenkeel, &evenkeel.file(), &[]);
    assert_eq!(code, 1);
    assert!(wrong.contains("no journal of evenkeel's"), "{wrong}");
    let mut bytes = whole;
    bytes[8] = 200;
    let (code, _, wrong) = replay(&evenkeel, &written("newer", &bytes), &[]);
    assert_eq!(code, 1);
    assert!(wrong.contains("a newer evenkeel wrote it"), "{wrong}");
    let (code, _, wrong) = replay(&evenkeel, &folder.path().join("nothing"), &[]);
    assert_eq!(code, 2);
    assert!(
        wrong.contains("wanted a segment of a journal or its folder"),
        "{wrong}"
    );
}
