//! Facts as the admin API shows them: what was read of the machine and of each service. `null` = it could not be read.

use std::sync::Arc;

use evenkeel_core::facts;
use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// Of the machine evenkeel runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// When they were read.
    pub at: Stamp,
    /// Processors.
    pub cores: u32,
    /// Processor time used, thousandths of one core.
    pub cpu_millicores: Option<u32>,
    /// Time that cores stood idle for want of a disk, thousandths of one core.
    pub io_wait_millicores: Option<u32>,
    /// Processes that run or want to, over a minute, in hundredths.
    pub load_centi: Option<u32>,
    /// There is so much.
    pub memory_bytes: Option<u64>,
    /// Programs could still have so much.
    pub memory_available_bytes: Option<u64>,
    /// There is so much.
    pub swap_bytes: Option<u64>,
    /// In use.
    pub swap_used_bytes: Option<u64>,
    /// Open on the whole machine.
    pub descriptors: Option<u64>,
    /// As many may be.
    pub descriptors_max: Option<u64>,
    /// Processes ended by the kernel for want of memory since the machine started.
    pub oom_kills: Option<u64>,
    /// The share of the last 10 s in which work was held up, in thousandths.
    pub pressure: Pressure,
    /// Where evenkeel keeps its own state.
    pub disks: Vec<DiskFacts>,
}

/// One of [`MachineFacts::pressure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFacts {
    /// A directory on it.
    pub path: String,
    /// There is so much.
    pub bytes: u64,
    /// Users without privileges could still write so much.
    pub free_bytes: u64,
    /// Files there can be; 0 = no such limit.
    pub inodes: u64,
    /// Files that could still be made.
    pub free_inodes: u64,
}

/// Of a supervised service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// When they were read.
    pub at: Stamp,
    /// What its leading process is doing: `running`, `sleeping`, `disk`, `stopped`, `zombie`.
    pub process: String,
    /// Processes of it.
    pub processes: u32,
    /// Threads of all of them.
    pub threads: u32,
    /// Processor time used, thousandths of one core.
    pub cpu_millicores: Option<u32>,
    /// The share of time in which `cpu_max` held it back, in thousandths.
    pub throttled_permille: Option<u32>,
    /// The share of time in which its leading process had to wait for a processor, in thousandths.
    #[serde(default)]
    pub waiting_permille: Option<u32>,
    /// In use.
    pub memory_bytes: u64,
    /// Of it in swap.
    pub swap_bytes: u64,
    /// Open in the process of it that is nearest to its limit.
    pub descriptors: Option<u32>,
    /// That one's limit.
    pub descriptors_max: Option<u64>,
    /// Processes of it that the kernel ended because it reached `memory_max`.
    pub oom_kills: Option<u64>,
    /// `memory_max`, bytes, where it is set.
    pub memory_max: Option<LimitStatus>,
    /// `cpu_max`, thousandths of one core, where it is set.
    pub cpu_max: Option<LimitStatus>,
    /// Of its directories, each file system once.
    pub disks: Vec<DiskFacts>,
    /// Where the link of its present release leads.
    #[serde(default)]
    pub release: Option<String>,
}

/// A limit in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitStatus {
    /// How much.
    pub max: u64,
    /// Who sees to it: `cgroup2`, `cgroup1`, `watched`.
    pub way: String,
    /// The control group, or why there is none.
    pub why: String,
}

impl MachineFacts {
    /// As read at `at`.
    pub fn new(at: Stamp, facts: &facts::MachineFacts) -> MachineFacts {
        let p = &facts.pressure;
        MachineFacts {
            at,
            cores: facts.cores,
            cpu_millicores: facts.cpu_millicores,
            io_wait_millicores: facts.io_wait_millicores,
            load_centi: facts.load_centi,
            memory_bytes: facts.memory_bytes,
            memory_available_bytes: facts.memory_available_bytes,
            swap_bytes: facts.swap_bytes,
            swap_used_bytes: facts.swap_used_bytes,
            descriptors: facts.descriptors,
            descriptors_max: facts.descriptors_max,
            oom_kills: facts.oom_kills,
            pressure: Pressure {
                cpu_some_permille: p.cpu_some_permille,
                memory_some_permille: p.memory_some_permille,
                memory_full_permille: p.memory_full_permille,
                io_some_permille: p.io_some_permille,
                io_full_permille: p.io_full_permille,
            },
            disks: facts.disks.iter().map(DiskFacts::from).collect(),
        }
    }
}

