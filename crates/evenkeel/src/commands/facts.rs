//! Facts in `evenkeel status`: as much as a person takes in at a glance; `--json` has all.

use serde_json::Value;

/// A disk, or the memory under a limit, fuller than this is worth a line.
const FULL_PERCENT: u64 = 90;

/// "cpu 0.3 of 2 cores, memory 1.2 of 3.8 GiB free, load 0.50".
pub(crate) fn machine(machine: &Value) -> Option<String> {
    let cores = machine["cores"].as_u64()?;
    let mut parts = Vec::new();
    if let Some(used) = machine["cpu_millicores"].as_u64() {
        parts.push(format!("cpu {} of {cores} cores", tenths(used, 1000)));
    }
    let memory = machine["memory_bytes"].as_u64();
    if let (Some(all), Some(free)) = (memory, machine["memory_available_bytes"].as_u64()) {
        parts.push(format!("memory {} of {} free", size(free), size(all)));
    }
    if let Some(swap) = machine["swap_used_bytes"].as_u64().filter(|used| *used > 0) {
        parts.push(format!("{} swapped out", size(swap)));
    }
    if let Some(load) = machine["load_centi"].as_u64() {
        parts.push(format!("load {}.{:02}", load / 100, load % 100));
    }
    (!parts.is_empty()).then(|| format!("machine  {}", parts.join(", ")))
}

/// Percent of one core.
pub(crate) fn cpu(facts: &Value) -> String {
    match facts["cpu_millicores"].as_u64() {
        Some(millicores) => format!("{} %", tenths(millicores, 10)),
        None => "-".into(),
    }
}

/// In use, and of how much.
pub(crate) fn memory(facts: &Value) -> String {
    let Some(used) = facts["memory_bytes"].as_u64() else {
        return "-".into();
    };
    match facts["memory_max"]["max"].as_u64() {
        Some(max) => format!("{} of {}", size(used), size(max)),
        None => size(used),
    }
}

/// What a person should know of a service that its state does not say.
pub(crate) fn warnings(service: &Value) -> Vec<String> {
    let (name, facts) = (service["name"].as_str().unwrap_or("?"), &service["facts"]);
    let mut lines = Vec::new();
    for limit in ["memory_max", "cpu_max"] {
        if facts[limit]["way"] == "watched" {
            let why = facts[limit]["why"].as_str().unwrap_or_default();
            lines.push(format!("{name}: {limit} is watched, not enforced: {why}"));
        }
    }
    if matches!(facts["process"].as_str(), Some("stopped" | "zombie")) {
        let state = facts["process"].as_str().unwrap_or_default();
        lines.push(format!("{name}: its process is {state}"));
    }
    if let Some(kills) = facts["oom_kills"].as_u64().filter(|kills| *kills > 0) {
        lines.push(format!("{name}: {kills} times a process of it was ended by the kernel because it reached memory_max"));
    }
    for disk in facts["disks"].as_array().into_iter().flatten() {
        let path = disk["path"].as_str().unwrap_or("?");
        for (what, all, free) in [
            ("", "bytes", "free_bytes"),
            (" of files", "inodes", "free_inodes"),
        ] {
            let (all, free) = (
                disk[all].as_u64().unwrap_or(0),
                disk[free].as_u64().unwrap_or(0),
            );
            let used = all.saturating_sub(free);
            if all > 0 && used.saturating_mul(100) / all >= FULL_PERCENT {
                lines.push(format!(
                    "{name}: the disk of {path} is {} % full{what}",
                    used.saturating_mul(100) / all
                ));
            }
        }
    }
    if let (Some(open), Some(max)) = (
        facts["descriptors"].as_u64(),
        facts["descriptors_max"].as_u64(),
    ) && open.saturating_mul(100) >= max.saturating_mul(FULL_PERCENT)
    {
        lines.push(format!("{name}: {open} of {max} descriptors are open"));
    }
    lines
}

/// A quotient with one decimal.
fn tenths(value: u64, by: u64) -> String {
    let tenths = value.saturating_mul(10).saturating_add(by / 2) / by;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Bytes as a person says them.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        0x10_0000..0x4000_0000 => format!("{} MiB", tenths(bytes, 1 << 20)),
        _ => format!("{} GiB", tenths(bytes, 1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_and_shares_are_short() {
        assert_eq!(size(4096), "4 KiB");
        assert_eq!(size(512 << 20), "512.0 MiB");
        assert_eq!(size(3 << 29), "1.5 GiB");
        assert_eq!(cpu(&json!({"cpu_millicores": 1234})), "123.4 %");
        assert_eq!(cpu(&Value::Null), "-");
        let facts = json!({"memory_bytes": 1 << 20, "memory_max": {"max": 2 << 20}});
        assert_eq!(memory(&facts), "1.0 MiB of 2.0 MiB");
    }

    #[test]
    fn a_person_is_told_of_a_full_disk_and_of_a_limit_nobody_enforces() {
        let service = json!({"name": "api", "facts": {
            "process": "stopped",
            "memory_max": {"way": "watched", "why": "read-only"},
            "disks": [{"path": "/d", "bytes": 100, "free_bytes": 4, "inodes": 0, "free_inodes": 0}],
            "descriptors": 5, "descriptors_max": 1024,
        }});
        let lines = warnings(&service);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].contains("read-only") && lines[1].contains("stopped"));
        assert!(lines[2].contains("/d is 96 % full"));
        assert!(warnings(&json!({"name": "x", "facts": null})).is_empty());
    }
}
