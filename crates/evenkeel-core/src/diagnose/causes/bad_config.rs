//! `bad_config`: A wrong address, port, path or key: it fails from the moment of the change on.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[
    (Deaf, 0.4),
    (Erring, 0.3),
    (Gone, 0.25),
    (Unreachable, 0.1),
    (Distrusted, 0.08),
];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::ConfigChanged, 0.93), // without a change there is no bad one
    (E::ExitCode, 0.25),
    (E::NotStarted, 0.35),
    (E::RestartLoop, 0.3),
    (E::WrongAnswer, 0.2), // the check asks for the wrong thing
    (E::NameUnknown, 0.15),
    (E::PoolToo, 0.4),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::BadConfig,
    part: Part {
        name: "bad_config",
        summary: "What was configured last is wrong.",
        settings: &[],
    },
    prior: 0.05,
    scope: Scope::Release,
    advice: "Go back to the revision before (`evenkeel rollback`), then read the difference.",
    afterwards: "Read the difference between the revisions (`evenkeel revisions`) before it is applied again.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