impl ServiceFacts {
    /// As read at `at`.
    pub fn new(at: Stamp, facts: &facts::ServiceFacts) -> ServiceFacts {
        ServiceFacts {
            at,
            process: facts.process.name().to_owned(),
            processes: facts.processes,
            threads: facts.threads,
            cpu_millicores: facts.cpu_millicores,
            throttled_permille: facts.throttled_permille,
            waiting_permille: facts.waiting_permille,
            memory_bytes: facts.memory_bytes,
            swap_bytes: facts.swap_bytes,
            descriptors: facts.descriptors,
            descriptors_max: facts.descriptors_max,
            oom_kills: facts.oom_kills,
            memory_max: facts.memory_limit.as_ref().map(LimitStatus::from),
            cpu_max: facts.cpu_limit.as_ref().map(LimitStatus::from),
            disks: facts.disks.iter().map(DiskFacts::from).collect(),
            release: facts
                .release
                .as_ref()
                .map(|path| path.display().to_string()),
        }
    }
}

/// The way back, for facts that an agent sends.
impl MachineFacts {
    /// What was read.
    pub fn facts(&self) -> facts::MachineFacts {
        let p = &self.pressure;
        facts::MachineFacts {
            cores: self.cores,
            cpu_millicores: self.cpu_millicores,
            io_wait_millicores: self.io_wait_millicores,
            load_centi: self.load_centi,
            memory_bytes: self.memory_bytes,
            memory_available_bytes: self.memory_available_bytes,
            swap_bytes: self.swap_bytes,
            swap_used_bytes: self.swap_used_bytes,
            descriptors: self.descriptors,
            descriptors_max: self.descriptors_max,
            oom_kills: self.oom_kills,
            pressure: facts::Pressure {
                cpu_some_permille: p.cpu_some_permille,
                memory_some_permille: p.memory_some_permille,
                memory_full_permille: p.memory_full_permille,
                io_some_permille: p.io_some_permille,
                io_full_permille: p.io_full_permille,
            },
            disks: self.disks.iter().map(DiskFacts::facts).collect(),
        }
    }
}

impl ServiceFacts {
    /// What was read of the service `name`, whose leading process is `pid`. Words that are not known count as the first.
    pub fn facts(&self, name: Arc<str>, pid: u32) -> facts::ServiceFacts {
        use facts::ProcessState::{Disk, Running, Sleeping, Stopped, Zombie};
        let states = [Sleeping, Running, Disk, Stopped, Zombie];
        let state = states.into_iter().find(|s| s.name() == self.process);
        facts::ServiceFacts {
            name,
            pid,
            process: state.unwrap_or_default(),
            processes: self.processes,
            threads: self.threads,
            cpu_millicores: self.cpu_millicores,
            throttled_permille: self.throttled_permille,
            waiting_permille: self.waiting_permille,
            memory_bytes: self.memory_bytes,
            swap_bytes: self.swap_bytes,
            descriptors: self.descriptors,
            descriptors_max: self.descriptors_max,
            oom_kills: self.oom_kills,
            memory_limit: self.memory_max.as_ref().map(LimitStatus::limit),
            cpu_limit: self.cpu_max.as_ref().map(LimitStatus::limit),
            disks: self.disks.iter().map(DiskFacts::facts).collect(),
            release: self.release.clone().map(Into::into),
        }
    }
}

impl DiskFacts {
    fn facts(&self) -> facts::DiskFacts {
        facts::DiskFacts {
            path: self.path.clone().into(),
            bytes: self.bytes,
            free_bytes: self.free_bytes,
            inodes: self.inodes,
            free_inodes: self.free_inodes,
        }
    }
}

impl LimitStatus {
    fn limit(&self) -> facts::Limit {
        use facts::LimitWay::{Cgroup1, Cgroup2, Watched};
        let ways = [Watched, Cgroup1, Cgroup2];
        let way = ways.into_iter().find(|way| way.name() == self.way);
        facts::Limit {
            max: self.max,
            way: way.unwrap_or(Watched),
            why: self.why.clone(),
        }
    }
}

impl From<&facts::DiskFacts> for DiskFacts {
    fn from(facts: &facts::DiskFacts) -> DiskFacts {
        DiskFacts {
            path: facts.path.display().to_string(),
            bytes: facts.bytes,
            free_bytes: facts.free_bytes,
            inodes: facts.inodes,
            free_inodes: facts.free_inodes,
        }
    }
}

impl From<&facts::Limit> for LimitStatus {
    fn from(limit: &facts::Limit) -> LimitStatus {
        LimitStatus {
            max: limit.max,
            way: limit.way.name().to_owned(),
            why: limit.why.clone(),
        }
    }
}
