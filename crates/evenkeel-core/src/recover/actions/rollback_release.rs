//! `rollback_release`: exchanges the current release with the previous one, and restarts; back again if that does not help.
//!
//! Another program serves from then on: right after a release that is what is wanted, and ten minutes later somebody should have looked.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "rollback_release",
        summary: "Exchanges the current release with the previous one, and restarts; back again if that does not help.",
        settings: &[],
    },
    treats: &[
        (Cause::BadRelease, 0.95), // the release before it worked
        (Cause::BadConfig, 0.5), // where the configuration is part of the release
    ],
    harm: Harm::More,
    rest: Duration::from_secs(600),
    drains: true,
    needs: Needs::Release,
    steps: &[Step::Host, Step::Restart],
    undo: &[Step::Host, Step::Restart],
};
