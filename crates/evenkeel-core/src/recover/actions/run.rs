//! `run`: runs a command of the service's commands.
//!
//! Only the operator knows what it does; so it comes after everything that is known.

use std::time::Duration;

use super::{Action, Hand, Harm};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "run",
        summary: "Runs a command of the service's commands.",
        settings: &[],
    },
    treats: &["dependency_down", "disk_slow", "unknown"],
    harm: Harm::Much,
    rest: Duration::from_secs(300),
    drains: true,
    hand: Hand::Host,
};
