//! `restart`: ends the service gracefully and starts it again.
//!
//! Drained first, so no request is lost; a minute shows whether it helped.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "restart",
        summary: "Ends the service gracefully and starts it again.",
        settings: &[],
    },
    treats: &[
        (Cause::ProcessDead, 0.9), // a new process lives
        (Cause::ProcessHung, 0.35), // one that hangs seldom hears the polite word and is killed after stop_timeout
        (Cause::MemoryLeak, 0.9), // what leaked is given back at its end
        (Cause::MemoryExhausted, 0.7), // if it was the service that used it up
        (Cause::PortTaken, 0.3), // only once the other has gone
        (Cause::CpuOverload, 0.3), // it helps where it spins, not where there is too much work
        (Cause::Unknown, 0.4), // the oldest remedy
    ],
    harm: Harm::Some,
    rest: Duration::from_secs(60),
    drains: true,
    needs: Needs::Service,
    steps: &[Step::Restart],
    undo: &[],
};
