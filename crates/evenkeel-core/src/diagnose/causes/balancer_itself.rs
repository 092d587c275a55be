//! `balancer_itself`: If everything fails at once, the one thing that all of it shares is the one that looks.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Unreachable, 0.6), (Slow, 0.3), (Erring, 0.0003)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::EverythingToo, 0.9), // nothing at all can be reached
    (E::SelfPaused, 0.5),
    (E::MachineToo, 0.97),
    (E::ZoneToo, 0.97),
    (E::PoolToo, 0.95),
    (E::OtherPoolDown, 0.9),
    (E::ErrorStatus, 0.0002), // an endpoint that says so was reached
    (E::ConnectionRefused, 0.02),
    (E::ConnectTimeout, 0.3),
    (E::NoAnswer, 0.3),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::BalancerItself,
    part: Part {
        name: "balancer_itself",
        summary: "The fault is the balancer's own: its network, its descriptors, or it stood still.",
        settings: &[],
    },
    prior: 0.02,
    scope: Scope::Us,
    advice: "Look at this machine, not at the endpoints: its network, its load, `ulimit -n`, its log.",
    afterwards: "Look at this machine, not at the endpoints: its network, its load, `ulimit -n`, its log.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
