//! Control groups: how the kernel holds a service to the memory and processor time it was started with.
//!
//! They are made here and not by the child, because they must outlive it, need the rights that only the keeper keeps, and must
//! hold a process before it becomes its program. The child says numbers, never paths, so that a child that was taken over can
//! reach no other group with the keeper's rights. Below the keeper's own group stands `evenkeel-PID`, in it one group for each
//! limited service; they are taken away when the keeper ends, and what a killed keeper left is by the next one.
//!
//! Version 2 is taken where its controllers are ours to use, else version 1, each limit by itself; where neither works the
//! reason is told and whoever asked must watch. (Kernel documentation: cgroup-v2.rst, cgroup-v1/memory.rst, sched-bwc.rst.)

mod place;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal};

use crate::children::number;
use crate::wire::{Limited, Limits};
use place::Places;

/// Quota is given out anew this often: the kernel's default, a compromise between bursts and throttling.
const PERIOD_US: u64 = 100_000;
/// The kernel takes no smaller quota.
const QUOTA_MIN_US: u64 = 1000;
/// Processes of an ended service that are looked for and killed in one go.
const LEFT_MAX: usize = 4096;

/// What a service may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) cpu_millicores: Option<u32>,
}

/// The groups of one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    pub(crate) limits: Limits,
    /// Kernel kills for want of memory when it was started.
    oom_kills: u64,
}

/// All of them. Nothing is looked for before the first service asks.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    places: Option<Places>,
}

/// One of the two things that are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Memory,
    Cpu,
}

impl Controller {
    const fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
        }
    }
}

impl Cgroups {
    /// Makes the groups of a service that is about to be started; a limit that can't be had says why.
    pub(crate) fn prepare(&mut self, name: &str, wanted: Wanted) -> Groups {
        if wanted == Wanted::default() {
            return Groups::default();
        }
        let places = self.places.get_or_insert_with(Places::find);
        let memory = wanted.memory_bytes.map_or(Limited::NotAsked, |bytes| {
            places.group(Controller::Memory, name, |group, v2| {
                limit_memory(group, v2, bytes)
            })
        });
        let cpu = wanted
            .cpu_millicores
            .map_or(Limited::NotAsked, |millicores| {
                places.group(Controller::Cpu, name, |group, v2| {
                    limit_cpu(group, v2, millicores)
                })
            });
        let limits = Limits { memory, cpu };
        Groups {
            oom_kills: oom_kills(&limits.memory),
            limits,
        }
    }

    /// Takes away what is empty: at the end everything is.
    pub(crate) fn remove_all(&mut self) {
        if let Some(places) = self.places.take() {
            places.remove();
        }
    }
}

impl Groups {
    /// Puts a process into them, which as yet is only waiting for its orders. What can't be entered limits nothing.
    pub(crate) fn enter(&mut self, pid: Pid) {
        let Limits { memory, cpu } = &mut self.limits;
        // Of version 2 both are one group.
        let same = memory.group().is_some() && memory.group() == cpu.group();
        enter(memory, pid);
        match (same, &*memory) {
            (true, Limited::Not(why)) => *cpu = Limited::Not(why.clone()),
            (true, _) => {}
            (false, _) => enter(cpu, pid),
        }
    }

