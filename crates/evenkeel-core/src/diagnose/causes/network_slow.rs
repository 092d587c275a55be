//! `network_slow`: Answers come, but late and with gaps.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Slow, 0.85), (Unreachable, 0.08)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::ConnectTimeout, 0.7), // the first packet is lost like any other
    (E::ConnectionReset, 0.1),
    (E::SlowAnswers, 0.3),
    (E::HeartbeatMissed, 0.3),
    (E::MachineToo, 0.3),
    (E::ZoneToo, 0.15),
    (E::CpuHigh, 0.02),
    (E::AnswersElsewhere, 0.1), // where none got through for a while
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::NetworkSlow,
    part: Part {
        name: "network_slow",
        summary: "The way to it loses packets or is overloaded.",
        settings: &[],
    },
    prior: 0.04,
    scope: Scope::Path,
    advice: "Measure loss and round trips on the way there; look for a saturated link.",
    afterwards: "Measure loss and round trips on the way there at the same hour; look for a saturated link.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
