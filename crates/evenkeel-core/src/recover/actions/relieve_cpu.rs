//! `relieve_cpu`: lowers the endpoint's weight and tightens admission; then restarts the service.
//!
//! First only traffic moves, and moves back when it cools.

use std::time::Duration;

use super::{Action, Hand, Harm};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "relieve_cpu",
        summary: "Lowers the endpoint's weight and tightens admission; then restarts the service.",
        settings: &[],
    },
    treats: &["cpu_overload", "network_slow"],
    harm: Harm::Little,
    rest: Duration::from_secs(60),
    drains: false,
    hand: Hand::Balancer,
};
