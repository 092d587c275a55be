//! `disk_full`: Reading still works, so that it is half alive: errors where something is written.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Erring, 0.6), (Gone, 0.2), (Stuck, 0.08)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::DiskFull, 0.97), // that is what it is
    (E::InodesFull, 0.15), // room for bytes, none for files
    (E::ExitCode, 0.15),
    (E::NotStarted, 0.15), // it cannot write what it needs to start
    (E::RestartLoop, 0.15),
    (E::MachineToo, 0.25),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::DiskFull,
    part: Part {
        name: "disk_full",
        summary: "A disk it writes to is full.",
        settings: &[],
    },
    prior: 0.05,
    scope: Scope::Node,
    advice: "Free space: old logs, caches, core files; then find what filled it.",
    afterwards: "Find what filled it; let it be rotated, or give it a disk of its own.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
