//! The keeper's one loop.
use std::ffi::OsString;
use std::process::ExitCode;

/// What [`run`] keeps alive.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The balancer's program. `/proc/self/exe` is right: it stays the same version as the keeper even when the file is replaced.
    pub program: OsString,
    /// Its arguments at the first start.
    pub first_args: Vec<OsString>,
    /// Its arguments as a replacement, so that it knows it must resume from the last applied revision.
    pub replacement_args: Vec<OsString>,
    /// Added to the keeper's own environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The hidden arguments with which this executable runs [`crate::exec::main`]; usually `["__exec"]`.
    pub trampoline: Vec<OsString>,
}

/// Runs the keeper until its child ends on purpose, fails to start, or a signal asks for the end.
#[must_use]
pub fn run(_settings: Settings) -> ExitCode {
    ExitCode::FAILURE
}
