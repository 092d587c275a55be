//! `reload_service`: asks the service to read its configuration and certificates again (SIGHUP).
//!
//! A service that knows the signal goes on serving; one that does not ends, and is started again.

use std::time::Duration;

use super::{Action, Harm, Needs, Step};
use crate::diagnose::Cause;
use crate::registry::Part;

/// `SIGHUP`.
const HUP: i32 = 1;

#[rustfmt::skip] // a table
pub(super) static ACTION: Action = Action {
    part: Part {
        name: "reload_service",
        summary: "Asks the service to read its configuration and certificates again (SIGHUP).",
        settings: &[],
    },
    treats: &[
        (Cause::BadConfig, 0.4), // if somebody has mended it meanwhile
        (Cause::CertificateExpired, 0.6), // it is often renewed on disk and not read
    ],
    harm: Harm::Little,
    rest: Duration::from_secs(30),
    drains: false,
    needs: Needs::Service,
    steps: &[Step::Signal(HUP)],
    undo: &[],
};
