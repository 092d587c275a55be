//! What a pick costs with each policy: `evenkeel-sim` measures in one thread, and ends with 1 where a bound is broken.

use crate::{Failure, steps};

/// Measures and prints.
pub(crate) fn run() -> Result<(), Failure> {
    let mut command = steps::cargo(&[
        "run",
        "--quiet",
        "--release",
        "--package",
        "evenkeel-sim",
        "--example",
        "picks",
    ]);
    let status = command
        .status()
        .map_err(|error| format!("the example `picks` could not be run: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("a pick costs more than it may, see above".into()),
    }
}
