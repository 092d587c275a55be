//! What is kept in `state_dir`, when the disk is full, the files there make no sense, or everything is killed again and again:
//! it serves on, says what is lost, and what an operator was told is done stays done.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on panics; one that cannot be made here says so"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use support::{Endpoint, Evenkeel, app, eventually, get, kill};

const STORE: &str = "store.redb";

fn state(evenkeel: &Evenkeel, name: &str) -> PathBuf {
    evenkeel.folder.path().join("state").join(name)
}

/// Kills everything and waits until it is gone; the folder stays.
fn killed(mut evenkeel: Evenkeel) -> Arc<tempfile::TempDir> {
    kill(evenkeel.child.id(), "KILL");
    let _ = evenkeel.child.wait();
    let folder = evenkeel.folder.clone();
    drop(evenkeel);
    folder
}

/// What was set aside of a file.
fn aside(folder: &Path, name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|n| n.starts_with(&format!("{name}.damaged-")))
        .collect()
}

fn replacement(evenkeel: &Evenkeel, old: u32) -> u32 {
    let other = || {
        let pid = evenkeel.status()?["worker_pid"].as_u64()?;
        (pid != u64::from(old)).then_some(pid as u32)
    };
    eventually(
        &format!("another balancer answers\n{}", evenkeel.log()),
        other,
    )
}

/// Writes `bytes` over every third part of a file.
fn scramble(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let len = bytes.len();
    for (n, byte) in bytes.iter_mut().enumerate() {
        if (n * 7 / len).is_multiple_of(2) {
            *byte = byte.wrapping_mul(31).wrapping_add(n as u8);
        }
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_run_over_state_that_makes_no_sense_serves_says_what_is_lost_and_keeps_the_broken_file() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 6] = [
        ("cut short", |path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("scrambled", scramble),
        ("text", |path| {
            std::fs::write(path, "I am a text file").unwrap()
        }),
        ("a folder", |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("x"), "x").unwrap();
        }),
        ("a pipe", |path| {
            std::fs::remove_file(path).unwrap();
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }),
        ("closed to everybody", |path| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o0)).unwrap();
        }),
    ];
    let endpoint = Endpoint::start("a1");
    for (what, damage) in damages {
        let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
        evenkeel.ask(
            "POST",
            "/v1/pools/app/endpoints/a1/weight",
            "{\"weight\":50}",
        );
        let folder = killed(evenkeel);
        let state_dir = folder.path().join("state");
        damage(&state_dir.join(STORE));
        let evenkeel = Evenkeel::launch_in(folder.clone(), &[]);
        evenkeel.until_ready();
        assert_eq!(
            get(evenkeel.address("web"), "/").unwrap().status,
            200,
            "{what}"
        );
        let weight = evenkeel.endpoint("app", "a1").unwrap()["weight"].clone();
        if weight == 50 {
            // Root may read what is closed to everybody.
            assert!(what == "closed to everybody", "{what}");
            continue;
        }
        let kept = aside(&state_dir, STORE);
        assert_eq!(kept.len(), 1, "{what}: {kept:?}");
        let log = evenkeel.says("operator overrides");
        assert!(log.contains(&kept[0]), "{what}: {log}");
        assert!(!log.contains("panicked"), "{what}: {log}");
        // From here on it keeps again.
        evenkeel.ask(
            "POST",
            "/v1/pools/app/endpoints/a1/weight",
            "{\"weight\":60}",
        );
        let evenkeel = Evenkeel::launch_in(killed(evenkeel), &[]);
        evenkeel.until_ready();
        assert_eq!(
            evenkeel.endpoint("app", "a1").unwrap()["weight"],
            60,
            "{what}"
        );
    }
}

#[test]
fn an_empty_store_file_alone_is_a_new_store_and_no_loss() {
    let endpoint = Endpoint::start("a1");
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let state_dir = folder.path().join("state");
    let text = Evenkeel::text(&app(&[&endpoint], ""));
    std::fs::write(folder.path().join("evenkeel.toml"), text).unwrap();
    std::fs::create_dir(&state_dir).unwrap();
    std::fs::write(state_dir.join(STORE), "").unwrap();
    let evenkeel = Evenkeel::launch_in(folder.clone(), &[]);
    evenkeel.until_ready();
    evenkeel.ask(
        "POST",
        "/v1/pools/app/endpoints/a1/weight",
        "{\"weight\":60}",
    );
    assert_eq!(aside(&state_dir, STORE), [""; 0]);
    assert!(!evenkeel.log().contains("lost"), "{}", evenkeel.log());
}

