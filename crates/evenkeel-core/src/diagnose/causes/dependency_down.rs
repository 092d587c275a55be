//! `dependency_down`: It lives and answers, with errors, and all its peers do the same.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Erring, 0.8), (Stuck, 0.25), (Slow, 0.3)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::PoolToo, 0.85), // its peers need the same thing
    (E::MachineToo, 0.3), // peers are often on one machine
    (E::OtherPoolDown, 0.4), // it may be one of ours
    (E::EverythingToo, 0.1), // in a small site everything needs it
    (E::ConnectTimeout, 0.05), // all its workers wait, and nobody takes connections
    (E::NotStarted, 0.1),
    (E::ExitCode, 0.05),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::DependencyDown,
    part: Part {
        name: "dependency_down",
        summary: "Something that it needs is down: a database, another service.",
        settings: &[],
    },
    prior: 0.08,
    scope: Scope::Dependency,
    advice: "Look at what it calls; restarting it does not help as long as that is down.",
    afterwards: "Give it something to answer with while what it calls is down, or a second one of that.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
