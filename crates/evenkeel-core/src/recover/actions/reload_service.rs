//! `reload_service`: asks the service to read its configuration and certificates again (SIGHUP).
//!
//! A service that knows the signal goes on serving; one that does not ends, and is started again.

use std::time::Duration;

use super::{Action, Hand, Harm};
use crate::registry::Part;

pub(super) static ACTION: Action = Action {
    part: Part {
        name: "reload_service",
        summary: "Asks the service to read its configuration and certificates again (SIGHUP).",
        settings: &[],
    },
    treats: &["bad_config", "certificate_expired"],
    harm: Harm::Little,
    rest: Duration::from_secs(30),
    drains: false,
    hand: Hand::Supervisor,
};
