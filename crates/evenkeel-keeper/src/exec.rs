//! What a started process does before it becomes the program that was asked for.
use std::ffi::OsString;
use std::process::ExitCode;

/// The whole life of the trampoline; returns only if the program could not be executed.
pub fn main(_args: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(127)
}
