//! `switch_network`: goes to the endpoint's next address, on another network.
//!
//! The process is left alone; new connections take another way. A path that flaps should not be followed faster than it is checked.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "switch_network",
        summary: "Goes to the endpoint's next address, on another network.",
        settings: &[],
    },
    treats: &[
        (Cause::NetworkPathCut, 0.95), // there is another way
        (Cause::NetworkSlow, 0.6), // the other way may be slow for the same reason
    ],
    harm: Harm::Nothing,
    rest: Duration::from_secs(30),
    drains: false,
    needs: Needs::Nothing,
    steps: &[Step::Balancer],
    undo: &[],
};
