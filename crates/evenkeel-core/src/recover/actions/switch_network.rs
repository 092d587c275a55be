//! `switch_network`: goes to the endpoint's next address, on another network.
//!
//! The process is left alone; new connections take another way. A path that flaps should not be followed faster than it is checked.

use std::time::Duration;

use super::{Action, Hand, Harm};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "switch_network",
        summary: "Goes to the endpoint's next address, on another network.",
        settings: &[],
    },
    treats: &["network_path_cut", "network_slow"],
    harm: Harm::Nothing,
    rest: Duration::from_secs(30),
    drains: false,
    hand: Hand::Balancer,
};
