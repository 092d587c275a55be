//! `network_path_cut`: Packets get lost on the way while the machine itself may be well.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Unreachable, 0.98)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::MachineToo, 0.6), // the way to one port alone is cut only by a firewall
    (E::ZoneToo, 0.3),
    (E::PoolToo, 0.08),
    (E::EverythingToo, 0.02),
    (E::ProcessEnded, 0.0005),
    (E::AnswersElsewhere, 0.9), // unless the other way is cut, too
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::NetworkPathCut,
    part: Part {
        name: "network_path_cut",
        summary: "The way to it is cut: a cable, a switch, a route or a firewall.",
        settings: &[],
    },
    prior: 0.05,
    scope: Scope::Path,
    advice: "Try to reach it from another machine; look at routes, firewall and switch on the way; use its other address if it has one.",
    afterwards: "Look at routes, firewall and switch on the way; give it `other_addresses` on another network.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
