//! `restore_data`: puts the newest recovery point that is whole in the place of the data, which is kept aside.
//!
//! What was written since that point is out of service (kept aside, not lost): a person should look before it happens twice in an hour.

use std::time::Duration;

use super::{Action, Hand, Harm};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "restore_data",
        summary: "Puts the newest recovery point that is whole in the place of the data, which is kept aside.",
        settings: &[],
    },
    treats: &["disk_full", "bad_release"],
    harm: Harm::Much,
    rest: Duration::from_secs(3600),
    drains: true,
    hand: Hand::Host,
};
