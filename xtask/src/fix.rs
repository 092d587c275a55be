//! `cargo xtask fix`: what can be repaired without thought.

use crate::{Failure, steps};

/// Applies clippy's suggestions, then formats what that left.
pub(crate) fn run() -> Result<(), Failure> {
    steps::run(steps::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
    ]))?;
    steps::run(steps::cargo(&["fmt", "--all"]))
}
