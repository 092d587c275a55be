//! How good the detectors are: computed by `evenkeel-sim`, which ends with 1 where a bound is broken; the page is kept either
//! way, since it shows what was.

use crate::{Failure, steps};
use std::process::Stdio;

/// What `cargo xtask score detectors` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the figures and leave `bench/DETECTORS.md` as it is.
    #[arg(long)]
    dry: bool,
}

/// Computes, prints, keeps, and refuses what is out of bounds.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut command = steps::cargo(&[
        "run",
        "--quiet",
        "--package",
        "evenkeel-sim",
        "--example",
        "detectors",
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = command
        .output()
        .map_err(|error| format!("the example `detectors` could not be run: {error}"))?;
    let page = String::from_utf8(output.stdout)
        .map_err(|error| format!("the figures are no text: {error}"))?;
    println!("{page}");
    if !options.dry && !page.is_empty() {
        let path = steps::root().join("bench").join("DETECTORS.md");
        std::fs::write(&path, &page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    match output.status.success() {
        true => Ok(()),
        false => Err("a detector is out of its bounds, see above".into()),
    }
}
