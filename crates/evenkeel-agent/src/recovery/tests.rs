//! Recovery points over real files, and what attackers, crashes and full disks do to them.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::*;

struct Bed {
    folder: tempfile::TempDir,
    points: Points,
}

const NOW: u64 = 1_767_225_600_000; // 2026-01-01

impl Bed {
    fn new() -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("deep/er")).unwrap();
        fs::write(data.join("a"), "alpha").unwrap();
        fs::write(data.join("deep/er/b"), vec![7; 300_000]).unwrap();
        symlink("/etc/shadow", data.join("deep/link")).unwrap();
        fs::set_permissions(data.join("a"), fs::Permissions::from_mode(0o640)).unwrap();
        let points = Points::new(folder.path().join("recovery"));
        Bed { folder, points }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn make(&self, at: u64) -> Result<Point, String> {
        self.points.make("s", &self.data(), NOW + at * 1000)
    }

    fn beside(&self) -> Vec<String> {
        let all = fs::read_dir(self.folder.path()).unwrap().flatten();
        let mut names: Vec<String> = all.map(|e| e.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn a_point_is_restored_as_it_was_and_the_broken_data_kept_aside() {
    let bed = Bed::new();
    let point = bed.make(0).unwrap();
    assert_eq!((point.id.as_str(), point.files), ("20260101T000000Z", 2));
    assert_eq!(point.bytes, 300_005);
    fs::write(bed.data().join("a"), "broken").unwrap();
    fs::remove_dir_all(bed.data().join("deep")).unwrap();
    let restored = bed
        .points
        .restore("s", &point.id, &bed.data(), NOW + 1)
        .unwrap();
    assert_eq!(fs::read_to_string(bed.data().join("a")).unwrap(), "alpha");
    assert_eq!(
        fs::read(bed.data().join("deep/er/b")).unwrap(),
        vec![7; 300_000]
    );
    let link = fs::read_link(bed.data().join("deep/link")).unwrap();
    assert_eq!(
        link,
        Path::new("/etc/shadow"),
        "copied as a link, never followed"
    );
    let mode = fs::metadata(bed.data().join("a"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    let aside = restored.kept_aside.unwrap();
    assert_eq!(fs::read_to_string(aside.join("a")).unwrap(), "broken");
    assert_eq!(bed.beside().len(), 3, "{:?}", bed.beside());
}

#[test]
fn data_that_is_gone_is_restored_too() {
    let bed = Bed::new();
    let point = bed.make(0).unwrap();
    fs::remove_dir_all(bed.data()).unwrap();
    let restored = bed
        .points
        .restore("s", &point.id, &bed.data(), NOW)
        .unwrap();
    assert_eq!(restored.kept_aside, None);
    assert_eq!(fs::read_to_string(bed.data().join("a")).unwrap(), "alpha");
}

#[test]
fn a_damaged_point_is_never_restored() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("a flipped byte", |p| {
            fs::write(p.join("data/a"), "alphA").unwrap()
        }),
        ("a missing file", |p| {
            fs::remove_file(p.join("data/deep/er/b")).unwrap()
        }),
        ("a file too many", |p| {
            fs::write(p.join("data/x"), "").unwrap()
        }),
        ("a link elsewhere", |p| {
            fs::remove_file(p.join("data/deep/link")).unwrap();
            symlink("/", p.join("data/deep/link")).unwrap();
        }),
        ("a changed manifest", |p| {
            let text = fs::read_to_string(p.join("manifest")).unwrap();
            fs::write(
                p.join("manifest"),
                text.replace("\"mode\":416", "\"mode\":511"),
            )
            .unwrap();
        }),
    ];
    for (what, damage) in damages {
        let bed = Bed::new();
        let point = bed.make(0).unwrap();
        assert!(bed.points.verify("s", &point.id).is_ok());
        damage(&bed.folder.path().join("recovery/s").join(&point.id));
        assert!(bed.points.verify("s", &point.id).is_err(), "{what}");
        let before = fs::read_to_string(bed.data().join("a")).unwrap();
        assert!(
            bed.points
                .restore("s", &point.id, &bed.data(), NOW)
                .is_err(),
            "{what}"
        );
        assert_eq!(
            fs::read_to_string(bed.data().join("a")).unwrap(),
            before,
            "{what}"
        );
        assert_eq!(bed.beside(), ["data", "recovery"], "{what}");
    }
}

#[test]
fn every_cut_of_a_manifest_is_an_error_and_no_panic() {
    let bed = Bed::new();
    let point = bed.make(0).unwrap();
    let path = bed.folder.path().join("recovery/s").join(point.id);
    let bytes = fs::read(path.join("manifest")).unwrap();
    for length in 0..bytes.len() {
        fs::write(path.join("manifest"), &bytes[..length]).unwrap();
        assert!(Manifest::read(&path).is_err(), "cut to {length}");
    }
}

#[test]
fn what_a_crash_left_in_the_middle_is_no_point_and_is_taken_away() {
    let bed = Bed::new();
    let partial = bed
        .folder
        .path()
        .join("recovery/s/20250101T000000Z.partial");
    fs::create_dir_all(partial.join("data")).unwrap();
    fs::write(partial.join("manifest"), "{").unwrap();
    assert_eq!(bed.points.list("s"), []);
    bed.make(0).unwrap();
    assert!(!partial.exists());
}

#[test]
fn only_the_newest_are_kept() {
    let bed = Bed::new();
    let ids: Vec<String> = (0..5).map(|at| bed.make(at).unwrap().id).collect();
    let again = bed.make(4).unwrap().id;
    assert_eq!(again, format!("{}-2", ids[4]));
    let gone = bed.points.prune("s", 2);
    assert_eq!(gone.len(), 4);
    let left: Vec<String> = bed.points.list("s").into_iter().map(|p| p.id).collect();
    assert_eq!(left, [again, ids[4].clone()]);
    assert_eq!(bed.points.prune("s", 2), []);
}

#[test]
fn an_id_is_no_way_out_of_the_folder() {
    let bed = Bed::new();
    bed.make(0).unwrap();
    for id in [
        "../s/20260101T000000Z",
        "..",
        "",
        "/etc",
        "20260101T000000Z/",
    ] {
        assert!(bed.points.verify("s", id).is_err(), "{id}");
        assert!(
            bed.points.restore("s", id, &bed.data(), NOW).is_err(),
            "{id}"
        );
    }
}

#[test]
fn a_folder_behind_a_link_is_refused_and_pipes_are_left_out() {
    let bed = Bed::new();
    let made = Command::new("mkfifo")
        .arg(bed.data().join("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(bed.make(0).unwrap().left_out, ["pipe"]);
    let link = bed.folder.path().join("elsewhere");
    symlink(bed.data(), &link).unwrap();
    let why = bed.points.make("s", &link, NOW).unwrap_err();
    assert!(why.contains("symbolic link"), "{why}");
}

#[test]
fn what_changed_meanwhile_is_copied_again_and_data_that_never_stands_still_refused() {
    let bed = Bed::new();
    let (data, to) = (bed.data(), bed.folder.path().join("to"));
    fs::create_dir(&to).unwrap();
    let (from, into) = (open(&data).unwrap(), open(&to).unwrap());
    let mut times = 0;
    let mut once = || {
        times += 1;
        if times == 1 {
            fs::write(data.join("new"), "born meanwhile").unwrap();
        }
    };
    let tree = copy::copy_while(&from, &into, &mut once).unwrap();
    assert_eq!(times, 2);
    assert!(copy::compare(&into, &tree.items).is_ok());
    assert_eq!(
        fs::read_to_string(to.join("new")).unwrap(),
        "born meanwhile"
    );

    fs::remove_dir_all(&to).unwrap();
    fs::create_dir(&to).unwrap();
    let into = open(&to).unwrap();
    let mut n = 0;
    let mut always = || {
        n += 1;
        fs::write(data.join("new"), "x".repeat(n)).unwrap();
    };
    let why = copy::copy_while(&from, &into, &mut always)
        .err()
        .unwrap()
        .to_string();
    assert!(
        why.contains("changed while it was copied") && why.contains("new"),
        "{why}"
    );
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_the_point_and_keeps_those_before() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bed = Bed::new();
    let disk = bed.folder.path().join("recovery");
    fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "none"])
        .arg(&disk)
        .status();
    if !mounted.unwrap().success() {
        return;
    }
    let _unmount = Unmount(disk.clone());
    bed.make(0).unwrap();
    fs::write(disk.join("filler"), vec![0; 2 << 20]).unwrap();
    let why = bed.make(1).unwrap_err();
    assert!(why.contains("KiB free"), "{why}");
    // Even where the room seems to be there, a disk that fills up meanwhile leaves nothing half.
    let data = open(&bed.data()).unwrap();
    let partial = disk.join("s/full.partial");
    fs::create_dir_all(partial.join("data")).unwrap();
    fs::write(disk.join("more"), vec![0; 800 << 10]).ok();
    let copied = copy_tree(&data, &open(&partial.join("data")).unwrap());
    assert!(copied.is_err());
    fs::remove_file(disk.join("filler")).unwrap();
    fs::remove_file(disk.join("more")).unwrap();
    assert_eq!(bed.points.list("s").len(), 1);
    bed.make(2).unwrap();
    assert!(!partial.exists());
}

#[test]
fn times_are_written_as_people_read_them() {
    assert_eq!(manifest::stamp(0), "19700101T000000Z");
    assert_eq!(manifest::stamp(951_827_696_000), "20000229T123456Z");
    assert_eq!(manifest::stamp(4_102_444_799_000), "20991231T235959Z");
}

/// What a death leaves: `work` is the folder under the name it has in the middle of a restoration.
fn leave(bed: &Bed, work: &Path, inode: Option<u64>) -> PathBuf {
    let mark = inode.map_or(String::new(), |inode| format!("-{inode}"));
    let name = bed
        .folder
        .path()
        .join(format!("data.restoring-{NOW}{mark}"));
    fs::rename(work, &name).unwrap();
    name
}

#[test]
fn a_death_before_the_exchange_leaves_the_data_and_the_copy_goes() {
    use std::os::unix::fs::MetadataExt;
    let bed = Bed::new();
    for with_mark in [false, true] {
        let work = bed.folder.path().join("work");
        fs::create_dir(&work).unwrap();
        fs::write(work.join("half"), "x").unwrap();
        let inode = fs::metadata(&work).unwrap().ino();
        leave(&bed, &work, with_mark.then_some(inode));
        let said = Points::finish_restoration(&bed.data());
        assert!(
            said.len() == 1 && said[0].contains("is as it was"),
            "{said:?}"
        );
        assert_eq!(bed.beside(), ["data"]);
        assert_eq!(fs::read_to_string(bed.data().join("a")).unwrap(), "alpha");
        assert_eq!(Points::finish_restoration(&bed.data()), [""; 0]);
    }
}

#[test]
fn a_death_right_after_the_exchange_loses_nothing_of_the_old_data() {
    use std::os::unix::fs::MetadataExt;
    let bed = Bed::new();
    // What is in the place of the data now was the copy.
    let copy = bed.folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::write(copy.join("a"), "restored").unwrap();
    let inode = fs::metadata(&copy).unwrap().ino();
    leave(&bed, &bed.data(), Some(inode));
    fs::rename(&copy, bed.data()).unwrap();
    let said = Points::finish_restoration(&bed.data());
    let aside = bed.folder.path().join(format!("data.before-restore-{NOW}"));
    assert!(
        said.len() == 1 && said[0].contains(aside.to_str().unwrap()),
        "{said:?}"
    );
    assert_eq!(
        fs::read_to_string(bed.data().join("a")).unwrap(),
        "restored"
    );
    assert_eq!(fs::read_to_string(aside.join("a")).unwrap(), "alpha");
}

#[test]
fn folders_that_only_look_like_a_restoration_are_nobodys_business() {
    let bed = Bed::new();
    for name in [
        "data.restoring-",
        "data.restoring-x",
        "database.restoring-1",
        "data.before-restore-1",
    ] {
        fs::create_dir(bed.folder.path().join(name)).unwrap();
    }
    let before = bed.beside();
    assert_eq!(Points::finish_restoration(&bed.data()), [""; 0]);
    assert_eq!(bed.beside(), before);
}

#[test]
fn old_data_whose_new_name_is_taken_stays_where_it_is_told() {
    let bed = Bed::new();
    let point = bed.make(0).unwrap();
    fs::write(bed.data().join("a"), "newer").unwrap();
    let taken = bed.folder.path().join(format!("data.before-restore-{NOW}"));
    fs::create_dir(&taken).unwrap();
    let restored = bed.points.restore("s", &point.id, &bed.data(), NOW);
    let restored = restored.unwrap();
    assert_eq!(fs::read_to_string(bed.data().join("a")).unwrap(), "alpha");
    let aside = restored.kept_aside.unwrap();
    assert_eq!(fs::read_to_string(aside.join("a")).unwrap(), "newer");
    let said = restored.warnings.join("\n");
    assert!(said.contains(aside.to_str().unwrap()), "{said}");
    // The next start neither takes it away nor says that it is where it is not.
    let said = Points::finish_restoration(&bed.data()).join("\n");
    assert!(said.contains(aside.to_str().unwrap()), "{said}");
    assert_eq!(fs::read_to_string(aside.join("a")).unwrap(), "newer");
}

/// Restores beside a name of each length; a restoration is either done, with the newer data where it says, or refused with no trace.
fn names_of_all_lengths(folder: &Path) -> usize {
    let points = Points::new(folder.join("recovery"));
    let mut told = 0;
    for length in 215..=255 {
        let above = folder.join(length.to_string());
        let data = above.join("d".repeat(length));
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("a"), "alpha").unwrap();
        let service = format!("s{length}");
        let id = points.make(&service, &data, NOW).unwrap().id;
        fs::write(data.join("a"), "newer").unwrap();
        match points.restore(&service, &id, &data, NOW) {
            Ok(restored) => {
                let aside = restored.kept_aside.unwrap();
                assert_eq!(fs::read_to_string(aside.join("a")).unwrap(), "newer");
                assert_eq!(fs::read_to_string(data.join("a")).unwrap(), "alpha");
                told += restored.warnings.len();
            }
            Err(why) => {
                assert!(why.contains("beside it"), "{length}: {why}");
                assert_eq!(fs::read_to_string(data.join("a")).unwrap(), "newer");
                assert_eq!(fs::read_dir(&above).unwrap().count(), 1, "{length}");
            }
        }
    }
    told
}

#[test]
fn no_length_of_a_name_loses_the_old_data() {
    let folder = tempfile::tempdir().unwrap();
    names_of_all_lengths(folder.path());
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Its inodes are short: the copy's name fits where the one for the old data is too long.
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=8m", "none"]);
    if mount.arg(&disk).status().unwrap().success() {
        let _unmount = Unmount(disk.clone());
        assert!(names_of_all_lengths(&disk) > 0);
    }
}

#[test]
fn the_folder_of_the_data_keeps_its_owner_mode_and_time() {
    use std::os::unix::fs::{MetadataExt, chown};
    let marks = |path: &Path| {
        let is = fs::metadata(path).unwrap();
        (is.uid(), is.gid(), is.mode(), is.mtime(), is.mtime_nsec())
    };
    for mode in [0o700, 0o2770, 0o755] {
        let bed = Bed::new();
        let point = bed.make(0).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(bed.data(), Some(12_345), Some(23_456)).unwrap();
        }
        fs::set_permissions(bed.data(), fs::Permissions::from_mode(mode)).unwrap();
        let before = marks(&bed.data());
        let restored = bed.points.restore("s", &point.id, &bed.data(), NOW);
        assert_eq!(marks(&bed.data()), before);
        assert_eq!(marks(&restored.unwrap().kept_aside.unwrap()), before);
    }
}

