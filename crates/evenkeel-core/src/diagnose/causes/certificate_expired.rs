//! `certificate_expired`: The plainest of all: the certificate itself says so.

use crate::diagnose::cause::{Cause, CauseEntry, Scope};
use crate::diagnose::condition::Condition::{self, *};
use crate::diagnose::evidence::Evidence as E;
use crate::registry::Part;

const CONDITIONS: &[(Condition, f64)] = &[(Distrusted, 0.9)];

#[rustfmt::skip] // a table
const EVIDENCE: &[(E, f64)] = &[
    (E::CertificateExpired, 0.98), // that is what it is
    (E::CheckFails, 0.9),
    (E::PoolToo, 0.4), // they were issued together
    (E::MachineToo, 0.2),
];

pub(in crate::diagnose) const ENTRY: CauseEntry = CauseEntry {
    cause: Cause::CertificateExpired,
    part: Part {
        name: "certificate_expired",
        summary: "Its TLS certificate has expired.",
        settings: &[],
    },
    prior: 0.03,
    scope: Scope::Endpoint,
    advice: "Renew the certificate where that endpoint gets it from, and make it load the new one.",
    afterwards: "Have it renewed by a program, well before its end, and loaded at once.",
    conditions: CONDITIONS,
    evidence: EVIDENCE,
};
