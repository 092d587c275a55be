//! What facts of a machine and of a service say of why it fails: numbers become evidence here, by thresholds with reasons.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::{Evidence, Source};
use crate::facts::{DiskFacts, Facts, MachineFacts, ProcessState, ServiceFacts};
use crate::time::{Now, Time};

use super::ledger::Ledger;
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
/// Memory is looked at this often for its trend …
const TREND_EVERY: Duration = Duration::from_secs(5);
/// … over so many looks: half a minute.
const TREND_LOOKS: usize = 7;
/// Memory that grew at so many readings in a row (one a second), and much, is soon used up …
const STEEP_LOOKS: usize = 5;
/// … but not while a process warms up: every one takes memory at its start, also the one that follows a crash.
const WARM_UP: Duration = Duration::from_secs(10);
/// Below this share of its limit memory is not short any more.
const RELIEVED_PERMILLE: u64 = 800;
/// What an action has exchanged is read within this after its end.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// Growth by less than this is the warming up of caches.
const GROWTH_BYTES_MIN: u64 = 16 << 20;
/// Services whose past is kept: more than any machine runs.
const SERVICES_MAX: usize = 10_000;

/// What has to be remembered between two readings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Past(BTreeMap<Arc<str>, Before>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Before {
    pid: u32,
    /// When this process was first read.
    since: Time,
    oom_kills: Option<u64>,
    memory: VecDeque<(Time, u64)>,
    /// Its memory at the last readings.
    recent: VecDeque<u64>,
    /// Its memory is nearly used up and grew until then.
    ails: bool,
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
            let steep = steep(before, service.pid, service.memory_bytes, now.at);
            let ails = ails_of_memory(service, before);
            say_process(service, before, steep, &mut said, now.at);
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
    steep: Option<u64>,
    said: &mut Said,
    at: Time,
) {
    if before.pid != service.pid {
        before.pid = service.pid;
        before.memory.clear();
    }
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
    if let Some(growth) = growth(before, service.memory_bytes, at).or(steep) {
        let value = match growth.max(steep.unwrap_or(0)) {
            0 => String::new(),
            bytes => format!("{} MiB more within half a minute", bytes >> 20),
        };
        let grows = growth > 0 || steep.is_some() || before.ails;
        said.push((Evidence::MemoryGrowing, grows, value));
    }
    if let (Some(open), Some(max)) = (service.descriptors, service.descriptors_max) {
        let value = format!("{open} of {max}");
        let high = is_high(u64::from(open), max);
        said.push((Evidence::DescriptorsFull, high, value));
    }
}

/// By how much its memory grew at every look of the last half minute; 0 = it did not; `None` = not long enough known.
fn growth(before: &mut Before, bytes: u64, at: Time) -> Option<u64> {
    let looks = &mut before.memory;
    if looks
        .back()
        .is_none_or(|(last, _)| at.since(*last) >= TREND_EVERY)
    {
        looks.push_back((at, bytes));
    }
    if looks.len() > TREND_LOOKS {
        looks.pop_front();
    }
    if looks.len() < TREND_LOOKS {
        return None;
    }
    let (first, last) = (looks.front()?.1, looks.back()?.1);
    let steady = looks
        .iter()
        .zip(looks.iter().skip(1))
        .all(|(a, b)| b.1 > a.1);
    let grown = last.saturating_sub(first);
    let much = grown >= GROWTH_BYTES_MIN && grown >= first / 20;
    Some(if steady && much { grown } else { 0 })
}

/// By how much its memory grew at every single one of the last readings, if that was so much that it will be used up soon.
fn steep(before: &mut Before, pid: u32, bytes: u64, at: Time) -> Option<u64> {
    if before.pid != pid {
        before.since = at;
        before.recent.clear();
        before.ails = false;
    }
    let looks = &mut before.recent;
    looks.push_back(bytes);
    if looks.len() > STEEP_LOOKS {
        looks.pop_front();
    }
    let grows = looks.iter().zip(looks.iter().skip(1)).all(|(a, b)| b > a);
    let first = *looks.front()?;
    let grown = bytes.saturating_sub(first);
    let much = grown >= GROWTH_BYTES_MIN && grown >= first / 10;
    let warm = at.since(before.since) >= WARM_UP;
    (warm && looks.len() == STEEP_LOOKS && grows && much).then_some(grown)
}

/// Its limit is nearly reached, and it grew on the way there: until it has clearly come down again.
fn ails_of_memory(service: &ServiceFacts, before: &mut Before) -> Option<String> {
    let limit = service.memory_limit.as_ref()?;
    let used = service.memory_bytes;
    let share =
        |permille: u64| u128::from(used) * 1000 >= u128::from(limit.max) * u128::from(permille);
    let looks = before.recent.iter().zip(before.recent.iter().skip(1));
    let grew = before.recent.len() == STEEP_LOOKS && looks.clone().all(|(a, b)| b >= a);
    let grew = grew && before.recent.front() < before.recent.back();
    before.ails = match before.ails {
        false => share(HIGH_PERMILLE) && grew,
        true => share(RELIEVED_PERMILLE),
    };
    let (used, max) = (used >> 20, limit.max >> 20);
    before
        .ails
        .then(|| format!("uses {used} of {max} MiB of memory, and it grows"))
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
    fn memory_that_grows_at_every_look_is_a_trend_and_jitter_is_none() {
        let mut before = Before::default();
        let mut last = None;
        for n in 0..10u64 {
            let at = Time::from_millis(n * 5000);
            last = growth(&mut before, (100 + 10 * n) << 20, at);
            assert_eq!(last.is_some(), n >= 6, "look {n}");
        }
        assert_eq!(last, Some(60 << 20));
        let down = growth(&mut before, 100 << 20, Time::from_millis(60_000));
        assert_eq!(down, Some(0));
    }

    #[test]
    fn what_a_process_takes_at_its_start_is_no_leak() {
        let mut before = Before {
            pid: 1,
            ..Before::default()
        };
        let mut read = |pid, second: u64| {
            let bytes = (20 + 20 * second) << 20;
            let steep = steep(&mut before, pid, bytes, Time::from_millis(1000 * second));
            before.pid = pid;
            steep.is_some()
        };
        let grows: Vec<bool> = (0..12).map(|second| read(2, second)).collect();
        assert_eq!(grows.iter().position(|grows| *grows), Some(10), "{grows:?}");
        assert!((12..22).all(|second| !read(3, second)), "a new process");
        assert!(read(3, 22));
    }

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
