//! `redo`: sends requests again that were journalled and never answered.
//!
//! Only idempotent requests are journalled, so a second time changes nothing; it follows a recovery and repairs what clients lost.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "redo",
        summary: "Sends requests again that were journalled and never answered.",
        settings: &[],
    },
    treats: &[],
    harm: Harm::Nothing,
    rest: Duration::from_secs(10),
    drains: false,
    needs: Needs::Nothing,
    steps: &[Step::Balancer],
    undo: &[],
};
