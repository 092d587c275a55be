//! One service's facts: its processes added up, or what its control group says of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::facts::{Limit, LimitWay, ProcessState, ServiceFacts};
use evenkeel_keeper::Limited;
use procfs::process::{LimitValue, Process, Stat};

use super::family::Families;
use super::machine::ticks;
use super::{Subject, disk, group, millis_per_second};

/// What is done about `memory_max` where the kernel does not see to it.
const OVER_MEMORY: &str = "restarted gracefully when it is over";
/// Processes of a service whose descriptors are counted: those of the first are the ones that run out.
const DESCRIPTORS_MAX: usize = 16;

/// What the next reading compares with, by service.
#[derive(Debug, Default)]
pub(super) struct Services {
    last: BTreeMap<Arc<str>, Last>,
}

#[derive(Debug)]
struct Last {
    at: Duration,
    pid: u32,
    used: Used,
    cpu: group::Cpu,
    /// How long its leading process has waited for a processor.
    waited: Option<Duration>,
}

impl Last {
    fn read(subject: &Subject, leader: &Member, members: &[Member], now: Duration) -> Last {
        let cpu = group::cpu(&subject.limits.cpu).unwrap_or_default();
        let waited = leader.process.schedstat().ok();
        Last {
            at: now,
            pid: subject.pid,
            used: match cpu.used {
                Some(used) => Used::Group(used),
                None => Used::Each(members.iter().map(|m| times(&m.stat)).collect()),
            },
            cpu,
            waited: waited.map(|s| Duration::from_nanos(s.run_delay)),
        }
    }
}

/// What two readings say together.
#[derive(Debug, Default)]
struct Rates {
    cpu_millicores: Option<u32>,
    throttled_permille: Option<u32>,
    waiting_permille: Option<u32>,
}

/// Processor time so far.
#[derive(Debug)]
enum Used {
    /// Of the whole group.
    Group(Duration),
    /// Ticks of each process, which has its number and its start: numbers are used again.
    Each(BTreeMap<(u32, u64), u64>),
}

impl Used {
    /// What was used since `before`. A process that is new since then has used all of its time since then.
    fn since(&self, before: &Used) -> Option<Duration> {
        match (self, before) {
            (Used::Group(now), Used::Group(before)) => Some(now.saturating_sub(*before)),
            (Used::Each(now), Used::Each(before)) => {
                let grown = |(key, ticks): (&(u32, u64), &u64)| {
                    ticks.saturating_sub(before.get(key).copied().unwrap_or(0))
                };
                Some(ticks(now.iter().map(grown).sum()))
            }
            _ => None,
        }
    }
}

/// One process, as far as it could be read.
struct Member {
    process: Process,
    stat: Stat,
}

impl Services {
    pub(super) fn read(
        &mut self,
        subjects: &[Subject],
        families: &Families,
        now: Duration,
    ) -> Vec<ServiceFacts> {
        let facts = subjects
            .iter()
            .filter_map(|subject| self.one(subject, families, now))
            .collect();
        self.last
            .retain(|name, _| subjects.iter().any(|subject| subject.name == *name));
        facts
    }

    /// `None` if its leading process is gone: its end is told by whoever waits for it.
    fn one(
        &mut self,
        subject: &Subject,
        families: &Families,
        now: Duration,
    ) -> Option<ServiceFacts> {
        let members: Vec<Member> = families
            .of(subject.pid)
            .iter()
            .filter_map(|pid| {
                let process = Process::new(i32::try_from(*pid).ok()?).ok()?;
                let stat = process.stat().ok()?;
                Some(Member { process, stat })
            })
            .collect();
        let leader = members
            .iter()
            .find(|m| u32::try_from(m.stat.pid) == Ok(subject.pid))?;
        let state = state(leader.stat.state);
        let rates = self.rates(subject, Last::read(subject, leader, &members, now));
        let memory = group::memory(&subject.limits.memory);
        let pages = members.iter().map(|m| m.stat.rss).sum::<u64>();
        let threads = members
            .iter()
            .map(|m| u32::try_from(m.stat.num_threads).unwrap_or(0));
        let (descriptors, descriptors_max) = descriptors(&members);
        Some(ServiceFacts {
            name: subject.name.clone(),
            pid: subject.pid,
            process: state,
            processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
            threads: threads.fold(0, u32::saturating_add),
            cpu_millicores: rates.cpu_millicores,
            throttled_permille: rates.throttled_permille,
            waiting_permille: rates.waiting_permille,
            memory_bytes: memory.map_or(pages.saturating_mul(procfs::page_size()), |m| m.bytes),
            swap_bytes: memory.map_or_else(|| swapped(&members), |m| m.swap_bytes),
            descriptors,
            descriptors_max,
            oom_kills: memory.map(|m| m.oom_kills),
            memory_limit: subject
                .memory_max
                .map(|max| limit(max, &subject.limits.memory, OVER_MEMORY)),
            cpu_limit: subject
                .cpu_max
                .map(|max| limit(max.into(), &subject.limits.cpu, "only shown")),
            disks: disk::disks(&subject.directories),
            release: subject.leads_to(),
        })
    }

