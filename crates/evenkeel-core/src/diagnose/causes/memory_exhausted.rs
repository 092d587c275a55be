//! `memory_exhausted`: Sudden, unlike a leak: somebody took it all at once.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Cramped, 0.97), (Gone, 0.35), (Stuck, 0.15)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::OutOfMemoryKill, 0.5),
    (E::Killed, 0.4), // the kernel kills by signal 9
    (E::Swapping, 0.4),
    (E::MemoryGrowing, 0.1),
    (E::DiskSlow, 0.2), // swapping is disk work
    (E::MachineToo, 0.25),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::MemoryExhausted,
    part: Part {
        name: "memory_exhausted",
        summary: "Memory is used up: the kernel swaps, or ends processes.",
        settings: &[],
    },
    prior: 0.04,
    scope: Scope::Node,
    advice: "See who takes the memory (`ps`, the kernel's log says whom it ended); give it more, or give it a limit.",
    afterwards: "See who took the memory (the kernel's log says whom it ended); give it more, or give it a limit.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
