//! `unknown`: Everything is a little probable under it, so that it wins exactly where no known cause explains what is seen.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[
    (Gone, 0.1),
    (Deaf, 0.08),
    (Stranger, 0.02),
    (Unreachable, 0.08),
    (Busy, 0.1),
    (Cramped, 0.1),
    (Stuck, 0.1),
    (Slow, 0.15),
    (Erring, 0.2),
    (Distrusted, 0.1),
];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::WrongAnswer, 0.05),
    (E::Garbage, 0.03),
    (E::NameUnknown, 0.1),
    (E::Killed, 0.05),
    (E::ExitCode, 0.05),
    (E::NotStarted, 0.1),
    (E::RestartLoop, 0.05),
    (E::DescriptorsFull, 0.1),
    (E::ReleaseChanged, 0.05),
    (E::ConfigChanged, 0.05),
    (E::MachineToo, 0.1),
    (E::ZoneToo, 0.05),
    (E::PoolToo, 0.1),
    (E::OtherPoolDown, 0.05),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::Unknown,
    part: Part {
        name: "unknown",
        summary: "None of the causes known here explains it.",
        settings: &[],
    },
    prior: 0.05,
    scope: Scope::Endpoint,
    advice: "Read the evidence below; when you have found the cause, label the incident with it.",
    afterwards: "Read the evidence; when you have found the cause, label the incident with it.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
