//! `host_dead`: Nothing on it answers, not even with a refusal.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Unreachable, 0.98)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::MachineToo, 0.97), // all that is on it is gone at once
    (E::PoolToo, 0.03),
    (E::ProcessEnded, 0.0005), // there is nobody left to say so
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::HostDead,
    part: Part {
        name: "host_dead",
        summary: "The machine is off, has crashed, or is cut off altogether.",
        settings: &[],
    },
    prior: 0.04,
    scope: Scope::Node,
    advice: "Look at its console or its provider's page; move its work elsewhere until it is back.",
    afterwards: "Read its console or kernel log; keep room for its work on other machines.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
