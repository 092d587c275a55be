//! What remains of a drill: the incident's label, and a case in `state_dir/cases`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use evenkeel_schema::records::{CaseRecord, Record};
use hyper::Method;
use rustix::fs::FlockOperation;
use serde_json::json;

use super::fault::Alone;
use super::site::Site;

/// A drill a day for three years, and a few megabytes; then the oldest go.
const CASES_MAX: usize = 1000;

/// One drill at a time: two faults at once have no true cause.
pub(super) fn alone(state_dir: &Path) -> Result<Alone, String> {
    let folder = folder(state_dir)?;
    let path = folder.join("lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| format!("{}: {e}; a drill records its case there", path.display()))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Alone(lock)),
        Err(_) => Err("another drill of this evenkeel is running: wait for its end".into()),
    }
}

/// Says what the incident really was.
pub(super) fn label(site: &Site, case: &CaseRecord) -> Result<(), String> {
    let Some(incident) = &case.incident else {
        return Ok(());
    };
    let path = format!("/v1/incidents/{}/label", incident.id);
    site.call(
        Method::POST,
        &path,
        Some(json!({ "cause": case.cause, "by": "drill" })),
    )
    .map(drop)
}

/// Writes the case. Returns its file.
pub(super) fn keep(state_dir: &Path, case: &CaseRecord) -> Result<PathBuf, String> {
    let folder = folder(state_dir)?;
    let file = folder.join(case.file_name());
    let bytes = case.encode().map_err(|e| e.to_string())?;
    let new = file.with_extension("new");
    fs::write(&new, bytes).map_err(|e| format!("{}: {e}", new.display()))?;
    fs::rename(&new, &file).map_err(|e| format!("{}: {e}", file.display()))?;
    prune(&folder);
    Ok(file)
}

fn folder(state_dir: &Path) -> Result<PathBuf, String> {
    let folder = state_dir.join("cases");
    fs::create_dir_all(&folder)
        .map_err(|e| format!("{}: {e}; a drill records its case there", folder.display()))?;
    Ok(folder)
}

/// The oldest go first; their names sort by time.
fn prune(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    cases.sort();
    let many = cases.len().saturating_sub(CASES_MAX);
    for old in &cases[..many] {
        let _ = fs::remove_file(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_cases_go_and_a_second_drill_waits() {
        let state = tempfile::tempdir().unwrap();
        let cases = folder(state.path()).unwrap();
        for n in 0..CASES_MAX + 2 {
            fs::write(cases.join(format!("{n:05}-kill.json")), "{}").unwrap();
        }
        prune(&cases);
        assert!(!cases.join("00001-kill.json").exists());
        assert!(cases.join("00002-kill.json").exists());
        let first = alone(state.path()).unwrap();
        assert!(alone(state.path()).is_err_and(|why| why.contains("another drill")));
        drop(first);
        assert!(alone(state.path()).is_ok());
    }
}
