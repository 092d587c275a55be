//! `evenkeel agent FILE`: this process becomes the keeper of a service's host, and the agent its child.

use std::fs;
use std::path::Path;

use evenkeel_schema::config;

use super::run::{Lock, keeper_settings, lock};
use crate::End;
use crate::agent::Part;
use crate::style::complain;

/// Runs until it is told to end.
pub(crate) fn agent(file: &Path) -> End {
    match prepare(file) {
        Ok((part, lock, format)) => {
            let settings = keeper_settings(part.args(false), part.args(true), format, "agent");
            let end = evenkeel_keeper::run(settings);
            drop(lock);
            End::Exit(end)
        }
        Err((end, message)) => {
            complain(message.trim_end());
            end
        }
    }
}

fn prepare(file: &Path) -> Result<(Part, Lock, config::LogFormat), (End, String)> {
    let loaded = evenkeel_agent::file::load(file)
        .map_err(|mistakes| (End::Usage, evenkeel_schema::explain(&mistakes)))?;
    let file = fs::canonicalize(file)
        .map_err(|e| (End::Usage, format!("evenkeel: {}: {e}", file.display())))?;
    let state_dir = loaded.config.agent.state_dir.clone();
    let lock = lock(&state_dir, "agent.state_dir", None)?;
    Ok((Part { file, state_dir }, lock, loaded.config.log.format))
}
