//! `restore_data`: puts the newest recovery point that is whole in the place of the data, which is kept aside.
//!
//! What was written since that point is out of service (kept aside, not lost): a person should look before it happens twice in an hour.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "restore_data",
        summary: "Puts the newest recovery point that is whole in the place of the data, which is kept aside.",
        settings: &[],
    },
    treats: &[
        (Cause::BadRelease, 0.3), // it may have spoiled what the release before it needs
        (Cause::ProcessDead, 0.3), // one that ends at every start may not be able to read what it has; starting it is tried first
        (Cause::Unknown, 0.25), // spoiled data looks like nothing that is known
    ],
    harm: Harm::Much,
    rest: Duration::from_secs(3600),
    drains: true,
    needs: Needs::Data,
    steps: &[Step::Host],
    undo: &[],
};
