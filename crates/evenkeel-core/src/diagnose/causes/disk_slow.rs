//! `disk_slow`: Whatever touches the disk waits.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Slow, 0.7), (Stuck, 0.3)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::DiskSlow, 0.95), // that is what it is
    (E::LoadHigh, 0.6), // who waits for a disk counts as load
    (E::MachineToo, 0.35),
    (E::CpuHigh, 0.02),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::DiskSlow,
    part: Part {
        name: "disk_slow",
        summary: "Its disk is slow or hangs.",
        settings: &[],
    },
    prior: 0.03,
    scope: Scope::Node,
    advice: "Look at the disk's own errors and at who else uses it (`iostat`, the kernel's log).",
    afterwards: "Look at the disk's own errors and at who else uses it (`iostat`, the kernel's log).",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
