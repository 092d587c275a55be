//! What a control group says of the processes in it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use evenkeel_keeper::Limited;

/// Memory of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Without file pages that can be dropped at once: what the kernel calls inactive.
    pub(super) bytes: u64,
    pub(super) swap_bytes: u64,
    pub(super) oom_kills: u64,
}

/// Processor time of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cpu {
    /// Version 1 tells it only where its `cpuacct` is the same hierarchy.
    pub(super) used: Option<Duration>,
    pub(super) periods: u64,
    pub(super) throttled: u64,
}

pub(super) fn memory(limited: &Limited) -> Option<Memory> {
    match limited {
        Limited::Cgroup2(group) => {
            let stat = text(group, "memory.stat")?;
            let whole = number(group, "memory.current")?;
            Some(Memory {
                bytes: whole.saturating_sub(field(&stat, "inactive_file").unwrap_or(0)),
                swap_bytes: number(group, "memory.swap.current").unwrap_or(0),
                oom_kills: field(&text(group, "memory.events")?, "oom_kill")?,
            })
        }
        Limited::Cgroup1(group) => {
            let stat = text(group, "memory.stat")?;
            let whole = number(group, "memory.usage_in_bytes")?;
            Some(Memory {
                bytes: whole.saturating_sub(field(&stat, "total_inactive_file").unwrap_or(0)),
                swap_bytes: field(&stat, "total_swap").unwrap_or(0),
                oom_kills: field(&text(group, "memory.oom_control")?, "oom_kill").unwrap_or(0),
            })
        }
        Limited::NotAsked | Limited::Not(_) => None,
    }
}

pub(super) fn cpu(limited: &Limited) -> Option<Cpu> {
    let group = limited.group()?;
    let stat = text(group, "cpu.stat")?;
    let used = match limited {
        Limited::Cgroup2(_) => field(&stat, "usage_usec").map(Duration::from_micros),
        _ => number(group, "cpuacct.usage").map(Duration::from_nanos),
    };
    Some(Cpu {
        used,
        periods: field(&stat, "nr_periods").unwrap_or(0),
        throttled: field(&stat, "nr_throttled").unwrap_or(0),
    })
}

fn text(group: &Path, file: &str) -> Option<String> {
    fs::read_to_string(group.join(file)).ok()
}

fn number(group: &Path, file: &str) -> Option<u64> {
    text(group, file)?.trim().parse().ok()
}

/// The value behind `key` in lines of `key value`.
fn field(text: &str, key: &str) -> Option<u64> {
    let value = |line: &str| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    };
    text.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_versions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_owned();
        let write = |file: &str, text: &str| fs::write(at.join(file), text).unwrap();
        write(
            "memory.stat",
            "anon 7\ninactive_file 30\ntotal_inactive_file 50\ntotal_swap 8\n",
        );
        write("memory.current", "100\n");
        write("memory.usage_in_bytes", "200\n");
        write("memory.swap.current", "5\n");
        write("memory.events", "oom 9\noom_kill 2\noom_group_kill 1\n");
        write("memory.oom_control", "oom_kill_disable 0\noom_kill 3\n");
        write(
            "cpu.stat",
            "usage_usec 1500\nnr_periods 10\nnr_throttled 4\n",
        );
        let two = Limited::Cgroup2(at.clone());
        let one = Limited::Cgroup1(at.clone());
        let expected = |bytes, swap_bytes, oom_kills| Memory {
            bytes,
            swap_bytes,
            oom_kills,
        };
        assert_eq!(memory(&two), Some(expected(70, 5, 2)));
        assert_eq!(memory(&one), Some(expected(150, 8, 3)));
        let read = cpu(&two).unwrap();
        assert_eq!(
            (read.used, read.periods, read.throttled),
            (Some(Duration::from_micros(1500)), 10, 4)
        );
        assert_eq!(cpu(&one).unwrap().used, None);
        assert_eq!(memory(&Limited::Not("x".into())), None);
    }

    proptest! {
        #[test]
        fn odd_contents_are_no_panic(text in ".{0,200}", key in "[a-z_]{0,8}") {
            let _ = field(&text, &key);
            prop_assert_eq!(field(&format!("{key} 7\n"), &key), Some(7));
        }
    }
}