#[test]
fn what_cannot_be_given_to_its_owner_is_not_restored() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bed = Bed::new();
    let point = bed.make(0).unwrap();
    // All is theirs now, but the point says that it was root's.
    let mut own = Command::new("chown");
    own.args(["-R", "65534"]).arg(bed.folder.path());
    assert!(own.status().unwrap().success());
    // A thread of Linux has its own user.
    let as_they = |id: &str| {
        let they = rustix::process::Uid::from_raw(65_534);
        rustix::thread::set_thread_res_uid(they, they, they).unwrap();
        bed.points.restore("s", id, &bed.data(), NOW)
    };
    let restore = |id: &str| std::thread::scope(|s| s.spawn(|| as_they(id)).join().unwrap());
    let why = restore(&point.id).unwrap_err();
    assert!(why.contains("belongs to user 0"), "{why}");
    assert_eq!(bed.beside(), ["data", "recovery"]);

    // What was theirs comes back.
    let point = bed.make(1).unwrap();
    assert!(own.status().unwrap().success());
    restore(&point.id).unwrap();
}

#[test]
fn a_point_that_says_to_be_another_is_passed_over_and_told() {
    let bed = Bed::new();
    let good = bed.make(0).unwrap();
    let bad = bed.make(1).unwrap();
    let path = bed.folder.path().join("recovery/s").join(&bad.id);
    let text = fs::read_to_string(path.join("manifest")).unwrap();
    let text = text.replace(&bad.id, "../../data");
    fs::write(path.join("manifest"), text).unwrap();
    assert_eq!(bed.points.list("s"), [good]);
    let said = bed.points.misnamed("s");
    assert!(
        said.len() == 1 && said[0].contains(path.to_str().unwrap()),
        "{said:?}"
    );
    bed.points.prune("s", 0);
    assert!(bed.data().join("a").exists());
}

