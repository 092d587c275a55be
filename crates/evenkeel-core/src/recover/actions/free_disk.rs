//! `free_disk`: deletes old files inside disk_paths, oldest first, until disk_keep is free.
//!
//! The operator has said of these folders that they may be deleted from; nothing is restarted.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "free_disk",
        summary: "Deletes old files inside disk_paths, oldest first, until disk_keep is free.",
        settings: &[],
    },
    treats: &[
        (Cause::DiskFull, 0.95), // room is made
        (Cause::DiskSlow, 0.2), // a full disk is a slow one, but seldom
    ],
    harm: Harm::Little,
    rest: Duration::from_secs(60),
    drains: false,
    needs: Needs::DiskPaths,
    steps: &[Step::Host, Step::TryAgain],
    undo: &[],
};
