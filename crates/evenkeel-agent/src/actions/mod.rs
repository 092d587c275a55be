//! Carrying actions out on the service's host. Which action, for which service and when is decided elsewhere; here is only how, and
//! what is refused: nothing runs through a shell, nothing with more rights than this process has, nothing the configuration of the
//! service does not name, and nothing this host's own `allow` leaves out.
//!
//! Each is a file and a line in [`ACTIONS`]. They block, so they belong off every loop. What the supervisor does by itself
//! (restart, signals) is not here.

mod free_disk;
mod program;
mod rollback_release;
mod run;
#[cfg(test)]
mod tests;

use evenkeel_core::settings::ServiceSpec;

pub use free_disk::free_disk;
pub use program::Program;
pub use rollback_release::exchange;

/// How one action is carried out.
pub struct Executor {
    /// As in core's list.
    pub name: &'static str,
    /// Does it, and says what was done, or why not; both for people. The second argument is the command's name, for `run`.
    pub run: fn(&ServiceSpec, Option<&str>) -> Result<String, String>,
}

/// Every executor.
pub static ACTIONS: &[Executor] = &[
    Executor {
        name: "free_disk",
        run: |spec, _| free_disk(&spec.care),
    },
    Executor {
        name: "rollback_release",
        run: |spec, _| rollback_release::rollback(&spec.care),
    },
    Executor {
        name: "run",
        run: run::run,
    },
];

/// Carries out the action `name` if `allowed` has it.
///
/// # Errors
/// For a person: not allowed, not known here, or why it failed.
pub fn carry_out(
    name: &str,
    spec: &ServiceSpec,
    command: Option<&str>,
    allowed: &[String],
) -> Result<String, String> {
    if !allowed.iter().any(|allowed| allowed == name) {
        return Err(format!(
            "{name} is not allowed on this host: its `allow` has {}",
            allowed.join(", ")
        ));
    }
    match ACTIONS.iter().find(|executor| executor.name == name) {
        Some(executor) => (executor.run)(spec, command),
        None => Err(format!("{name} is not carried out by an agent")),
    }
}
