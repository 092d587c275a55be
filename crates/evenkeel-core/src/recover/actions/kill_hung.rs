//! `kill_hung`: ends a process at once that does not hear a polite word, and starts it again.
//!
//! What it was writing may be half; so only where it does nothing any more.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "kill_hung",
        summary: "Ends a process at once that does not hear a polite word, and starts it again.",
        settings: &[],
    },
    treats: &[
        (Cause::ProcessHung, 0.95), // no process survives it
    ],
    harm: Harm::More,
    rest: Duration::from_secs(60),
    drains: true,
    needs: Needs::Service,
    steps: &[Step::Kill],
    undo: &[],
};