#[test]
fn a_store_that_is_empty_or_gone_beside_other_state_is_told_as_lost() {
    type Loss = (&'static str, usize, fn(&Path));
    let losses: [Loss; 2] = [
        ("was empty", 1, |path| std::fs::write(path, "").unwrap()),
        ("is not there", 0, |path| {
            std::fs::remove_file(path).unwrap();
        }),
    ];
    let endpoint = Endpoint::start("a1");
    for (what, kept, lose) in losses {
        let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
        let text = state(&evenkeel, "last-applied.toml");
        eventually("what is applied is kept", || std::fs::read(&text).ok());
        let folder = killed(evenkeel);
        let state_dir = folder.path().join("state");
        lose(&state_dir.join(STORE));
        let evenkeel = Evenkeel::launch_in(folder, &[]);
        evenkeel.until_ready();
        assert_eq!(get(evenkeel.address("web"), "/").unwrap().status, 200);
        let log = evenkeel.says(what);
        let told = log.lines().find(|line| line.contains(what));
        let told = told.unwrap_or_else(|| panic!("{what}: {log}"));
        assert!(
            told.contains("operator overrides") && told.contains("last-applied.toml"),
            "{told}"
        );
        let aside = aside(&state_dir, STORE);
        assert_eq!(aside.len(), kept, "{aside:?}");
        assert!(aside.iter().all(|name| told.contains(name)), "{told}");
        // From here on it keeps again, and nothing is told of again.
        evenkeel.ask(
            "POST",
            "/v1/pools/app/endpoints/a1/weight",
            "{\"weight\":60}",
        );
        let said = log.matches("operator overrides").count();
        let evenkeel = Evenkeel::launch_in(killed(evenkeel), &[]);
        evenkeel.until_ready();
        assert_eq!(evenkeel.endpoint("app", "a1").unwrap()["weight"], 60);
        let log = evenkeel.log();
        assert!(log.matches("operator overrides").count() <= said, "{log}");
    }
}

#[test]
fn a_replaced_balancer_whose_last_applied_text_is_damaged_takes_file_and_says_so() {
    let endpoint = Endpoint::start("a1");
    let evenkeel = Evenkeel::run(&app(&[&endpoint], ""));
    let path = state(&evenkeel, "last-applied.toml");
    let text = eventually("it is kept", || std::fs::read(&path).ok());
    std::fs::write(&path, &text[..text.len() - 20]).unwrap();
    let old = evenkeel.worker_pid();
    kill(old, "KILL");
    replacement(&evenkeel, old);
    assert_eq!(get(evenkeel.address("web"), "/").unwrap().status, 200);
    let kept = aside(&evenkeel.folder.path().join("state"), "last-applied.toml");
    assert_eq!(kept.len(), 1, "{kept:?}");
    let log = evenkeel.says("last applied configuration is lost");
    assert!(log.contains(&kept[0]), "{log}");
    assert_eq!(
        evenkeel.status().unwrap()["revision"],
        1,
        "its number is in the store too"
    );
}

#[test]
fn things_in_the_way_of_its_files_stop_no_run() {
    let endpoint = Endpoint::start("a1");
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let text = Evenkeel::text(&app(&[&endpoint], ""));
    std::fs::write(folder.path().join("evenkeel.toml"), text).unwrap();
    let state_dir = folder.path().join("state");
    for name in ["lock", "last-applied.toml", "last-applied.toml.new", STORE] {
        std::fs::create_dir_all(state_dir.join(name).join("full")).unwrap();
    }
    std::fs::write(state_dir.join("recovery"), "no folder").unwrap();
    let evenkeel = Evenkeel::launch_in(folder, &[]);
    evenkeel.until_ready();
    evenkeel.ask(
        "POST",
        "/v1/pools/app/endpoints/a1/weight",
        "{\"weight\":60}",
    );
    let old = evenkeel.worker_pid();
    kill(old, "KILL");
    replacement(&evenkeel, old);
    assert_eq!(evenkeel.endpoint("app", "a1").unwrap()["weight"], 60);
    let second = Command::new(support::binary())
        .arg("run")
        .arg(evenkeel.file())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&evenkeel.child.id().to_string()), "{said}");
}

#[test]
fn every_order_that_was_called_done_survives_twenty_kills() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), ""));
    let mut seed = 0x5eed_u64;
    let mut done = 100;
    for round in 0..20 {
        let old = evenkeel.worker_pid();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let after = Duration::from_micros(seed >> 33 & 0xffff);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(after);
            kill(old, "KILL");
        });
        // One order after the other until the balancer is gone; the last one may be anything.
        // (What finds nobody waits for the next balancer, which may then answer it.)
        let mut asked = done;
        while !killer.is_finished() {
            let weight = if asked == 200 { 100 } else { asked + 1 };
            asked = weight;
            let body = format!("{{\"weight\":{weight}}}");
            match evenkeel.admin("POST", "/v1/pools/app/endpoints/a1/weight", &body) {
                Some(answer) if answer.status == 200 => done = weight,
                _ => break,
            }
        }
        killer.join().unwrap();
        replacement(&evenkeel, old);
        let found = evenkeel.endpoint("app", "a1").unwrap()["weight"]
            .as_u64()
            .unwrap();
        assert!(
            found == done || found == asked,
            "round {round}: {done} was called done, {asked} was asked for, {found} is there\n{}",
            evenkeel.log()
        );
        done = found;
    }
    // And the whole of it at once.
    let evenkeel = Evenkeel::launch_in(killed(evenkeel), &[]);
    evenkeel.until_ready();
    assert_eq!(evenkeel.endpoint("app", "a1").unwrap()["weight"], done);
}

