//! `cargo xtask check`: the quick part of `test`, made to be run between edits.

use crate::{Failure, steps, steps::Steps, tidy};

/// Runs the quick steps.
pub(crate) fn run() -> Result<(), Failure> {
    let mut steps = Steps::default();
    add_to(&mut steps);
    steps.finish()
}

/// The quick steps, which `test` begins with too.
pub(crate) fn add_to(steps: &mut Steps) {
    steps.step("formatting", || {
        steps::run(steps::cargo(&["fmt", "--all", "--check"]))
    });
    steps.step("clippy", || {
        steps::run(steps::cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    });
    steps.step("tidy", tidy::run);
}
