//! `process_hung`: Connections are taken, by the kernel, and nothing ever comes back, or hardly anything: where only some of its
//! threads stand still it is slow, with a processor that is idle.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Stuck, 0.7), (Slow, 0.6)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::ProcessStopped, 0.4), // stopped by a signal or a debugger is the plain form of it
    (E::ProcessEnded, 0.0005),
    (E::DescriptorsFull, 0.03),
    (E::CpuHigh, 0.1), // an endless loop
    (E::MachineToo, 0.005),
    (E::PoolToo, 0.01),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::ProcessHung,
    part: Part {
        name: "process_hung",
        summary: "The process lives and does nothing: a deadlock, an endless loop, or it was stopped.",
        settings: &[],
    },
    prior: 0.1,
    scope: Scope::Endpoint,
    advice: "Take a stack dump of it first if you can, then restart it.",
    afterwards: "If it hangs again, take a stack dump of it before it is restarted.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
