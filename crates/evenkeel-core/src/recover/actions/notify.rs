//! `notify`: tells a person: a program or a signed webhook.
//!
//! A person may know what no rule does, and being told costs nothing; once a minute is as often as anybody reads.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "notify",
        summary: "Tells a person: a program or a signed webhook.",
        settings: &[],
    },
    treats: &[],
    harm: Harm::Nothing,
    rest: Duration::from_secs(60),
    drains: false,
    needs: Needs::Nothing,
    steps: &[Step::Control],
    undo: &[],
};
