//! Which processes belong to a service: those in its control group, else its leading process, what descends from it and
//! what is in its process group.
//!
//! Without a control group the only way is to look at every process of the machine. That is done seldom; in between, those
//! found before are read again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use procfs::process::{Process, Stat};

use super::Subject;

/// Between two looks at all processes: a machine with 1000 takes some 20 ms.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Processes of the machine that are looked at.
const ALL_MAX: usize = 16_384;
/// Processes of one service that are read: a service of more is read in part.
const FAMILY_MAX: usize = 512;

/// Pids by leading process.
#[derive(Debug, Default)]
pub(super) struct Families {
    known: BTreeMap<u32, Vec<u32>>,
    looked: Option<Duration>,
}

impl Families {
    /// Finds who belongs to each of `subjects` now.
    pub(super) fn look(&mut self, subjects: &[Subject], now: Duration) {
        let grouped = |s: &Subject| s.limits.memory.group().or(s.limits.cpu.group()).is_some();
        let alone: BTreeSet<u32> = subjects
            .iter()
            .filter(|s| !grouped(s))
            .map(|s| s.pid)
            .collect();
        let unknown = alone.iter().any(|pid| !self.known.contains_key(pid));
        let due = self
            .looked
            .is_none_or(|at| now.saturating_sub(at) >= LOOK_EVERY);
        if !alone.is_empty() && (unknown || due) {
            self.looked = Some(now);
            self.known = families(&alone, all());
        }
        for subject in subjects.iter().filter(|s| grouped(s)) {
            self.known.insert(subject.pid, members(subject));
        }
        let there: BTreeSet<u32> = subjects.iter().map(|s| s.pid).collect();
        self.known.retain(|leader, _| there.contains(leader));
    }

    /// The processes of this leader, itself first.
    pub(super) fn of(&self, leader: u32) -> &[u32] {
        self.known.get(&leader).map_or(&[], Vec::as_slice)
    }
}

/// Of its control group; the leader first.
fn members(subject: &Subject) -> Vec<u32> {
    let group = subject.limits.memory.group().or(subject.limits.cpu.group());
    let text = group.and_then(|group| fs::read_to_string(group.join("cgroup.procs")).ok());
    let text = text.unwrap_or_default();
    let others = text.lines().filter_map(|line| line.parse().ok());
    let others = others.filter(|pid| *pid != subject.pid);
    std::iter::once(subject.pid)
        .chain(others)
        .take(FAMILY_MAX)
        .collect()
}

/// A process and its place: parent and process group.
#[derive(Clone, Copy, Debug)]
struct Kin {
    pid: u32,
    parent: u32,
    group: u32,
}

fn all() -> Vec<Kin> {
    let number = |n: i32| u32::try_from(n).unwrap_or(0);
    let kin = |stat: Stat| Kin {
        pid: number(stat.pid),
        parent: number(stat.ppid),
        group: number(stat.pgrp),
    };
    let Ok(processes) = procfs::process::all_processes() else {
        return Vec::new();
    };
    let stats = processes.take(ALL_MAX).flatten();
    stats
        .filter_map(|p: Process| p.stat().ok())
        .map(kin)
        .collect()
}

/// Gives each process to the leader it descends from, else to the one whose process group it is in.
fn families(leaders: &BTreeSet<u32>, all: Vec<Kin>) -> BTreeMap<u32, Vec<u32>> {
    let by_pid: BTreeMap<u32, Kin> = all.iter().map(|kin| (kin.pid, *kin)).collect();
    let mut found: BTreeMap<u32, Vec<u32>> = leaders.iter().map(|pid| (*pid, vec![*pid])).collect();
    for kin in all.iter().filter(|kin| !leaders.contains(&kin.pid)) {
        let mut at = kin.parent;
        let mut leader = None;
        // No family tree is deeper, and one that changes while it is read could have a circle.
        for _ in 0..64 {
            if leaders.contains(&at) {
                leader = Some(at);
                break;
            }
            match by_pid.get(&at) {
                Some(parent) if parent.parent != at => at = parent.parent,
                _ => break,
            }
        }
        let leader = leader.or_else(|| leaders.get(&kin.group).copied());
        if let Some(family) = leader.and_then(|leader| found.get_mut(&leader))
            && family.len() < FAMILY_MAX
        {
            family.push(kin.pid);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kin(pid: u32, parent: u32, group: u32) -> Kin {
        Kin { pid, parent, group }
    }

    #[test]
    fn children_grandchildren_and_orphans_belong_to_their_leader() {
        let leaders = BTreeSet::from([10, 20]);
        let all = vec![
            kin(10, 1, 10),
            kin(11, 10, 10),
            kin(12, 11, 12), // a group of its own
            kin(13, 1, 10),  // its parent has ended
            kin(20, 1, 20),
            kin(30, 1, 30),
        ];
        let found = families(&leaders, all);
        assert_eq!(found[&10], [10, 11, 12, 13]);
        assert_eq!(found[&20], [20]);
    }

    proptest! {
        #[test]
        fn nobody_belongs_to_two_families_whatever_proc_says(
            rows in prop::collection::vec((0u32..40, 0u32..40, 0u32..40), 0..60),
            leaders in prop::collection::btree_set(0u32..40, 0..6),
        ) {
            let mut pids = BTreeSet::new();
            let all: Vec<Kin> = rows.into_iter().filter(|row| pids.insert(row.0))
                .map(|(pid, parent, group)| kin(pid, parent, group)).collect();
            let found = families(&leaders, all);
            let mut seen = BTreeSet::new();
            for pid in found.values().flatten() {
                prop_assert!(seen.insert(*pid));
            }
        }
    }
}
