//! What a service may have and what may be done for it: limits, and where its files, releases and commands are. Everything
//! is off unless asked for: evenkeel deletes, restores and runs nothing that the file does not name.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Share;

/// The part of `[service.NAME]` that is about limits and recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Care {
    /// The memory it may use, swap included, bytes.
    pub memory_max: Option<u64>,
    /// The processor time it may use; 100 % = one core.
    pub cpu_max: Option<Share>,
    /// `free_disk` may delete from here only; absolute.
    pub disk_paths: Vec<PathBuf>,
    /// `free_disk` deletes no more once this much is free on the disk there, bytes.
    pub disk_keep: u64,
    /// Where its releases are.
    pub release: Option<Release>,
    /// What recovery points are made of.
    pub data: Option<Data>,
    /// What action `run` may run: name, then program and arguments. By name.
    pub commands: Vec<(String, Vec<String>)>,
}

/// `release`: two symbolic links that name a release each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// To the release that runs; absolute.
    pub current: PathBuf,
    /// To the one before; absolute.
    pub previous: PathBuf,
}

/// `data`: what recovery points are made of, and how many are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Copied whole; absolute.
    pub directory: PathBuf,
    /// Between two points.
    pub every: Duration,
    /// So many are kept; the oldest goes first.
    pub keep: u32,
}
