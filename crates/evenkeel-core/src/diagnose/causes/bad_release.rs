//! `bad_release`: Errors, or crashes, that begin with a new release.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Erring, 0.6), (Gone, 0.25), (Slow, 0.15), (Stuck, 0.08)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::ReleaseChanged, 0.95), // without a new release there is no bad one
    (E::ExitCode, 0.2),
    (E::Killed, 0.08), // it crashes
    (E::NotStarted, 0.25),
    (E::RestartLoop, 0.3),
    (E::WrongAnswer, 0.15),
    (E::PoolToo, 0.4),
    (E::MemoryGrowing, 0.05),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::BadRelease,
    part: Part {
        name: "bad_release",
        summary: "What was shipped last is broken.",
        settings: &[],
    },
    prior: 0.07,
    scope: Scope::Release,
    advice: "Go back to the release before, then read the difference.",
    afterwards: "Read what that release changed before it is shipped again.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
