//! Actions on real files and processes, with attackers beside them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use evenkeel_core::recover::actions::{Step, find};
use evenkeel_core::settings::{Care, Ready, ServiceSpec};

use super::*;

/// A small disk of its own; `None` where none can be had.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(size: &str) -> Option<Disk> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        let mount = mount
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(folder.path());
        (rustix::process::geteuid().is_root() && mount.status().ok()?.success())
            .then_some(Disk(folder))
    }

    fn file(&self, name: &str, kib: usize, age_s: u64) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![1; kib << 10]).unwrap();
        let time = std::time::SystemTime::now() - Duration::from_secs(age_s);
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        path
    }

    fn care(&self, keep_kib: u64) -> Care {
        Care {
            disk_paths: vec![self.0.path().join("cache")],
            disk_keep: keep_kib << 10,
            ..Care::default()
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn spec(care: Care) -> ServiceSpec {
    ServiceSpec {
        name: "s".into(),
        command: vec!["x".into()],
        directory: "/".into(),
        environment: Vec::new(),
        user: None,
        ready: Ready::None,
        ready_timeout: Duration::ZERO,
        stop_signal: 15,
        stop_timeout: Duration::ZERO,
        restart_starts: 1,
        restart_within: Duration::ZERO,
        care,
    }
}

#[test]
fn every_executor_is_an_action_of_the_hosts() {
    for executor in ACTIONS {
        let action = find(executor.name).expect("core describes it");
        assert_eq!(action.steps[0], Step::Host, "{}", executor.name);
        let why = carry_out(executor.name, &spec(Care::default()), None, &[]).unwrap_err();
        assert!(why.contains("not allowed"), "{why}");
        let allowed = [executor.name.to_owned()];
        // A service that names nothing: nothing is done, and the reason said.
        assert!(carry_out(executor.name, &spec(Care::default()), None, &allowed).is_err());
    }
}

#[test]
fn a_full_disk_is_freed_oldest_first_and_no_further_than_asked() {
    let Some(disk) = Disk::new("8m") else { return };
    let old = disk.file("cache/old", 2048, 300);
    let middle = disk.file("cache/deep/middle", 2048, 200);
    let new = disk.file("cache/new", 2048, 100);
    let other = disk.file("precious", 1024, 400);
    let said = free_disk(&disk.care(3 << 10)).unwrap();
    assert!(
        !old.exists() && middle.exists() && new.exists() && other.exists(),
        "{said}"
    );
    assert!(said.contains("1 files of 2 MiB deleted"), "{said}");
    let again = free_disk(&disk.care(3 << 10)).unwrap();
    assert!(again.contains("0 files"), "{again}");
}

#[test]
fn what_cannot_be_freed_is_said() {
    let Some(disk) = Disk::new("4m") else { return };
    disk.file("precious", 3500, 1);
    let junk = disk.file("cache/junk", 100, 1);
    let why = free_disk(&disk.care(1 << 20)).unwrap_err();
    assert!(!junk.exists() && why.contains("not enough"), "{why}");
}

#[test]
fn links_and_second_names_are_never_followed_out() {
    let Some(disk) = Disk::new("4m") else { return };
    let precious = disk.file("precious/data", 3000, 500);
    let cache = disk.0.path().join("cache");
    fs::create_dir(&cache).unwrap();
    symlink(disk.0.path().join("precious"), cache.join("folder")).unwrap();
    symlink(&precious, cache.join("file")).unwrap();
    fs::hard_link(&precious, cache.join("name")).unwrap();
    assert!(free_disk(&disk.care(1 << 20)).is_err());
    assert!(precious.exists() && cache.join("name").exists());
    // The folder itself is a link, or something above it is.
    let link = disk.0.path().join("linked");
    symlink(&cache, &link).unwrap();
    for path in [link.clone(), link.join("folder")] {
        let care = Care {
            disk_paths: vec![path],
            ..disk.care(1 << 20)
        };
        let why = free_disk(&care).unwrap_err();
        assert!(why.contains("symbolic link"), "{why}");
    }
}

/// An attacker who owns the cache puts a link to the outside in the place of a folder, again and again, while it is freed.
#[test]
fn an_attacker_who_renames_folders_meanwhile_loses_nothing_outside() {
    let Some(disk) = Disk::new("8m") else { return };
    let root = disk.0.path().to_owned();
    let names: Vec<String> = (0..40).map(|n| format!("f{n}")).collect();
    for name in &names {
        disk.file(&format!("precious/{name}"), 40, 1000);
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (at, away) = (root.join("cache/sub"), root.join("cache/away"));
            while !stop.load(SeqCst) {
                if fs::rename(&at, &away).is_ok() {
                    let _ = symlink(root.join("precious"), &at);
                    let _ = fs::remove_file(&at);
                    let _ = fs::rename(&away, &at);
                }
            }
        });
        for _ in 0..20 {
            for name in &names {
                let path = root.join("cache/sub").join(name);
                let _ = fs::create_dir_all(path.parent().unwrap());
                let _ = fs::write(path, vec![1; 40 << 10]);
            }
            // A link may stand there for a moment while files are written: what lands outside keeps its name.
            let _ = free_disk(&disk.care(1 << 20));
        }
        stop.store(true, SeqCst);
    });
    for name in &names {
        assert!(root.join("precious").join(name).exists(), "{name}");
    }
}

