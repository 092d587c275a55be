//! `run`: runs a command of the service's commands.
//!
//! Only the operator knows what it does; so it comes after everything that is known.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "run",
        summary: "Runs a command of the service's commands.",
        settings: &[],
    },
    treats: &[
        (Cause::DependencyDown, 0.5), // the operator's command knows what to do
        (Cause::DiskSlow, 0.5), // the operator's command knows what to do
        (Cause::Unknown, 0.5), // the operator's command knows what to do
        (Cause::ProcessHung, 0.4), // as a last resort
        (Cause::CpuOverload, 0.4), // as a last resort
        (Cause::MemoryExhausted, 0.4), // as a last resort
        (Cause::DiskFull, 0.4), // as a last resort
        (Cause::BadConfig, 0.4), // as a last resort
        (Cause::PortTaken, 0.5), // it can end the other
        (Cause::HostDead, 0.4), // a machine can be reset from outside
    ],
    harm: Harm::Much,
    rest: Duration::from_secs(300),
    drains: true,
    needs: Needs::Command,
    steps: &[Step::Host],
    undo: &[],
};
