//! Where groups can be made: the keeper's own group in each hierarchy, found by `/proc`, and what it takes to use it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::Pid;

use super::{Controller, folder, processes};
use crate::children::number;
use crate::wire::Limited;

/// The keeper's own groups.
#[derive(Debug, Default, PartialEq, Eq)]
struct Own {
    v2: Option<PathBuf>,
    v1_memory: Option<PathBuf>,
    v1_cpu: Option<PathBuf>,
}

/// What was found, and what was made.
#[derive(Debug)]
pub(super) struct Places {
    own: Own,
    /// `evenkeel-PID`.
    name: String,
    made: BTreeSet<PathBuf>,
    /// Controllers of its own group that the keeper handed on, to be taken back at the end.
    handed_on: Vec<Controller>,
}

impl Places {
    /// Looks for them, and takes away what keepers that are gone have left.
    pub(super) fn find() -> Places {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let own = own(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        for dir in [&own.v2, &own.v1_memory, &own.v1_cpu].into_iter().flatten() {
            sweep(dir);
        }
        Places::new(own)
    }

    fn new(own: Own) -> Places {
        Places {
            own,
            name: format!("evenkeel-{}", std::process::id()),
            made: BTreeSet::new(),
            handed_on: Vec::new(),
        }
    }

    /// A group of this controller for a service, limited by `limit` (which is told whether it is version 2's).
    pub(super) fn group(
        &mut self,
        controller: Controller,
        service: &str,
        limit: impl Fn(&Path, bool) -> io::Result<()>,
    ) -> Limited {
        let second = self
            .own
            .v2
            .clone()
            .ok_or_else(|| "it is not mounted".to_owned());
        let second = second.and_then(|own| self.in_v2(&own, controller, service));
        let second = second.and_then(|group| try_limit(&limit, group, true));
        let why_not_2 = match second {
            Ok(group) => return Limited::Cgroup2(group),
            Err(why) => why,
        };
        let own = match controller {
            Controller::Memory => self.own.v1_memory.clone(),
            Controller::Cpu => self.own.v1_cpu.clone(),
        };
        let first = own.ok_or_else(|| "it is not mounted".to_owned());
        let first = first.and_then(|own| self.make(&own.join(&self.name), service));
        match first.and_then(|group| try_limit(&limit, group, false)) {
            Ok(group) => Limited::Cgroup1(group),
            Err(why) => Limited::Not(format!(
                "no control group: version 2: {why_not_2}; version 1: {why}"
            )),
        }
    }

    fn in_v2(
        &mut self,
        own: &Path,
        controller: Controller,
        service: &str,
    ) -> Result<PathBuf, String> {
        let name = controller.name();
        if !words(&own.join("cgroup.controllers")).contains(name) {
            return Err(format!(
                "its {name} controller is not to be had in {}",
                own.display()
            ));
        }
        if words(&own.join("cgroup.subtree_control")).contains(name) {
            return self.below(own, controller, service);
        }
        enable(own, controller).or_else(|error| {
            if error.raw_os_error() != Some(Errno::BUSY.raw_os_error()) {
                return Err(said(&own.join("cgroup.subtree_control"))(error));
            }
            // A group that has processes of its own can't hand controllers on, so ours go into one below.
            self.step_aside(own)?;
            enable(own, controller).map_err(said(&own.join("cgroup.subtree_control")))
        })?;
        self.handed_on.push(controller);
        self.below(own, controller, service)
    }

    fn below(
        &mut self,
        own: &Path,
        controller: Controller,
        service: &str,
    ) -> Result<PathBuf, String> {
        let group = own.join(&self.name);
        self.make_dir(&group)?;
        enable(&group, controller).map_err(said(&group))?;
        self.make(&group, service)
    }

    /// Moves the keeper and what descends from it out of its group into one below, if nobody else is in it.
    fn step_aside(&mut self, own: &Path) -> Result<(), String> {
        let all = processes(own);
        if let Some(stranger) = all.iter().find(|pid| !descends(**pid)) {
            return Err(format!(
                "process {} is in {} too: give evenkeel a group of its own (systemd: Delegate=yes)",
                number(*stranger),
                own.display()
            ));
        }
        let aside = own.join(format!("{}-itself", self.name));
        self.make_dir(&aside)?;
        for pid in all {
            let file = aside.join("cgroup.procs");
            fs::write(&file, number(pid).to_string()).map_err(said(&file))?;
        }
        Ok(())
    }

    fn make(&mut self, group: &Path, service: &str) -> Result<PathBuf, String> {
        self.make_dir(group)?;
        let group = group.join(folder(service));
        self.make_dir(&group)?;
        Ok(group)
    }

    fn make_dir(&mut self, dir: &Path) -> Result<(), String> {
        match fs::create_dir(dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(said(dir)(error)),
        }
        self.made.insert(dir.to_owned());
        Ok(())
    }

    /// Takes away what was made, what is deepest first; a group that still has a process stays.
    pub(super) fn remove(self) {
        let remove = || {
            for dir in self.made.iter().rev() {
                let _ = fs::remove_dir(dir);
            }
        };
        remove();
        // Where the keeper stepped aside it goes back first, which needs its group to hand nothing on.
        if let (Some(own), false) = (&self.own.v2, self.handed_on.is_empty()) {
            for controller in &self.handed_on {
                let take_back = format!("-{}", controller.name());
                let _ = fs::write(own.join("cgroup.subtree_control"), take_back);
            }
            let _ = fs::write(own.join("cgroup.procs"), std::process::id().to_string());
            remove();
        }
    }
}

fn try_limit(
    limit: impl Fn(&Path, bool) -> io::Result<()>,
    group: PathBuf,
    v2: bool,
) -> Result<PathBuf, String> {
    match limit(&group, v2) {
        Ok(()) => Ok(group),
        Err(error) => Err(said(&group)(error)),
    }
}

fn enable(dir: &Path, controller: Controller) -> io::Result<()> {
    let file = dir.join("cgroup.subtree_control");
    if words(&file).contains(controller.name()) {
        return Ok(());
    }
    fs::write(file, format!("+{}", controller.name()))
}

fn words(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn said(at: &Path) -> impl FnOnce(io::Error) -> String + '_ {
    move |error| format!("{}: {error}", at.display())
}

/// Is this the keeper or one that descends from it? A family tree is never deep.
fn descends(pid: Pid) -> bool {
    let mut at = i32::try_from(number(pid)).unwrap_or(0);
    for _ in 0..64 {
        if u32::try_from(at) == Ok(std::process::id()) {
            return true;
        }
        let stat = fs::read_to_string(format!("/proc/{at}/stat")).unwrap_or_default();
        match crate::children::parent_in_stat(&stat).and_then(|parent| i32::try_from(parent).ok()) {
            Some(parent) if parent > 0 => at = parent,
            _ => return false,
        }
    }
    false
}

/// Groups of keepers that do not live any more.
fn sweep(own: &Path) {
    let Ok(entries) = fs::read_dir(own) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix("evenkeel-"));
        let pid = pid.map(|rest| rest.trim_end_matches("-itself"));
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if Path::new(&format!("/proc/{pid}")).exists() {
            continue;
        }
        for inner in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(inner.path());
        }
        let _ = fs::remove_dir(entry.path());
    }
}

