//! Certificates on a real disk, at times that are made up.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel_core::time::WallTime;
use evenkeel_schema::mistake::MistakeKind;
use evenkeel_tls::testing::Authority;

use super::*;

const DAY_MS: u64 = 86_400_000;

fn wall() -> WallTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    WallTime(u64::try_from(now.as_millis()).unwrap())
}

/// A moment from which all files of the test look old: their times say all there is to know.
fn later() -> WallTime {
    WallTime(wall().0 + 60_000)
}

const CONFIG: &str = "[admin]\ncertificate = \"admin.pem\"\nkey = \"admin.key\"\n\
    [[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:0\"]\n\
    [[listener.tls]]\ncertificate = \"web.pem\"\nkey = \"web.key\"\n\
    [[listener.tls]]\ncertificate = \"two.pem\"\nkey = \"two.key\"\nclient_ca = \"clients.pem\"\n\
    [[route]]\npool = \"app\"\n\
    [pool.app.tls]\nca = \"ca.pem\"\n\
    [[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:9\"\n";

struct Disk {
    folder: tempfile::TempDir,
    ca: Authority,
}

impl Disk {
    fn new() -> Disk {
        let disk = Disk {
            folder: tempfile::tempdir().unwrap(),
            ca: Authority::new("ca"),
        };
        fs::write(disk.path().join("c.toml"), CONFIG).unwrap();
        for name in ["admin", "web", "two"] {
            disk.put(name, 90);
        }
        disk.ca.write(disk.path(), "ca");
        disk.ca.write(disk.path(), "clients");
        disk
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A new certificate for `NAME.example`.
    fn put(&self, name: &str, days: i64) {
        let names = [format!("{name}.example")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.ca.sign(&names, days).write(self.path(), name);
    }

    fn load(&self, before: Option<&Tls>) -> Result<Tls, Vec<Mistake>> {
        Tls::load(&self.path().join("c.toml"), before).map(|(_, tls)| tls)
    }
}

fn shown(tls: &Tls) -> Vec<String> {
    let certificates = tls.certificates().into_iter();
    certificates
        .map(|c| format!("{} {} {}", c.kind, c.name, c.names.join(",")))
        .collect()
}

#[test]
fn every_certificate_of_a_configuration_is_known_with_whose_it_is() {
    let tls = Disk::new().load(None).unwrap();
    assert_eq!(
        shown(&tls),
        [
            "listener web web.example",
            "listener web two.example",
            "pool app ",
            "admin admin admin.example"
        ]
    );
    assert!(tls.listeners().contains_key("web") && tls.pools().contains_key("app"));
}

#[test]
fn files_that_are_missing_or_do_not_fit_are_mistakes_where_they_are_named() {
    let disk = Disk::new();
    fs::copy(disk.path().join("two.key"), disk.path().join("web.key")).unwrap();
    fs::remove_file(disk.path().join("clients.pem")).unwrap();
    fs::write(disk.path().join("ca.pem"), "nothing").unwrap();
    fs::write(disk.path().join("admin.key"), "").unwrap();
    let mistakes = disk.load(None).err().unwrap();
    let told: Vec<_> = mistakes
        .iter()
        .map(|m| (m.line, m.column, m.path.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, 7, "admin.key"),
            (9, 7, "listener[1].tls[1].key"),
            (13, 13, "listener[1].tls[2].client_ca"),
            (17, 6, "pool.app.tls.ca"),
        ]
    );
    assert!(mistakes.iter().all(|m| m.kind == MistakeKind::File));
    let missing = mistakes[2].to_string();
    assert!(
        missing.contains("clients.pem") && missing.contains("No such file"),
        "{missing}"
    );
    // The folder of the test itself may be called anything.
    assert!(!mistakes[1].found.contains("PRIVATE"), "{}", mistakes[1]);
}

#[test]
fn who_has_to_go_on_with_bad_files_serves_the_rest_and_trusts_nobody() {
    let disk = Disk::new();
    fs::copy(disk.path().join("two.key"), disk.path().join("web.key")).unwrap();
    fs::write(disk.path().join("admin.key"), "").unwrap();
    let ca = fs::read(disk.path().join("ca.pem")).unwrap();
    fs::write(disk.path().join("ca.pem"), "nothing").unwrap();
    let file = disk.path().join("c.toml");
    let (config, tls) = Tls::rescue(CONFIG, &file).unwrap();
    assert!(tls.is_rescued());
    assert_eq!((config.listeners.len(), tls.listeners().len()), (1, 0));
    assert!(tls.admin().is_none());
    assert!(tls.pools().contains_key("app"), "never in clear text");
    let problems = tls.certificates().into_iter().map(|c| c.problems.len());
    assert_eq!(problems.collect::<Vec<_>>(), [1, 1, 1]);
    assert!(Tls::rescue("[node]\nx = 1", &file).is_err());
    // Some of it is good again, then all.
    let mut watch = Watch::default();
    assert_eq!(watch.look(&tls, later()).len(), 1, "the pool is told of");
    fs::write(disk.path().join("ca.pem"), ca).unwrap();
    let news = watch.look(&tls, later());
    assert!(matches!(news.as_slice(), [News::Replaced(_)]), "{news:?}");
    assert!(Tls::parse(CONFIG, &file, Some(&tls)).is_err());
    for name in ["web", "admin"] {
        disk.put(name, 90);
    }
    let (_, mended) = Tls::parse(CONFIG, &file, Some(&tls)).unwrap();
    assert!(!mended.is_rescued() && mended.admin().is_some());
    assert!(mended.certificates().iter().all(|c| c.problems.is_empty()));
}

#[test]
fn a_reload_that_changes_nothing_keeps_the_same_objects() {
    let disk = Disk::new();
    let before = disk.load(None).unwrap();
    let after = disk.load(Some(&before)).unwrap();
    assert!(Arc::ptr_eq(
        &before.listeners()["web"],
        &after.listeners()["web"]
    ));
    assert!(Arc::ptr_eq(&before.pools()["app"], &after.pools()["app"]));
    assert!(Arc::ptr_eq(
        &before.admin().unwrap(),
        &after.admin().unwrap()
    ));
    let text = CONFIG.replace("client_ca", "# client_ca");
    fs::write(disk.path().join("c.toml"), text).unwrap();
    let changed = disk.load(Some(&before)).unwrap();
    assert!(!Arc::ptr_eq(
        &before.listeners()["web"],
        &changed.listeners()["web"]
    ));
    assert!(Arc::ptr_eq(&before.pools()["app"], &changed.pools()["app"]));
}

#[test]
fn a_certificate_that_was_renewed_is_in_use_after_the_next_look() {
    let disk = Disk::new();
    let tls = disk.load(None).unwrap();
    let mut watch = Watch::default();
    assert_eq!(watch.look(&tls, later()), []);
    assert_eq!(watch.look(&tls, later()), [], "nothing changed");
    let ends = |tls: &Tls| tls.certificates()[0].time.unwrap().1;
    let before = ends(&tls);
    disk.put("web", 400);
    let news = watch.look(&tls, later());
    let [News::Replaced(line)] = news.as_slice() else {
        panic!("{news:?}")
    };
    assert!(
        line.starts_with("listener web: ") && line.contains("web.pem"),
        "{line}"
    );
    assert!(ends(&tls) > before);
    assert_eq!(watch.look(&tls, later()), []);
}

#[test]
fn what_was_changed_a_moment_ago_is_read_again_even_if_its_times_say_nothing() {
    let disk = Disk::new();
    let tls = disk.load(None).unwrap();
    let mut watch = Watch::default();
    watch.look(&tls, wall());
    disk.put("web", 400);
    // As if this write had fallen into the same tick as the one before.
    for stamp in watch.seen.keys().cloned().collect::<Vec<_>>() {
        let now = watch::Stamp::of(&fs::metadata(&stamp).unwrap());
        watch.seen.insert(stamp, Some(now));
    }
    assert_eq!(watch.look(&tls, wall()).len(), 1);
}

#[test]
fn a_pair_that_does_not_match_keeps_the_old_one_and_is_told_once() {
    let disk = Disk::new();
    let tls = disk.load(None).unwrap();
    let mut watch = Watch::default();
    watch.look(&tls, later());
    let good = fs::read(disk.path().join("web.key")).unwrap();
    fs::copy(disk.path().join("two.key"), disk.path().join("web.key")).unwrap();
    let news = watch.look(&tls, later());
    let [News::Kept(line)] = news.as_slice() else {
        panic!("{news:?}")
    };
    assert!(
        line.starts_with("listener web: ") && line.contains("web.key"),
        "{line}"
    );
    assert_eq!(watch.look(&tls, later()), [], "said once");
    let certificates = tls.certificates();
    assert_eq!(certificates[0].names, ["web.example"]);
    assert_eq!(certificates[0].problems.len(), 1);
    assert!(certificates[1].problems.is_empty());
    fs::write(disk.path().join("web.key"), good).unwrap();
    assert_eq!(watch.look(&tls, later()).len(), 1);
    assert!(tls.certificates()[0].problems.is_empty());
}

#[test]
fn renaming_over_a_file_and_turning_a_link_are_both_seen() {
    let disk = Disk::new();
    let (folder, data) = (disk.path(), disk.path().join("data"));
    for (version, days) in [("v1", 90), ("v2", 400)] {
        fs::create_dir(folder.join(version)).unwrap();
        let signed = disk.ca.sign(&["web.example"], days);
        signed.write(&folder.join(version), "web");
    }
    // As Kubernetes mounts a secret: file → link → folder of this version.
    std::os::unix::fs::symlink("v1", &data).unwrap();
    for name in ["web.pem", "web.key"] {
        fs::remove_file(folder.join(name)).unwrap();
        std::os::unix::fs::symlink(Path::new("data").join(name), folder.join(name)).unwrap();
    }
    let tls = disk.load(None).unwrap();
    let mut watch = Watch::default();
    watch.look(&tls, later());
    std::os::unix::fs::symlink("v2", folder.join("new")).unwrap();
    fs::rename(folder.join("new"), &data).unwrap();
    assert_eq!(watch.look(&tls, later()).len(), 1);
    let end = tls.certificates()[0].time.unwrap().1;
    assert!(super::expiry::days_left(end, wall()) > 300);
    let signed = disk.ca.sign(&["renamed.example"], 90);
    signed.write(folder, "beside");
    for end in ["pem", "key"] {
        let (from, to) = (format!("beside.{end}"), format!("two.{end}"));
        fs::rename(folder.join(from), folder.join(to)).unwrap();
    }
    assert_eq!(watch.look(&tls, later()).len(), 1);
    assert_eq!(tls.certificates()[1].names, ["renamed.example"]);
}

fn certificate(end_s: i64) -> Certificate {
    Certificate {
        kind: "listener",
        name: "web".into(),
        file: "/etc/web.pem".into(),
        names: vec!["web.example".into()],
        issuer: "ca".into(),
        time: Some((0, end_s)),
        problems: Vec::new(),
    }
}

/// 2033-05-18.
const END_S: i64 = 2_000_000_000;

/// So many days and hours before the end.
fn before_end(days: i64, hours: i64) -> WallTime {
    WallTime(u64::try_from((END_S - days * 86_400 - hours * 3_600) * 1_000).unwrap())
}

#[test]
fn an_end_is_warned_of_from_thirty_days_before_it() {
    let said = |now| warning((0, END_S), now).map(|(_, text)| text);
    assert_eq!(said(before_end(31, 0)), None);
    assert_eq!(said(before_end(30, 0)), None);
    let day = "on 2033-05-18";
    assert_eq!(
        said(before_end(29, 23)).unwrap(),
        format!("expires in 29 days, {day}")
    );
    assert_eq!(
        said(before_end(1, 5)).unwrap(),
        format!("expires in 1 day, {day}")
    );
    assert_eq!(said(before_end(0, 23)).unwrap(), "expires in 23 hours");
    assert_eq!(said(before_end(0, 1)).unwrap(), "expires in 1 hour");
    assert_eq!(said(before_end(0, 0)).unwrap(), "expired on 2033-05-18");
    assert_eq!(said(before_end(-9, 0)).unwrap(), "expired on 2033-05-18");
    let early = warning((END_S, END_S + 1), before_end(1, 0)).unwrap();
    assert_eq!(early, (Level::Over, "not valid before 2033-05-18".into()));
    assert_eq!(super::expiry::days_left(END_S, before_end(29, 23)), 29);
    assert_eq!(super::expiry::days_left(END_S, before_end(-1, 1)), -1);
}

#[test]
fn an_end_is_told_once_a_day_and_at_once_when_it_has_come() {
    let mut expiry = Expiry::default();
    let all = [certificate(END_S)];
    assert_eq!(expiry.due(&all, before_end(40, 0)), []);
    let first = expiry.due(&all, before_end(20, 0));
    assert_eq!(first.len(), 1);
    assert_eq!(
        first[0].1,
        "listener web: certificate /etc/web.pem expires in 20 days, on 2033-05-18"
    );
    let at = |ms: u64| WallTime(before_end(20, 0).0 + ms);
    assert_eq!(expiry.due(&all, at(2_000)), []);
    assert_eq!(expiry.due(&all, at(DAY_MS - 1)), []);
    assert_eq!(expiry.due(&all, at(DAY_MS)).len(), 1);
    assert_eq!(expiry.due(&all, before_end(0, 1)).len(), 1);
    let over = expiry.due(&all, before_end(0, 0));
    assert_eq!(over[0].0, Level::Over);
    assert_eq!(expiry.due(&all, before_end(0, -1)), []);
    // Renewed, but only for a short time: that is news.
    let renewed = [certificate(END_S + 10 * 86_400)];
    assert_eq!(expiry.due(&renewed, before_end(0, -1)).len(), 1);
    assert_eq!(expiry.due(&[], before_end(0, -1)), []);
}
