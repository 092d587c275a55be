//! `free_disk`: deletes old files inside disk_paths, oldest first, until disk_keep is free.
//!
//! The operator has said of these folders that they may be deleted from; nothing is restarted.

use std::time::Duration;

use super::{Action, Hand, Harm};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "free_disk",
        summary: "Deletes old files inside disk_paths, oldest first, until disk_keep is free.",
        settings: &[],
    },
    treats: &["disk_full", "disk_slow"],
    harm: Harm::Little,
    rest: Duration::from_secs(60),
    drains: false,
    hand: Hand::Host,
};
