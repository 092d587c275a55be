//! The machine's own facts.

use std::time::Duration;

use evenkeel_core::facts::{MachineFacts, Pressure};
use procfs::{
    CpuPressure, Current, CurrentSI, IoPressure, KernelStats, LoadAverage, Meminfo, MemoryPressure,
};

use super::millis_per_second;

/// Remembers the processors' times of the last reading.
#[derive(Debug, Default)]
pub(super) struct Machine {
    last: Option<Times>,
}

/// Ticks since the machine started, all cores together.
#[derive(Clone, Copy, Debug)]
struct Times {
    at: Duration,
    busy: u64,
    io_wait: u64,
}

impl Machine {
    pub(super) fn read(&mut self, now: Duration) -> MachineFacts {
        let stats = KernelStats::current().ok();
        let (busy, io_wait) = self.rates(stats.as_ref(), now);
        let memory = Meminfo::current().ok();
        let swap = memory.as_ref().map(|m| (m.swap_total, m.swap_free));
        let open = procfs::sys::fs::file_nr().ok();
        let kills = procfs::vmstat().ok();
        MachineFacts {
            cores: stats.map_or(0, |s| u32::try_from(s.cpu_time.len()).unwrap_or(u32::MAX)),
            cpu_millicores: busy,
            io_wait_millicores: io_wait,
            load_centi: LoadAverage::current()
                .ok()
                .map(|load| scaled(load.one, 100.0)),
            memory_bytes: memory.as_ref().map(|m| m.mem_total),
            memory_available_bytes: memory.and_then(|m| m.mem_available),
            swap_bytes: swap.map(|(total, _)| total),
            swap_used_bytes: swap.map(|(total, free)| total.saturating_sub(free)),
            descriptors: open
                .as_ref()
                .map(|open| open.allocated.saturating_sub(open.free)),
            descriptors_max: open.map(|open| open.max),
            oom_kills: kills.and_then(|all| u64::try_from(*all.get("oom_kill")?).ok()),
            pressure: pressure(),
            disks: Vec::new(),
        }
    }

    fn rates(&mut self, stats: Option<&KernelStats>, now: Duration) -> (Option<u32>, Option<u32>) {
        let Some(stats) = stats else {
            return (None, None);
        };
        let all = &stats.total;
        let interrupts = [all.irq, all.softirq, all.steal].into_iter().flatten();
        let times = Times {
            at: now,
            busy: all.user + all.nice + all.system + interrupts.sum::<u64>(),
            io_wait: all.iowait.unwrap_or(0),
        };
        let Some(last) = self.last.replace(times) else {
            return (None, None);
        };
        let rate = |now: u64, before: u64| {
            let grown = ticks(now.saturating_sub(before));
            millis_per_second(grown, times.at.saturating_sub(last.at))
        };
        (
            rate(times.busy, last.busy),
            rate(times.io_wait, last.io_wait),
        )
    }
}

/// The kernel's unit of processor time.
pub(super) fn ticks(n: u64) -> Duration {
    Duration::from_millis(n.saturating_mul(1000) / procfs::ticks_per_second().max(1))
}

/// The kernel's own averages; absent where it was built or started without.
fn pressure() -> Pressure {
    let cpu = CpuPressure::current().ok();
    let memory = MemoryPressure::current().ok();
    let io = IoPressure::current().ok();
    // Percent to thousandths.
    let permille = |percent: f32| scaled(percent, 10.0);
    Pressure {
        cpu_some_permille: cpu.map(|p| permille(p.some.avg10)),
        memory_some_permille: memory.as_ref().map(|p| permille(p.some.avg10)),
        memory_full_permille: memory.map(|p| permille(p.full.avg10)),
        io_some_permille: io.as_ref().map(|p| permille(p.some.avg10)),
        io_full_permille: io.map(|p| permille(p.full.avg10)),
    }
}

/// A small decimal as a whole number; what is no number is 0 (the cast saturates).
fn scaled(value: f32, by: f32) -> u32 {
    (value * by).round() as u32
}
