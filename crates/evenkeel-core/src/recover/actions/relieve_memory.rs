//! `relieve_memory`: restarts a leaking service gracefully before it reaches memory_max.
//!
//! A graceful restart loses what the process remembers, no request. A leak that fills up within five minutes is no leak but a fault of the release.

use std::time::Duration;

use super::{Action, Hand, Harm};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "relieve_memory",
        summary: "Restarts a leaking service gracefully before it reaches memory_max.",
        settings: &[],
    },
    treats: &["memory_leak", "memory_exhausted"],
    harm: Harm::Some,
    rest: Duration::from_secs(300),
    drains: true,
    hand: Hand::Supervisor,
};
