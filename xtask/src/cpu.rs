//! CPU time and memory of a process and everything below it. CPU time is from `/proc/PID/stat`: user and system time of all
//! threads, those that have ended too. A keeper or master counts like its workers: who runs the proxy pays for all of it.

use crate::Failure;
use std::collections::BTreeMap;

/// Ticks used so far, by process.
pub(crate) struct Usage(BTreeMap<u32, u64>);

struct Stat {
    parent: u32,
    ticks: u64,
}

/// What the process and everything below it have used.
pub(crate) fn of_tree(root: u32) -> Result<Usage, Failure> {
    let mut all = BTreeMap::new();
    let entries = std::fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    for entry in entries.filter_map(Result::ok) {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // A process may end between the listing and this.
        if let Some(stat) = std::fs::read_to_string(entry.path().join("stat"))
            .ok()
            .and_then(|text| parse(&text))
        {
            all.insert(pid, stat);
        }
    }
    let below = |pid: u32| is_below(&all, pid, root);
    let usage: BTreeMap<u32, u64> = all
        .iter()
        .filter(|(pid, _)| below(**pid))
        .map(|(pid, stat)| (*pid, stat.ticks))
        .collect();
    if usage.contains_key(&root) {
        Ok(Usage(usage))
    } else {
        Err(format!("process {root} has ended"))
    }
}

/// Seconds of CPU time between two readings.
pub(crate) fn seconds_between(before: &Usage, after: &Usage) -> Result<f64, Failure> {
    if let Some(gone) = before.0.keys().find(|pid| !after.0.contains_key(pid)) {
        return Err(format!("process {gone} ended while it was measured"));
    }
    let ticks: u64 = after
        .0
        .iter()
        .map(|(pid, ticks)| ticks - before.0.get(pid).unwrap_or(&0))
        .sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

impl Usage {
    /// The processes that were found.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }
}

/// Resident memory of the process and everything below it.
pub(crate) fn resident_bytes(root: u32) -> Result<u64, Failure> {
    let page = rustix::param::page_size() as u64;
    let pages = |pid: u32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    };
    let mut sum = 0;
    for pid in of_tree(root)?.pids() {
        sum += page * pages(pid).ok_or_else(|| format!("process {pid} has ended"))?;
    }
    Ok(sum)
}

fn is_below(all: &BTreeMap<u32, Stat>, pid: u32, root: u32) -> bool {
    let mut current = pid;
    // Parents form no circle, but what is read while it changes may: as many steps as there are processes, no more.
    for _ in 0..all.len() {
        if current == root {
            return true;
        }
        match all.get(&current) {
            Some(stat) => current = stat.parent,
            None => return false,
        }
    }
    false
}

/// The name in parentheses may contain anything, so the fields are counted from the last one.
fn parse(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_process_is_called() {
        let stat =
            parse("7 (a) b (c) S 3 7 7 0 -1 4194560 1 2 3 4 250 50 9 9 20 0 1 0 100").unwrap();
        assert_eq!((stat.parent, stat.ticks), (3, 300));
    }

    #[test]
    fn children_of_children_count() {
        let all: BTreeMap<u32, Stat> = [(1, 0), (2, 1), (3, 2), (4, 1)]
            .map(|(pid, parent)| (pid, Stat { parent, ticks: 1 }))
            .into();
        assert!(is_below(&all, 3, 2) && is_below(&all, 2, 2));
        assert!(!is_below(&all, 4, 2) && !is_below(&all, 1, 2));
    }

    #[test]
    fn a_process_that_ended_makes_the_reading_worthless() {
        let usage = |ticks: &[(u32, u64)]| Usage(ticks.iter().copied().collect());
        assert!(seconds_between(&usage(&[(1, 5), (2, 5)]), &usage(&[(1, 9)])).is_err());
        assert!(
            seconds_between(&usage(&[(1, 5)]), &usage(&[(1, 9), (2, 1)]))
                .is_ok_and(|seconds| seconds > 0.0)
        );
    }
}
