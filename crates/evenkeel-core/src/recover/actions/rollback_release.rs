//! `rollback_release`: exchanges the current release with the previous one, and restarts; back again if that does not help.
//!
//! Another program serves from then on: right after a release that is what is wanted, and ten minutes later somebody should have looked.

use std::time::Duration;

use super::{Action, Hand, Harm};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "rollback_release",
        summary: "Exchanges the current release with the previous one, and restarts; back again if that does not help.",
        settings: &[],
    },
    treats: &["bad_release", "bad_config"],
    harm: Harm::More,
    rest: Duration::from_secs(600),
    drains: true,
    hand: Hand::Host,
};
