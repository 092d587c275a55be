//! `run`: one of the service's `commands`, by its name: program and arguments as the operator wrote them, no shell, nothing added,
//! and no input.

use std::time::Duration;

use evenkeel_core::settings::ServiceSpec;

use super::program::Program;

/// An operator's command that takes longer is a job, not an action.
const WITHIN: Duration = Duration::from_secs(60);

pub(super) fn run(spec: &ServiceSpec, command: Option<&str>) -> Result<String, String> {
    run_within(spec, command, WITHIN)
}

pub(super) fn run_within(
    spec: &ServiceSpec,
    command: Option<&str>,
    within: Duration,
) -> Result<String, String> {
    let (wanted, words) = find(spec, command)?;
    let variables = spec.environment.iter();
    Program {
        name: wanted,
        words,
        directory: Some(&spec.directory),
        environment: variables.map(|(k, v)| (k.as_ref(), v.as_ref())).collect(),
        inherited: None,
        input: &[],
        within,
    }
    .run()
}

fn find<'s>(
    spec: &'s ServiceSpec,
    command: Option<&'s str>,
) -> Result<(&'s str, &'s [String]), String> {
    let all = &spec.care.commands;
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let known = match names.is_empty() {
        true => "it has none".to_owned(),
        false => format!("it has {}", names.join(", ")),
    };
    let Some(wanted) = command else {
        return Err(format!("which of the service's commands? {known}"));
    };
    match all.iter().find(|(name, _)| name == wanted) {
        Some((_, words)) => Ok((wanted, words)),
        None => Err(format!("the service has no command {wanted:?}: {known}")),
    }
}
