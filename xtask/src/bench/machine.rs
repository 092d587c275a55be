//! What the benchmark ran on, for the record, and how its processes are kept apart on it.

use crate::Failure;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores the benchmark uses.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    /// Load generator and endpoints.
    pub(crate) load: usize,
    /// The proxies.
    pub(crate) proxy: usize,
}

/// Two cores this process may run on: the first and the last, which are the least likely to be two halves of one.
pub(crate) fn cores() -> Result<Cores, Failure> {
    let allowed =
        sched_getaffinity(None).map_err(|error| format!("which cores may be used: {error}"))?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|core| allowed.is_set(*core))
        .collect();
    match cores.as_slice() {
        [load, .., proxy] => Ok(Cores {
            load: *load,
            proxy: *proxy,
        }),
        _ => Err("two cores are needed: one for the proxy, one for load and endpoints".to_owned()),
    }
}

/// Puts this thread, and with it every process it starts from now on, onto one core.
pub(crate) fn pin(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| format!("pinning to core {core}: {error}"))
}

/// Lets this thread, and every process it starts from now on, run on both.
pub(crate) fn pin_to_both(cores: Cores) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(cores.load);
    set.set(cores.proxy);
    sched_setaffinity(None, &set).map_err(|error| format!("pinning to two cores: {error}"))
}

/// The most freed memory, in MiB, that the kernel keeps with one core before others may have it: an eighth of all, shared
/// among the cores.
pub(crate) fn kept_by_core_mib() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().split(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    kib / 1024 / 8 / cores
}

/// One line about processor, cores and kernel.
pub(crate) fn facts() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let cores = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let virtualised = if cpuinfo.contains("hypervisor") {
        ", virtual machine"
    } else {
        ""
    };
    format!(
        "{model}, {cores} cores{virtualised}, Linux {}",
        kernel.trim()
    )
}