    /// Ends what a service left in them: it has no group of processes any more and would hold the next one's memory.
    pub(crate) fn kill_left(&self) {
        let group = |limited: &Limited| limited.group().map(Path::to_owned);
        let groups = [group(&self.limits.memory), group(&self.limits.cpu)];
        for group in groups.into_iter().flatten() {
            for pid in processes(&group).into_iter().take(LEFT_MAX) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }

    /// Did the kernel end something of it for want of memory since it was started?
    pub(crate) fn out_of_memory(&self) -> bool {
        oom_kills(&self.limits.memory) > self.oom_kills
    }
}

fn enter(limited: &mut Limited, pid: Pid) {
    let Some(group) = limited.group() else { return };
    if let Err(error) = fs::write(group.join("cgroup.procs"), number(pid).to_string()) {
        *limited = Limited::Not(format!("{} can't be entered: {error}", group.display()));
    }
}

fn limit_memory(group: &Path, v2: bool, bytes: u64) -> io::Result<()> {
    let bytes = bytes.to_string();
    let set = |file: &str, value: &str| fs::write(group.join(file), value);
    if v2 {
        set("memory.max", &bytes)?;
        // Half a service is worse than none: it is started again whole. What a kernel has not can't be set.
        let _ = set("memory.swap.max", "0");
        let _ = set("memory.oom.group", "1");
        return Ok(());
    }
    // Memory with swap can't be less than without: whichever way this limit moves, one of the two orders is right.
    let first = set("memory.limit_in_bytes", &bytes);
    let _ = set("memory.memsw.limit_in_bytes", &bytes);
    match first {
        Ok(()) => Ok(()),
        Err(_) => set("memory.limit_in_bytes", &bytes),
    }
}

fn limit_cpu(group: &Path, v2: bool, millicores: u32) -> io::Result<()> {
    let quota = (u64::from(millicores) * PERIOD_US / 1000).max(QUOTA_MIN_US);
    if v2 {
        return fs::write(group.join("cpu.max"), format!("{quota} {PERIOD_US}"));
    }
    fs::write(group.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
    fs::write(group.join("cpu.cfs_quota_us"), quota.to_string())
}

/// Both versions have a line of this name, in files of their own.
fn oom_kills(memory: &Limited) -> u64 {
    let file = match memory {
        Limited::Cgroup2(group) => group.join("memory.events"),
        Limited::Cgroup1(group) => group.join("memory.oom_control"),
        Limited::NotAsked | Limited::Not(_) => return 0,
    };
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

fn processes(group: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let pid = |line: &str| Pid::from_raw(line.parse::<i32>().ok().filter(|pid| *pid > 0)?);
    text.lines().filter_map(pid).collect()
}

/// A folder's name for a service whatever it is called.
fn folder(name: &str) -> PathBuf {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let encode = |b: u8| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02x}"),
    };
    // The word in front keeps it apart from the kernel's own files.
    let name: String = name.bytes().map(encode).collect();
    PathBuf::from(format!("service-{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_name_never_leads_out_of_its_folder() {
        for name in ["..", ".", "a/b", "/", "../../x", "é", "cgroup.procs"] {
            let folder = folder(name);
            assert_eq!(folder.components().count(), 1, "{name}");
            assert!(folder.to_str().unwrap().starts_with("service-"), "{name}");
        }
        assert_ne!(folder("a.b"), folder("a-b"));
    }

    #[test]
    fn limits_are_written_as_each_version_wants_them() {
        let folder = tempfile::tempdir().unwrap();
        let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
        limit_memory(folder.path(), true, 64 << 20).unwrap();
        assert_eq!(read("memory.max"), "67108864");
        assert_eq!(read("memory.swap.max"), "0");
        limit_memory(folder.path(), false, 64 << 20).unwrap();
        assert_eq!(read("memory.limit_in_bytes"), "67108864");
        assert_eq!(read("memory.memsw.limit_in_bytes"), "67108864");
        limit_cpu(folder.path(), true, 1500).unwrap();
        assert_eq!(read("cpu.max"), "150000 100000");
        limit_cpu(folder.path(), false, 5).unwrap();
        assert_eq!(read("cpu.cfs_quota_us"), "1000");
    }

    #[test]
    fn kills_for_want_of_memory_are_read_from_both_versions() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_owned();
        fs::write(at.join("memory.events"), "low 0\noom 3\noom_kill 2\n").unwrap();
        fs::write(
            at.join("memory.oom_control"),
            "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
        )
        .unwrap();
        assert_eq!(oom_kills(&Limited::Cgroup2(at.clone())), 2);
        assert_eq!(oom_kills(&Limited::Cgroup1(at)), 5);
        assert_eq!(oom_kills(&Limited::Not("x".into())), 0);
        assert_eq!(oom_kills(&Limited::Cgroup2("/nowhere".into())), 0);
    }
}