/// A small disk of its own, taken away with it. `None` where that is not allowed.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, size: &str) -> Option<Disk> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "evenkeel-test"])
            .arg(at)
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Disk(at.to_owned()));
        }
        eprintln!("not tested here: only root can mount a small disk");
        None
    }

    /// Leaves no byte free.
    fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.0.join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        while file.write(&[7; 4096]).is_ok_and(|n| n > 0) {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_no_traffic_calls_nothing_done_and_all_is_stored_once_there_is_room() {
    let endpoint = Endpoint::start("a1");
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let Some(disk) = Disk::mount(&folder.path().join("state"), "3m") else {
        return;
    };
    let config = app(&[&endpoint], "");
    std::fs::write(folder.path().join("evenkeel.toml"), Evenkeel::text(&config)).unwrap();
    let evenkeel = Evenkeel::launch_in(folder.clone(), &[]);
    evenkeel.until_ready();
    let weigh = |weight: u32| {
        let body = format!("{{\"weight\":{weight}}}");
        let answer = evenkeel
            .admin("POST", "/v1/pools/app/endpoints/a1/weight", &body)
            .unwrap();
        (answer.status, answer.text())
    };
    assert_eq!(weigh(100).0, 200);
    let ballast = disk.fill();
    // The store has room of its own inside its file: many orders may still fit.
    let mut last_done = 100;
    let refused = eventually("an order is not called done", || {
        let weight = if last_done == 200 { 100 } else { last_done + 1 };
        rewrite_comment(&evenkeel, &config, weight);
        let (reload, said) = {
            let answer = evenkeel.admin("POST", "/v1/reload", "").unwrap();
            (answer.status, answer.text())
        };
        let (status, text) = weigh(weight);
        if status == 200 {
            last_done = weight;
        }
        (reload == 507)
            .then_some(said)
            .or((status == 507).then_some(text))
    });
    assert!(
        refused.contains("not_stored") && refused.contains("in force"),
        "{refused}"
    );
    assert_eq!(get(evenkeel.address("web"), "/").unwrap().status, 200);
    let told = || evenkeel.status().unwrap()["own"]["store"].clone();
    assert!(told().as_str().unwrap().contains("o space"), "{}", told());
    let metrics = evenkeel.admin("GET", "/metrics", "").unwrap().text();
    assert!(metrics.contains("evenkeel_store_failing 1"), "{metrics}");
    for weight in [11, 12, 13] {
        let (status, text) = weigh(weight);
        assert_eq!(status, 507, "{text}");
    }
    let once = "what should be kept is not stored";
    let log = evenkeel.says(once);
    assert_eq!(log.matches(once).count(), 1, "{log}");
    // A balancer that dies now comes back with what was called done before, and not with less.
    let old = evenkeel.worker_pid();
    kill(old, "KILL");
    replacement(&evenkeel, old);
    assert_eq!(get(evenkeel.address("web"), "/").unwrap().status, 200);
    let weight = evenkeel.endpoint("app", "a1").unwrap()["weight"]
        .as_u64()
        .unwrap();
    assert!(
        weight == u64::from(last_done),
        "{weight} for {last_done}\n{}",
        evenkeel.log()
    );
    let (status, text) = weigh(14);
    assert!(status == 507 || status == 200, "{text}");
    std::fs::remove_file(ballast).unwrap();
    eventually(&format!("it is stored again\n{}", evenkeel.log()), || {
        told().is_null().then_some(())
    });
    let evenkeel = Evenkeel::launch_in(killed(evenkeel), &[]);
    evenkeel.until_ready();
    assert_eq!(evenkeel.endpoint("app", "a1").unwrap()["weight"], 14);
    assert_eq!(aside(&disk.0, STORE), [""; 0], "the store was not harmed");
    drop(evenkeel);
}

/// Another text that means the same, large enough that it needs room.
fn rewrite_comment(evenkeel: &Evenkeel, config: &str, n: u32) {
    evenkeel.rewrite(&format!("{config}# {n} {}\n", "x".repeat(40_000)));
}

#[test]
fn a_run_on_a_full_disk_serves() {
    let endpoint = Endpoint::start("a1");
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let Some(disk) = Disk::mount(&folder.path().join("state"), "64k") else {
        return;
    };
    let ballast = disk.fill();
    std::fs::write(
        folder.path().join("evenkeel.toml"),
        Evenkeel::text(&app(&[&endpoint], "")),
    )
    .unwrap();
    let evenkeel = Evenkeel::launch_in(folder, &[]);
    evenkeel.until_ready();
    assert_eq!(get(evenkeel.address("web"), "/").unwrap().status, 200);
    let order = evenkeel
        .admin(
            "POST",
            "/v1/pools/app/endpoints/a1/weight",
            "{\"weight\":60}",
        )
        .unwrap();
    assert_eq!(order.status, 507, "{}", order.text());
    drop(ballast);
    drop(evenkeel);
}