    fn rates(&mut self, subject: &Subject, this: Last) -> Rates {
        let last = self.last.remove(&subject.name);
        let last = last.filter(|last| last.pid == this.pid);
        let rates = last.map_or_else(Rates::default, |last| {
            let within = this.at.saturating_sub(last.at);
            let used = this.used.since(&last.used);
            let periods = this.cpu.periods.saturating_sub(last.cpu.periods);
            let throttled = this.cpu.throttled.saturating_sub(last.cpu.throttled);
            let share = throttled.saturating_mul(1000).checked_div(periods);
            let limited = subject.limits.cpu.group().is_some();
            let share = limited.then(|| u32::try_from(share.unwrap_or(0)).unwrap_or(1000));
            let waited = this.waited.zip(last.waited);
            let waited = waited.map(|(now, before)| now.saturating_sub(before));
            Rates {
                cpu_millicores: used.and_then(|used| millis_per_second(used, within)),
                throttled_permille: share,
                waiting_permille: waited.and_then(|w| millis_per_second(w, within)),
            }
        });
        self.last.insert(subject.name.clone(), this);
        rates
    }
}

fn times(stat: &Stat) -> ((u32, u64), u64) {
    let pid = u32::try_from(stat.pid).unwrap_or(0);
    ((pid, stat.starttime), stat.utime.saturating_add(stat.stime))
}

/// How long a process has run, by the kernel's word.
pub fn age(pid: u32) -> Option<Duration> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let begun = ticks(process.stat().ok()?.starttime);
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let now = Duration::new(
        u64::try_from(now.tv_sec).ok()?,
        u32::try_from(now.tv_nsec).ok()?,
    );
    now.checked_sub(begun)
}

/// A machine that swaps nothing is spared the reading.
fn swapped(members: &[Member]) -> u64 {
    let kib = |m: &Member| m.process.status().ok()?.vmswap;
    members
        .iter()
        .take(DESCRIPTORS_MAX)
        .filter_map(kib)
        .sum::<u64>()
        .saturating_mul(1024)
}

/// Of the process that is nearest to its limit. Those of another user can't be counted.
fn descriptors(members: &[Member]) -> (Option<u32>, Option<u64>) {
    let read = |m: &Member| {
        let open = u32::try_from(m.process.fd_count().ok()?).ok()?;
        let max = match m.process.limits().ok()?.max_open_files.soft_limit {
            LimitValue::Value(max) => Some(max),
            LimitValue::Unlimited => None,
        };
        Some((open, max))
    };
    let share = |(open, max): &(u32, Option<u64>)| {
        u128::from(*open) * 1_000_000 / u128::from(max.unwrap_or(u64::MAX).max(1))
    };
    let all = members.iter().take(DESCRIPTORS_MAX).filter_map(read);
    match all.max_by_key(share) {
        Some((open, max)) => (Some(open), max),
        None => (None, None),
    }
}

/// The kernel's letters (proc(5), `state`).
fn state(letter: char) -> ProcessState {
    match letter {
        'R' => ProcessState::Running,
        'D' => ProcessState::Disk,
        'T' | 't' => ProcessState::Stopped,
        'Z' | 'X' | 'x' => ProcessState::Zombie,
        _ => ProcessState::Sleeping,
    }
}

fn limit(max: u64, limited: &Limited, watched: &str) -> Limit {
    let (way, why) = match limited {
        Limited::Cgroup2(group) => (LimitWay::Cgroup2, group.display().to_string()),
        Limited::Cgroup1(group) => (LimitWay::Cgroup1, group.display().to_string()),
        Limited::Not(why) => (LimitWay::Watched, format!("{watched}: {why}")),
        Limited::NotAsked => (
            LimitWay::Watched,
            format!("{watched}: it was started before it had a limit"),
        ),
    };
    Limit { max, way, why }
}
