//! `cpu_overload`: It answers late because it has to wait for a processor.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Busy, 0.98), (Stuck, 0.1), (Erring, 0.1)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::LoadHigh, 0.5),
    (E::MachineToo, 0.15),
    (E::PoolToo, 0.2), // a wave of work hits all of a pool
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::CpuOverload,
    part: Part {
        name: "cpu_overload",
        summary: "Its processors cannot keep up.",
        settings: &[],
    },
    prior: 0.07,
    scope: Scope::Endpoint,
    advice: "Give it less work (weight), find what burns the time, or add machines.",
    afterwards: "Find what burned the time, or add machines.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