/// A small disk mounted there; `None` where that is not allowed.
struct Mounted(PathBuf);

impl Mounted {
    fn at(path: &Path) -> Option<Mounted> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "evenkeel-test"])
            .arg(path)
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then(|| Mounted(path.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn data_on_a_mount_point_is_known_to_be_unrestorable_and_one_in_it_is_restored() {
    let bed = Bed::new();
    let at = bed.folder.path().join("disk");
    fs::create_dir(&at).unwrap();
    let Some(_mounted) = Mounted::at(&at) else {
        return; // only root can mount
    };
    fs::create_dir(at.join("inside")).unwrap();
    fs::write(at.join("inside/a"), "alpha").unwrap();
    let why = restorable(&at).unwrap_err();
    assert!(
        why.contains("mount point") && why.contains("data.directory"),
        "{why}"
    );
    let point = bed.points.make("s", &at, NOW).unwrap();
    let refused = bed.points.restore("s", &point.id, &at, NOW + 1);
    assert_eq!(refused.unwrap_err(), why);
    assert!(!bed.beside().iter().any(|name| name.contains("restoring")));
    assert_eq!(restorable(&at.join("inside")), Ok(()));
    assert_eq!(restorable(&at.join("nothing")), Ok(()));
    let point = bed.points.make("t", &at.join("inside"), NOW).unwrap();
    fs::write(at.join("inside/a"), "broken").unwrap();
    let restored = bed
        .points
        .restore("t", &point.id, &at.join("inside"), NOW + 1);
    restored.unwrap();
    assert_eq!(fs::read_to_string(at.join("inside/a")).unwrap(), "alpha");
}
