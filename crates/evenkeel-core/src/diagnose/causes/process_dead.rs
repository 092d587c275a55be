//! `process_dead`: The most common fault there is, and the one with the plainest signs.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Gone, 0.98), (Deaf, 0.5)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::Killed, 0.5), // by a crash or by somebody's kill
    (E::ExitCode, 0.4), // it gave up by itself
    (E::RestartLoop, 0.05), // mostly it runs again after one restart
    (E::MachineToo, 0.01),
    (E::PoolToo, 0.02),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::ProcessDead,
    part: Part {
        name: "process_dead",
        summary: "The process has ended: it crashed, or something killed it.",
        settings: &[],
    },
    prior: 0.22,
    scope: Scope::Endpoint,
    advice: "Look at the last lines it wrote before it ended, and at who sent the signal; if nobody starts it again, start it.",
    afterwards: "Look at the last lines it wrote before it ended, and at who sent the signal.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
