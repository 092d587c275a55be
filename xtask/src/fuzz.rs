//! Fuzzing for a few seconds per target: enough to catch a target that no longer builds or falls over at once. Coverage-guided
//! (`cargo fuzz`, which needs a nightly toolchain) where that can be had, else the same targets over random mutations of
//! their seeds on the stable toolchain. Which of the two ran is printed, because they are not worth the same.

use crate::{Failure, steps};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds per target.
const SECONDS: u32 = 10;

/// Runs every fuzz target for a few seconds.
pub(crate) fn smoke() -> Result<(), Failure> {
    let targets = targets()?;
    match cargo_fuzz() {
        Ok(tool) => {
            println!(
                "coverage-guided, {SECONDS} s for each of {}",
                targets.join(", ")
            );
            guided(&tool, &targets)
        }
        Err(reason) => {
            println!(
                "not coverage-guided ({reason}): random mutations on the stable toolchain, {SECONDS} s for each of {}",
                targets.join(", ")
            );
            random()
        }
    }
}

/// The names of the targets: one file each in `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = steps::root().join("fuzz/fuzz_targets");
    let entries =
        std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(format!("no fuzz target in {}", folder.display()));
    }
    Ok(names)
}

fn guided(tool: &Path, targets: &[String]) -> Result<(), Failure> {
    for target in targets {
        // What it learns goes into the first folder (not kept in git); the seeds, which are, it only reads.
        let (corpus, seeds) = (
            format!("fuzz/corpus/{target}"),
            format!("fuzz/seeds/{target}"),
        );
        std::fs::create_dir_all(steps::root().join(&corpus))
            .map_err(|error| format!("{corpus}: {error}"))?;
        let mut command = nightly(tool.as_os_str().to_owned());
        // No address sanitizer: the project forbids unsafe code, so it would find nothing and slow everything down.
        command.args(["run", "--fuzz-dir", "fuzz", "--sanitizer", "none"]);
        command.args([target, &corpus, &seeds, "--"]);
        command.args([
            format!("-max_total_time={SECONDS}"),
            "-timeout=5".to_owned(),
            "-verbosity=0".to_owned(),
        ]);
        steps::run(command).map_err(|failure| format!("target {target}: {failure}"))?;
    }
    Ok(())
}

fn random() -> Result<(), Failure> {
    let mut command = steps::cargo(&[
        "run",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--no-default-features",
        "--bin",
        "smoke",
        "--",
    ]);
    command.arg(SECONDS.to_string());
    steps::run(command)
}

/// Finds `cargo-fuzz`, or installs it beside what we build; says why it cannot be had.
fn cargo_fuzz() -> Result<PathBuf, Failure> {
    if !quietly(nightly("cargo".into()).arg("--version")) {
        return Err(
            "no nightly toolchain; `rustup toolchain install nightly` brings one".to_owned(),
        );
    }
    let tools = steps::target().join("tools");
    let tool = tools.join("bin/cargo-fuzz");
    if tool.exists() {
        return Ok(tool);
    }
    if quietly(Command::new("cargo-fuzz").arg("--version")) {
        return Ok("cargo-fuzz".into());
    }
    let mut install = steps::cargo(&["install", "cargo-fuzz", "--locked", "--root"]);
    // A build folder of its own: `cargo install` else builds in a temporary one and throws it away when it fails.
    install
        .arg(&tools)
        .arg("--target-dir")
        .arg(tools.join("build"));
    steps::run(install)
        .map_err(|failure| format!("cargo-fuzz could not be installed: {failure}"))?;
    Ok(tool)
}

/// A command under the nightly toolchain, free of what cargo told us about ours.
fn nightly(program: std::ffi::OsString) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly"])
        .arg(program)
        .current_dir(steps::root());
    for name in ["CARGO", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    command
}

fn quietly(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