#[test]
fn releases_change_places_at_once_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for release in ["1", "2"] {
        fs::create_dir(at(release)).unwrap();
    }
    symlink("2", at("current")).unwrap();
    symlink("1", at("previous")).unwrap();
    let leads = || fs::read_link(at("current")).unwrap();
    let said = exchange(&at("current"), &at("previous")).unwrap();
    assert_eq!(leads(), Path::new("1"));
    for words in [
        "current leads to 1 now",
        "before, 2, is",
        "once more takes that back",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    exchange(&at("current"), &at("previous")).unwrap();
    assert_eq!(leads(), Path::new("2"));
    fs::remove_file(at("previous")).unwrap();
    symlink("2", at("previous")).unwrap();
    let why = exchange(&at("current"), &at("previous")).unwrap_err();
    assert!(why.contains("nothing to go back to"), "{why}");
    fs::remove_file(at("previous")).unwrap();
    symlink("1", at("previous")).unwrap();
    fs::remove_dir(at("1")).unwrap();
    let why = exchange(&at("current"), &at("previous")).unwrap_err();
    assert!(why.contains("leads nowhere"), "{why}");
    assert_eq!(leads(), Path::new("2"));
    let why = exchange(&at("2"), &at("previous")).unwrap_err();
    assert!(why.contains("no symbolic link"), "{why}");
}

#[test]
fn only_the_operators_own_commands_run_without_a_shell_and_within_bounds() {
    let command = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let spec = spec(Care {
        commands: vec![
            (
                "flood".into(),
                command(&[
                    "/bin/sh",
                    "-c",
                    "head -c 1000000 /dev/zero | tr '\\0' x; exit 3",
                ]),
            ),
            ("say".into(), command(&["/bin/echo", "$HOME;", "ls"])),
            ("stuck".into(), command(&["/bin/sleep", "1000"])),
        ],
        ..Care::default()
    });
    let allowed = ["run".to_owned()];
    let run = |name| carry_out("run", &spec, Some(name), &allowed);
    assert_eq!(run("say").unwrap(), "say is done: $HOME; ls");
    let why = run("flood").unwrap_err();
    assert!(
        why.contains("exit status: 3") && why.len() < 5000,
        "{}",
        why.len()
    );
    for name in ["/bin/echo", "say; ls", ""] {
        assert!(
            run(name).unwrap_err().contains("flood, say, stuck"),
            "{name}"
        );
    }
    let began = Instant::now();
    let why = run::run_within(&spec, Some("stuck"), Duration::from_millis(100)).unwrap_err();
    assert!(
        why.contains("was killed") && began.elapsed() < Duration::from_secs(20),
        "{why}"
    );
}

#[test]
fn what_a_command_says_is_one_line_of_plain_text_and_no_longer_than_some_lines() {
    let script = "printf 'disk is ok\\n2026-01-01T00:00:00.000Z ERROR forged \\033[2J\\r\\302\\205\\342\\200\\256 Gr\\303\\274\\303\\237e '; \
                  head -c 9000 /dev/zero | tr '\\0' '.'; echo end";
    let words = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let spec = spec(Care {
        commands: vec![("odd".into(), words)],
        ..Care::default()
    });
    let said = carry_out("run", &spec, Some("odd"), &["run".to_owned()]).unwrap();
    assert!(
        said.starts_with(
            "odd is done: disk is ok\\n2026-01-01T00:00:00.000Z ERROR forged \\u{1b}[2J\\r\\u{85}\\u{202e} Grüße ...."
        ),
        "{said}"
    );
    assert!(!said.contains(char::is_control), "{said:?}");
    assert!(
        said.chars().count() < 1100 && said.ends_with(" …"),
        "{said}"
    );
}