/// Joins what is mounted where (`/proc/self/mountinfo`) with which groups are ours (`/proc/self/cgroup`).
fn own(mountinfo: &str, cgroup: &str) -> Own {
    let mut own = Own::default();
    for mount in mountinfo.lines().filter_map(Mount::parse) {
        let dir = |controller: &str| mount.dir_of(path_of(cgroup, controller)?);
        match mount.kind {
            "cgroup2" => own.v2 = own.v2.or_else(|| dir("")),
            "cgroup" => {
                let has = |controller: &str| mount.options.split(',').any(|o| o == controller);
                if has("memory") {
                    own.v1_memory = own.v1_memory.or_else(|| dir("memory"));
                }
                if has("cpu") {
                    own.v1_cpu = own.v1_cpu.or_else(|| dir("cpu"));
                }
            }
            _ => {}
        }
    }
    own
}

/// The path of our group in the hierarchy of this controller; of version 2's, which is the line without one.
fn path_of<'a>(cgroup: &'a str, controller: &str) -> Option<&'a str> {
    cgroup.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let fits = match controller {
            "" => number == "0" && controllers.is_empty(),
            name => controllers.split(',').any(|c| c == name),
        };
        fits.then_some(path)
    })
}

struct Mount<'a> {
    root: PathBuf,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// `36 35 98:0 ROOT POINT rw,noatime master:1 - TYPE SOURCE OPTIONS` (proc(5)).
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let (root, point) = (front.next()?, front.next()?);
        let mut back = back.split(' ');
        let (kind, _, options) = (back.next()?, back.next()?, back.next()?);
        Some(Mount {
            root: unescape(root),
            point: unescape(point),
            kind,
            options,
        })
    }

    fn dir_of(&self, path: &str) -> Option<PathBuf> {
        let below = Path::new(path).strip_prefix(&self.root).ok()?;
        let plain = |c| matches!(c, std::path::Component::Normal(_));
        below
            .components()
            .all(plain)
            .then(|| self.point.join(below))
    }
}

