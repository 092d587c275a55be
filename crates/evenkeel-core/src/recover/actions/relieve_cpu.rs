//! `relieve_cpu`: lowers the endpoint's weight and tightens admission; then restarts the service.
//!
//! First only traffic moves, and moves back when it cools.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

/// Less work shows within some windows of the comparison with its peers, and a restart can wait that long.
const WATCH: Duration = Duration::from_secs(15);

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "relieve_cpu",
        summary: "Lowers the endpoint's weight and tightens admission; then restarts the service.",
        settings: &[],
    },
    treats: &[
        (Cause::CpuOverload, 0.8), // less work is what it needs
        (Cause::NetworkSlow, 0.2), // less traffic on a narrow way
    ],
    harm: Harm::Little,
    rest: Duration::from_secs(60),
    drains: false,
    needs: Needs::Endpoint,
    steps: &[Step::Relief, Step::Watch(WATCH), Step::Restart],
    undo: &[],
};
