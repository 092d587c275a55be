//! The access log: one line per request, written by a thread of its own so that a slow disk never holds a worker.

use std::path::PathBuf;

/// Where the access log goes and how a line looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where.
    pub to: AccessTarget,
    /// How.
    pub format: AccessFormat,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTarget {
    /// Standard output.
    Stdout,
    /// Appended to this file, which is opened again when it was moved away.
    File(PathBuf),
}

/// How a line of the access log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object.
    #[default]
    Json,
    /// The Common Log Format, with duration and endpoint appended.
    Common,
}
