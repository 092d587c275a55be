//! Figures that `evenkeel-sim` computes: an example of it writes a page and ends with 1 where a bound is broken. The page is kept
//! either way, since it shows what was.

use crate::{Failure, steps};
use std::process::Stdio;

/// What a score of this kind takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the figures and leave the page in `bench` as it is.
    #[arg(long)]
    dry: bool,
}

/// Runs the example, prints its page, keeps it as `bench/PAGE`, and refuses what is out of bounds.
pub(crate) fn run(options: &Options, example: &str, page: &str) -> Result<(), Failure> {
    let mut command = steps::cargo(&[
        "run",
        "--quiet",
        "--package",
        "evenkeel-sim",
        "--example",
        example,
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = command
        .output()
        .map_err(|error| format!("the example `{example}` could not be run: {error}"))?;
    let text = String::from_utf8(output.stdout)
        .map_err(|error| format!("the figures are no text: {error}"))?;
    println!("{text}");
    if !options.dry && !text.is_empty() {
        let path = steps::root().join("bench").join(page);
        std::fs::write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    match output.status.success() {
        true => Ok(()),
        false => Err("something is out of its bounds, see above".into()),
    }
}
