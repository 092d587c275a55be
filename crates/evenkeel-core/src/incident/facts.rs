//! What facts of a machine and of a service say of why it fails: numbers become evidence here, by thresholds with reasons.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::{Evidence, Source};
use crate::facts::{DiskFacts, Facts, MachineFacts, ProcessState, ServiceFacts};
use crate::time::{Now, Time};

use super::ledger::Ledger;
use super::memory::{Growth, Memory};
use super::signs::{About, Observation};

/// Of what there is: a little headroom is what keeps things working, so "high" is before "none left".
const HIGH_PERMILLE: u64 = 900;
/// A disk is full for a service before the last byte: files grow by blocks, and some room is kept for root.
const FULL_PERMILLE: u32 = 980;
/// So much of the time its quota held it back: then it waits more than it works on every third slice.
const THROTTLED_PERMILLE: u32 = 300;
/// On a busy machine, what waits for a processor for so much of the time is slow because of that.
const WAITING_PERMILLE: u32 = 200;
/// Some work was held up for want of memory for a tenth of the time: the kernel is busy finding pages.
const MEMORY_PRESSURE_PERMILLE: u32 = 100;
/// All work was held up by a disk for so much of the time.
const DISK_PRESSURE_PERMILLE: u32 = 400;
/// What an action has exchanged is read within this after its end.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// Services whose past is kept: more than any machine runs.
const SERVICES_MAX: usize = 10_000;

/// What has to be remembered between two readings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Past(BTreeMap<Arc<str>, Before>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Before {
    oom_kills: Option<u64>,
    memory: Memory,
    /// What `release.current` led to.
    release: Option<PathBuf>,
}

impl Ledger {
    /// Facts of this machine and of the services on it.
    pub fn facts(&mut self, facts: &Facts, now: Now) {
        for service in &facts.services {
            if !self.services.contains_key(&service.name) {
                continue;
            }
            if self.past.0.len() >= SERVICES_MAX && !self.past.0.contains_key(&service.name) {
                continue;
            }
            let before = self.past.0.entry(service.name.clone()).or_default();
            let mut said = Vec::with_capacity(10);
            let grows = before.memory.read(service, now.at);
            let ails = before.memory.ails();
            say_process(service, before, grows, &mut said);
            say_resources(service, &facts.machine, &mut said);
            let full = ails_of_disk(&service.disks);
            for key in self.services.get(&service.name).into_iter().flatten() {
                let Some(subject) = self.subjects.get_mut(key) else {
                    continue;
                };
                let full = full.clone().filter(|_| subject.spec.tended);
                if subject.ail(ails.clone().or(full), now.at) {
                    self.touched.insert(key.clone());
                }
            }
            for (evidence, present, value) in said {
                if evidence == Evidence::ReleaseChanged
                    && !self.is_new_release(&service.name, present, now.at)
                {
                    continue;
                }
                self.observed(
                    &Observation {
                        about: About::Service(service.name.clone()),
                        evidence,
                        present,
                        source: Source::Facts,
                        value,
                    },
                    now,
                );
            }
        }
    }
}

impl Ledger {
    /// A change stays a change although the next reading shows the same; and what an action of our own changed is none.
    fn is_new_release(&self, service: &str, changed: bool, now: Time) -> bool {
        let keys = self.services.get(service).into_iter().flatten();
        let mut subjects = keys.filter_map(|key| self.subjects.get(key));
        match changed {
            true => !subjects.any(|s| s.treated || now < s.settled + READ_WITHIN),
            false => !subjects.any(|s| {
                let known = s.board.get(Evidence::ReleaseChanged);
                known.is_some_and(|item| item.present)
            }),
        }
    }
}

type Said = Vec<(Evidence, bool, String)>;

fn say_process(
    service: &ServiceFacts,
    before: &mut Before,
    grows: Option<Growth>,
    said: &mut Said,
) {
    let stopped = service.process == ProcessState::Stopped;
    let value = format!("process {}", service.pid);
    said.push((Evidence::ProcessStopped, stopped, value));
    if let Some(release) = &service.release {
        let old = before.release.replace(release.clone());
        let changed = old.filter(|old| old != release);
        let value = changed.as_ref().map_or_else(String::new, |old| {
            format!("{} now, {} before", release.display(), old.display())
        });
        said.push((Evidence::ReleaseChanged, changed.is_some(), value));
    }
    if let Some(kills) = service.oom_kills {
        let more = before.oom_kills.is_some_and(|before| kills > before);
        before.oom_kills = Some(kills);
        said.push((Evidence::OutOfMemoryKill, more, String::new()));
    }
    if let Some(growth) = grows {
        said.push((Evidence::MemoryGrowing, growth.grows, growth.said));
    }
    if let (Some(open), Some(max)) = (service.descriptors, service.descriptors_max) {
        let value = format!("{open} of {max}");
        let high = is_high(u64::from(open), max);
        said.push((Evidence::DescriptorsFull, high, value));
    }
}

