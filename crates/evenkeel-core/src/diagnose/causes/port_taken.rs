//! `port_taken`: It cannot listen and ends, again and again, while somebody answers at its address.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Stranger, 0.9)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::PortTaken, 0.95), // that is what it is
    (E::ProcessEnded, 0.9), // it ends because it cannot listen
    (E::ExitCode, 0.85),
    (E::NotStarted, 0.4),
    (E::RestartLoop, 0.7),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::PortTaken,
    part: Part {
        name: "port_taken",
        summary: "Another process has its port.",
        settings: &[],
    },
    prior: 0.02,
    scope: Scope::Endpoint,
    advice: "Find who has it (`ss -ltnp`), end that one or give one of them another port.",
    afterwards: "See to it that nobody else is given that port; give one of them another.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
