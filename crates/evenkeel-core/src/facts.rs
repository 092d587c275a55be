//! What was read of a machine and of the services on it: plain numbers, each with its unit, taken at one moment.
//!
//! An agent reads them and the engine takes them in as one event; what they mean is decided here in core, never where they
//! are read. `None` means that it could not be read (another user's process, a kernel without it), never that it is zero.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Everything of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The machine's own.
    pub machine: MachineFacts,
    /// Of each supervised service that runs, by name.
    pub services: Vec<ServiceFacts>,
}

/// Of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// Processors in use by the kernel.
    pub cores: u32,
    /// Processor time used, thousandths of one core, since the last reading.
    pub cpu_millicores: Option<u32>,
    /// Time that cores stood idle for want of a disk, thousandths of one core.
    pub io_wait_millicores: Option<u32>,
    /// Processes that run or want to, over a minute, in hundredths (`1.5` is 150).
    pub load_centi: Option<u32>,
    /// Bytes there are.
    pub memory_bytes: Option<u64>,
    /// Bytes that programs could still have without swapping.
    pub memory_available_bytes: Option<u64>,
    /// Bytes of swap there are.
    pub swap_bytes: Option<u64>,
    /// Bytes of swap in use.
    pub swap_used_bytes: Option<u64>,
    /// Descriptors open on the whole machine.
    pub descriptors: Option<u64>,
    /// As many may be.
    pub descriptors_max: Option<u64>,
    /// Processes the kernel ended for want of memory since it started.
    pub oom_kills: Option<u64>,
    /// How much work was held up.
    pub pressure: Pressure,
    /// Where evenkeel keeps its own state.
    pub disks: Vec<DiskFacts>,
}

/// Pressure stall information (Linux' `/proc/pressure`): the share of the last 10 s in which some or all work that
/// wanted to run was held up by want of this, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// Some waited for a processor.
    pub cpu_some_permille: Option<u32>,
    /// Some waited for memory.
    pub memory_some_permille: Option<u32>,
    /// All waited for memory.
    pub memory_full_permille: Option<u32>,
    /// Some waited for a disk.
    pub io_some_permille: Option<u32>,
    /// All waited for a disk.
    pub io_full_permille: Option<u32>,
}

/// Of one file system, by a directory on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFacts {
    /// The directory it was asked by.
    pub path: PathBuf,
    /// Bytes there are.
    pub bytes: u64,
    /// Bytes that a user without privileges could still write.
    pub free_bytes: u64,
    /// Files there can be; 0 = it has no such limit.
    pub inodes: u64,
    /// Files that could still be made.
    pub free_inodes: u64,
}

impl DiskFacts {
    /// Used, of what there is, in thousandths; blocks kept for root count as used.
    pub fn used_permille(&self) -> u32 {
        permille(self.bytes.saturating_sub(self.free_bytes), self.bytes)
    }

    /// Files, of those there can be, in thousandths.
    pub fn inodes_used_permille(&self) -> u32 {
        permille(self.inodes.saturating_sub(self.free_inodes), self.inodes)
    }
}

/// In thousandths; of nothing it is none.
pub(crate) fn permille(part: u64, whole: u64) -> u32 {
    if whole == 0 {
        return 0;
    }
    let share = u128::from(part) * 1000 / u128::from(whole);
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// Of a supervised service: its process and everything that descends from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// Its name.
    pub name: Arc<str>,
    /// Its leading process.
    pub pid: u32,
    /// What that process is doing.
    pub process: ProcessState,
    /// Processes of it, that one included.
    pub processes: u32,
    /// Threads of all of them.
    pub threads: u32,
    /// Processor time used since the last reading, thousandths of one core.
    pub cpu_millicores: Option<u32>,
    /// Of the kernel's periods (100 ms) since the last reading, the share in which `cpu_max` held it back, in thousandths.
    pub throttled_permille: Option<u32>,
    /// The share of the time since the last reading in which its leading process wanted to run and had to wait for a
    /// processor, in thousandths. A machine that is busy holds back only whom this says.
    pub waiting_permille: Option<u32>,
    /// In use: of its control group without file pages that can be dropped, else the sum of its processes' resident sets
    /// (pages they share count once for each).
    pub memory_bytes: u64,
    /// Of it in swap.
    pub swap_bytes: u64,
    /// Descriptors of the process of it that is nearest to its limit.
    pub descriptors: Option<u32>,
    /// As many may that one have.
    pub descriptors_max: Option<u64>,
    /// Processes of it that the kernel ended for want of memory within `memory_max`.
    pub oom_kills: Option<u64>,
    /// `memory_max`, where it is set.
    pub memory_limit: Option<Limit>,
    /// `cpu_max`, where it is set.
    pub cpu_limit: Option<Limit>,
    /// The disks of its directories, each file system once.
    pub disks: Vec<DiskFacts>,
    /// Where the link of its present release leads.
    pub release: Option<PathBuf>,
}

#[cfg(test)]
impl ServiceFacts {
    /// For tests: one process, of which nothing else is known.
    pub(crate) fn known_as(name: &str, pid: u32) -> ServiceFacts {
        ServiceFacts {
            name: name.into(),
            pid,
            process: ProcessState::Running,
            processes: 1,
            threads: 1,
            cpu_millicores: None,
            throttled_permille: None,
            waiting_permille: None,
            memory_bytes: 0,
            swap_bytes: 0,
            descriptors: None,
            descriptors_max: None,
            oom_kills: None,
            memory_limit: None,
            cpu_limit: None,
            disks: Vec::new(),
            release: None,
        }
    }
}

/// What a process is doing, as the kernel says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessState {
    /// Runs or wants to.
    Running,
    /// Waits for something.
    #[default]
    Sleeping,
    /// Waits for a disk or a driver and can't be ended meanwhile.
    Disk,
    /// Stopped by a signal or a debugger: does nothing.
    Stopped,
    /// Has ended and nobody has asked how.
    Zombie,
}

impl ProcessState {
    /// The word in status and API.
    pub const fn name(self) -> &'static str {
        match self {
            ProcessState::Running => "running",
            ProcessState::Sleeping => "sleeping",
            ProcessState::Disk => "disk",
            ProcessState::Stopped => "stopped",
            ProcessState::Zombie => "zombie",
        }
    }
}

/// A limit in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Bytes of memory, or thousandths of one core.
    pub max: u64,
    /// Who sees to it.
    pub way: LimitWay,
    /// Why this way, for people.
    pub why: String,
}

/// Who sees to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LimitWay {
    /// The kernel, by a control group of version 2.
    Cgroup2,
    /// The kernel, by control groups of version 1.
    Cgroup1,
    /// evenkeel looks: over `memory_max` the service is restarted gracefully; `cpu_max` is only shown.
    Watched,
}

impl LimitWay {
    /// The word in status and API.
    pub const fn name(self) -> &'static str {
        match self {
            LimitWay::Cgroup2 => "cgroup2",
            LimitWay::Cgroup1 => "cgroup1",
            LimitWay::Watched => "watched",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_disk_are_whole_even_where_numbers_are_odd() {
        let disk = |bytes, free_bytes| DiskFacts {
            bytes,
            free_bytes,
            ..DiskFacts::default()
        };
        assert_eq!(disk(1000, 250).used_permille(), 750);
        assert_eq!(disk(0, 0).used_permille(), 0);
        assert_eq!(disk(10, 20).used_permille(), 0);
        assert_eq!(disk(u64::MAX, 0).used_permille(), 1000);
    }
}
