//! Runs a list of steps one after the other, shows each with its time, and counts. A failed step does not stop the rest:
//! one run should say everything that is wrong.

use crate::Failure;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The steps done so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

struct Done {
    name: String,
    seconds: f64,
    failure: Option<Failure>,
}

impl Steps {
    /// Runs one step and remembers how it ended.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), Failure>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let failure = work().err();
        let seconds = start.elapsed().as_secs_f64();
        match &failure {
            None => println!("<== {name}: passed in {seconds:.1} s"),
            Some(failure) => println!("<== {name}: FAILED in {seconds:.1} s: {failure}"),
        }
        self.done.push(Done {
            name: name.to_owned(),
            seconds,
            failure,
        });
    }

    /// Prints the table and, last, `N passed, N failed` (as the error, if any failed).
    pub(crate) fn finish(self) -> Result<(), Failure> {
        println!("\nsteps:");
        for done in &self.done {
            let outcome = if done.failure.is_none() {
                "passed"
            } else {
                "FAILED"
            };
            println!("  {outcome}  {:7.1} s  {}", done.seconds, done.name);
        }
        let failed = self
            .done
            .iter()
            .filter(|done| done.failure.is_some())
            .count();
        let seconds: f64 = self.done.iter().map(|done| done.seconds).sum();
        println!("  in all  {seconds:7.1} s\n");
        let summary = format!("{} passed, {} failed", self.done.len() - failed, failed);
        if failed > 0 {
            return Err(summary);
        }
        println!("{summary}");
        Ok(())
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace's folder")
        .to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// `cargo` of the toolchain this was started with, in the workspace's folder.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end; its output goes where ours goes.
pub(crate) fn run(mut command: Command) -> Result<(), Failure> {
    let shown = shown(&command);
    println!("$ {shown}");
    let status = command
        .status()
        .map_err(|error| format!("`{shown}` could not be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{shown}` ended with {status}"))
    }
}

/// Runs a command and returns what it printed; its errors go where ours go.
pub(crate) fn output(mut command: Command) -> Result<String, Failure> {
    let shown = shown(&command);
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("`{shown}` could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{shown}` ended with {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    std::iter::once(program)
        .chain(
            command
                .get_args()
                .map(|argument| argument.to_string_lossy().into_owned()),
        )
        .collect::<Vec<_>>()
        .join(" ")
}
