//! The files the rules look at: those git tracks or would track, so that build output is never judged.

use crate::{Failure, steps};
use std::path::Path;
use std::process::Command;

/// One text file of the project.
pub(crate) struct Source {
    /// Relative to the workspace's folder.
    pub(crate) path: String,
    /// Its whole text.
    pub(crate) text: String,
}

impl Source {
    /// Written in Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Nothing but tests: those may be as long as they need to be.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
    }
}

/// All text files, sorted by path.
pub(crate) fn tracked(root: &Path) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in paths(root)? {
        // Deleted but not committed yet, or not text: nothing to read.
        if let Ok(text) = std::fs::read_to_string(root.join(&path)) {
            sources.push(Source { path, text });
        }
    }
    if sources.is_empty() {
        return Err(format!("no source file found under {}", root.display()));
    }
    Ok(sources)
}

fn paths(root: &Path) -> Result<Vec<String>, Failure> {
    let mut paths = if root.join(".git").exists() {
        let mut git = Command::new("git");
        git.args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root);
        steps::output(git)?.lines().map(str::to_owned).collect()
    } else {
        walked(root)
    };
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Without git (a source archive): everything but build folders and hidden ones.
fn walked(root: &Path) -> Vec<String> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            entry.depth() == 0 || (name != "target" && name != "results" && !name.starts_with('.'))
        })
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            Some(
                entry
                    .path()
                    .strip_prefix(root)
                    .ok()?
                    .to_string_lossy()
                    .into_owned(),
            )
        })
        .collect()
}
