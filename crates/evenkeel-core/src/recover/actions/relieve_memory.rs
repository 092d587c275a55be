//! `relieve_memory`: restarts a leaking service gracefully before it reaches memory_max.
//!
//! A graceful restart loses what the process remembers, no request. A leak that fills up within five minutes is no leak but a fault of the release.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "relieve_memory",
        summary: "Restarts a leaking service gracefully before it reaches memory_max.",
        settings: &[],
    },
    treats: &[
        (Cause::MemoryLeak, 0.95), // what leaked is given back at its end
        (Cause::MemoryExhausted, 0.7), // if it was the service that used it up
    ],
    harm: Harm::Some,
    rest: Duration::from_secs(300),
    drains: true,
    needs: Needs::MemoryMax,
    steps: &[Step::Restart],
    undo: &[],
};
