//! `restart`: ends the service gracefully and starts it again.
//!
//! Drained first, so no request is lost; a minute shows whether it helped.

use std::time::Duration;

use super::{Action, Hand, Harm};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "restart",
        summary: "Ends the service gracefully and starts it again.",
        settings: &[],
    },
    treats: &[
        "process_dead",
        "process_hung",
        "memory_leak",
        "memory_exhausted",
        "port_taken",
        "dependency_down",
        "unknown",
    ],
    harm: Harm::Some,
    rest: Duration::from_secs(60),
    drains: true,
    hand: Hand::Supervisor,
};