/// A disk is full where evenkeel may make room.
fn ails_of_disk(disks: &[DiskFacts]) -> Option<String> {
    let full = disks.iter().find(|d| d.used_permille() >= FULL_PERMILLE)?;
    let (path, used) = (full.path.display(), full.used_permille() / 10);
    Some(format!("{path} is {used} % full"))
}

fn say_resources(service: &ServiceFacts, machine: &MachineFacts, said: &mut Said) {
    let cores = u64::from(machine.cores) * 1000;
    // Where it is not known whom a busy machine holds back, it is taken to be everybody.
    let waits = service
        .waiting_permille
        .is_none_or(|w| w >= WAITING_PERMILLE);
    let own = service.cpu_limit.as_ref().zip(service.cpu_millicores);
    let own = own.is_some_and(|(limit, used)| is_high(u64::from(used), limit.max));
    let held = service
        .throttled_permille
        .is_some_and(|t| t >= THROTTLED_PERMILLE);
    if let Some(used) = machine.cpu_millicores {
        let all = is_high(u64::from(used), cores);
        let value = match (service.cpu_limit.as_ref(), service.waiting_permille) {
            (Some(limit), _) if own || held => format!(
                "{} thousandths of a core, of the {} it may use",
                service.cpu_millicores.unwrap_or(0),
                limit.max
            ),
            (_, Some(share)) if all => format!(
                "its machine is busy, and it waits {} % of the time",
                share / 10
            ),
            _ => format!("{used} of {cores} thousandths of a core"),
        };
        said.push((Evidence::CpuHigh, own || held || (all && waits), value));
    }
    if let Some(load) = machine.load_centi {
        // Twice as many want to run as can.
        let high = u64::from(load) * 10 > 2 * cores && waits;
        let value = format!(
            "{}.{:02} on {} cores",
            load / 100,
            load % 100,
            machine.cores
        );
        said.push((Evidence::LoadHigh, high, value));
    }
    say_memory(service, machine, said);
    if let Some(held_up) = machine.pressure.memory_some_permille {
        let swaps = held_up >= MEMORY_PRESSURE_PERMILLE && machine.swap_used_bytes > Some(0);
        said.push((Evidence::Swapping, swaps, String::new()));
    }
    if let Some(held_up) = machine.pressure.io_full_permille {
        let value = format!("{} % of the time", held_up / 10);
        said.push((Evidence::DiskSlow, held_up >= DISK_PRESSURE_PERMILLE, value));
    }
    say_disks(&service.disks, said);
}

fn say_memory(service: &ServiceFacts, machine: &MachineFacts, said: &mut Said) {
    let all = machine.memory_bytes.zip(machine.memory_available_bytes);
    let value = match (&service.memory_limit, all) {
        (Some(limit), _) => {
            format!("{} of {} MiB", service.memory_bytes >> 20, limit.max >> 20)
        }
        (None, Some((all, free))) => {
            format!("{} of {} MiB are free", free >> 20, all >> 20)
        }
        (None, None) => return,
    };
    let own = service.memory_limit.as_ref();
    let own = own.is_some_and(|limit| is_high(service.memory_bytes, limit.max));
    let short = all.is_some_and(|(all, free)| all > 0 && free < all / 20);
    said.push((Evidence::MemoryHigh, own || short, value));
}

fn say_disks(disks: &[DiskFacts], said: &mut Said) {
    if disks.is_empty() {
        return;
    }
    type Used = fn(&DiskFacts) -> u32;
    let kinds: [(Evidence, Used); 2] = [
        (Evidence::DiskFull, DiskFacts::used_permille),
        (Evidence::InodesFull, DiskFacts::inodes_used_permille),
    ];
    for (evidence, used) in kinds {
        let full = disks.iter().find(|disk| used(disk) >= FULL_PERMILLE);
        let value =
            full.map(|disk| format!("{} is {} % full", disk.path.display(), used(disk) / 10));
        said.push((evidence, full.is_some(), value.unwrap_or_default()));
    }
}

fn is_high(used: u64, max: u64) -> bool {
    max > 0 && u128::from(used) * 1000 >= u128::from(max) * u128::from(HIGH_PERMILLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_before_its_last_byte() {
        let disk = |free_bytes| DiskFacts {
            path: "/data".into(),
            bytes: 1000,
            free_bytes,
            inodes: 100,
            free_inodes: 50,
        };
        let mut said = Vec::new();
        say_disks(&[disk(500), disk(10)], &mut said);
        assert_eq!(
            said[0],
            (Evidence::DiskFull, true, "/data is 99 % full".into())
        );
        assert_eq!(said[1], (Evidence::InodesFull, false, String::new()));
    }
}
