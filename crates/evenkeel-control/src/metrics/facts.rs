//! The facts among the metrics: what was read last of the machine and of each service.

use std::fmt;

use evenkeel_core::facts::{DiskFacts, MachineFacts, ServiceFacts};
use prometheus_client::metrics::MetricType;

use super::{Page, Sample};

/// A gauge's name, its help, and where its value is; `None` is left out.
type Gauge<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

const MACHINE: [Gauge<MachineFacts>; 6] = [
    (
        "evenkeel_machine_cpu_cores",
        "Processor time this machine uses, in cores",
        |m| cores(m.cpu_millicores),
    ),
    (
        "evenkeel_machine_load",
        "Processes that run or want to, over a minute",
        |m| m.load_centi.map(|load| f64::from(load) / 100.0),
    ),
    (
        "evenkeel_machine_memory_bytes",
        "Memory of this machine",
        |m| whole(m.memory_bytes),
    ),
    (
        "evenkeel_machine_memory_available_bytes",
        "Memory programs could still have",
        |m| whole(m.memory_available_bytes),
    ),
    ("evenkeel_machine_swap_used_bytes", "Swap in use", |m| {
        whole(m.swap_used_bytes)
    }),
    (
        "evenkeel_machine_descriptors",
        "Descriptors open on this machine",
        |m| whole(m.descriptors),
    ),
];

const SERVICE: [Gauge<ServiceFacts>; 9] = [
    (
        "evenkeel_service_cpu_cores",
        "Processor time a service uses, in cores",
        |s| cores(s.cpu_millicores),
    ),
    ("evenkeel_service_cpu_max_cores", "Its cpu_max", |s| {
        s.cpu_limit.as_ref().map(|limit| limit.max as f64 / 1000.0)
    }),
    (
        "evenkeel_service_cpu_throttled_ratio",
        "The share of time in which cpu_max held it back",
        |s| s.throttled_permille.map(|share| f64::from(share) / 1000.0),
    ),
    (
        "evenkeel_service_memory_bytes",
        "Memory a service uses",
        |s| whole(Some(s.memory_bytes)),
    ),
    ("evenkeel_service_memory_max_bytes", "Its memory_max", |s| {
        whole(s.memory_limit.as_ref().map(|limit| limit.max))
    }),
    ("evenkeel_service_swap_bytes", "Of it in swap", |s| {
        whole(Some(s.swap_bytes))
    }),
    (
        "evenkeel_service_processes",
        "Processes of a service",
        |s| Some(s.processes.into()),
    ),
    (
        "evenkeel_service_descriptors",
        "Descriptors open in the process of it nearest to its limit",
        |s| s.descriptors.map(f64::from),
    ),
    (
        "evenkeel_service_descriptors_max",
        "That process's limit",
        |s| whole(s.descriptors_max),
    ),
];

const DISK: [Gauge<DiskFacts>; 4] = [
    (
        "evenkeel_disk_bytes",
        "Size of a file system that matters to a service, or to evenkeel",
        |d| whole(Some(d.bytes)),
    ),
    (
        "evenkeel_disk_free_bytes",
        "What could still be written there",
        |d| whole(Some(d.free_bytes)),
    ),
    ("evenkeel_disk_inodes", "Files there can be", |d| {
        whole(Some(d.inodes))
    }),
    (
        "evenkeel_disk_free_inodes",
        "Files that could still be made",
        |d| whole(Some(d.free_inodes)),
    ),
];

fn cores(millicores: Option<u32>) -> Option<f64> {
    millicores.map(|m| f64::from(m) / 1000.0)
}

fn whole(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

impl Sample {
    pub(super) fn facts(&self, page: &mut Page<'_>) -> fmt::Result {
        let Some(facts) = self.facts.facts() else {
            return Ok(());
        };
        for (name, help, value) in MACHINE {
            page.family(name, help, MetricType::Gauge, |family| {
                value(&facts.machine).map_or(Ok(()), |value| family.gauge_f64(&[], value))
            })?;
        }
        for (name, help, value) in SERVICE {
            page.family(name, help, MetricType::Gauge, |family| {
                let valued = self.facts.services().filter_map(|s| Some((s, value(s)?)));
                valued
                    .into_iter()
                    .try_for_each(|(s, value)| family.gauge_f64(&[("service", &s.name)], value))
            })?;
        }
        for (name, help, value) in DISK {
            page.family(name, help, MetricType::Gauge, |family| {
                let own = facts.machine.disks.iter().map(|disk| ("", disk));
                let services = self.facts.services();
                let theirs = services.flat_map(|s| s.disks.iter().map(|disk| (&*s.name, disk)));
                own.chain(theirs).try_for_each(|(service, disk)| {
                    let path = disk.path.to_string_lossy();
                    let labels = [("service", service), ("path", &*path)];
                    value(disk).map_or(Ok(()), |value| family.gauge_f64(&labels, value))
                })
            })?;
        }
        let help = "Processes of a service ended by the kernel because it reached memory_max";
        page.family(
            "evenkeel_service_oom_kills",
            help,
            MetricType::Counter,
            |family| {
                let services = self.facts.services();
                let counted = services.filter_map(|s| Some((s, s.oom_kills?)));
                counted
                    .into_iter()
                    .try_for_each(|(s, kills)| family.count(&[("service", &s.name)], kills))
            },
        )
    }
}