/// The kernel writes blanks in paths as `\040`.
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        match (first, octal) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
31 25 0:27 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/unified rw,relatime shared:11 - cgroup2 cgroup2 rw,nsdelegate
33 25 0:29 / /mnt/with\\040blank rw - ext4 /dev/sda rw
";

    #[test]
    fn our_own_groups_are_found_in_each_hierarchy() {
        let cgroup = "4:memory:/a/b\n3:cpu,cpuacct:/\n0::/user.slice/x.scope\n";
        let found = own(HYBRID, cgroup);
        assert_eq!(found.v1_memory, Some("/sys/fs/cgroup/memory/a/b".into()));
        assert_eq!(found.v1_cpu, Some("/sys/fs/cgroup/cpu,cpuacct".into()));
        assert_eq!(
            found.v2,
            Some("/sys/fs/cgroup/unified/user.slice/x.scope".into())
        );
        // A container sees its own part only, or none of ours.
        let part = HYBRID.replace("0:27 / ", "0:27 /a ");
        assert_eq!(
            own(&part, cgroup).v1_memory,
            Some("/sys/fs/cgroup/memory/b".into())
        );
        let other = HYBRID.replace("0:27 / ", "0:27 /c ");
        assert_eq!(own(&other, cgroup).v1_memory, None);
        let outside = "0::/../x\n";
        assert_eq!(own(HYBRID, outside), Own::default());
    }

    #[test]
    fn whatever_stands_in_proc_is_read_without_panic() {
        let cgroup = "4:memory:/a/b\n0::/\n::\n:::\n\\";
        for at in 0..HYBRID.len() {
            if !HYBRID.is_char_boundary(at) {
                continue;
            }
            let (front, back) = HYBRID.split_at(at);
            own(front, cgroup);
            own(back, cgroup);
            own(&format!("{front}\\{back}"), cgroup);
            own(&format!("{front} - {back}"), cgroup);
        }
        assert_eq!(unescape("a\\040b\\"), PathBuf::from("a b\\"));
        assert_eq!(unescape("\\777x"), PathBuf::from("\\777x"));
    }

    /// The files of a group, as plain ones.
    fn pretend(dir: &Path, controllers: &str) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("cgroup.controllers"), controllers).unwrap();
        fs::write(dir.join("cgroup.subtree_control"), controllers).unwrap();
        fs::write(dir.join("cgroup.procs"), "").unwrap();
    }

    #[test]
    fn version_2_comes_first_then_version_1_and_then_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let (two, one) = (folder.path().join("2"), folder.path().join("1"));
        pretend(&two, "memory pids\n");
        fs::create_dir(&one).unwrap();
        let mut places = Places::new(Own {
            v2: Some(two.clone()),
            v1_memory: Some(one.clone()),
            v1_cpu: Some(one.clone()),
        });
        let limit = |_: &Path, _: bool| Ok(());
        let memory = places.group(Controller::Memory, "a", limit);
        let expected = two.join(&places.name).join("service-a");
        assert_eq!(memory, Limited::Cgroup2(expected));
        let cpu = places.group(Controller::Cpu, "a", limit);
        let expected = one.join(&places.name).join("service-a");
        assert_eq!(cpu, Limited::Cgroup1(expected.clone()));
        let refuse = |_: &Path, _: bool| Err(io::Error::other("read-only"));
        let Limited::Not(why) = places.group(Controller::Cpu, "a", refuse) else {
            panic!("nothing limits it")
        };
        assert!(
            why.contains("cpu controller") && why.contains("read-only"),
            "{why}"
        );
        assert!(expected.exists());
        places.remove();
        assert!(!expected.exists());
    }

    #[test]
    fn groups_of_keepers_that_are_gone_are_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        // No process has this number: the kernel's own limit is 2^22.
        let gone = folder.path().join("evenkeel-4194999");
        let live = folder
            .path()
            .join(format!("evenkeel-{}", std::process::id()));
        let other = folder.path().join("evenkeel-x");
        for dir in [&gone, &live, &other] {
            fs::create_dir_all(dir.join("service-a")).unwrap();
        }
        sweep(folder.path());
        assert!(!gone.exists() && live.exists() && other.exists());
    }
}
