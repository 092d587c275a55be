//! `memory_leak`: A slow fault: the trend is seen long before the end.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Cramped, 0.6), (Gone, 0.2), (Slow, 0.2)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::MemoryGrowing, 0.95), // that is what it is
    (E::OutOfMemoryKill, 0.25),
    (E::Killed, 0.2),
    (E::RestartLoop, 0.1),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::MemoryLeak,
    part: Part {
        name: "memory_leak",
        summary: "It takes more and more memory and gives none back.",
        settings: &[],
    },
    prior: 0.04,
    scope: Scope::Endpoint,
    advice: "Restart it gracefully before the limit is reached; compare heap profiles of now and later; look at the last release.",
    afterwards: "Compare heap profiles of soon after a start and of later; look at the last release.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
