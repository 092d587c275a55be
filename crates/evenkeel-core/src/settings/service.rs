//! Supervised services.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a service says that it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// As soon as it runs.
    None,
    /// When a connection can be opened.
    Tcp {
        /// On 127.0.0.1.
        port: u16,
    },
    /// When a GET is answered with 200–399.
    Http {
        /// On 127.0.0.1.
        port: u16,
        /// Path and query.
        path: String,
    },
    /// When this file exists.
    File {
        /// Resolved against the service's directory.
        path: std::path::PathBuf,
    },
}

/// `[service.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Unique.
    pub name: Arc<str>,
    /// Program and arguments, never empty; a program with a slash is relative to the configuration's folder.
    pub command: Vec<String>,
    /// Working directory, absolute.
    pub directory: std::path::PathBuf,
    /// Added to evenkeel's own environment.
    pub environment: Vec<(String, String)>,
    /// Whose process it is; default `node.user`, else who started evenkeel.
    pub user: Option<String>,
    /// When it counts as ready.
    pub ready: Ready,
    /// Ready by then, or it is stopped and started again.
    pub ready_timeout: Duration,
    /// Signal number that asks it to end.
    pub stop_signal: i32,
    /// Then it is killed.
    pub stop_timeout: Duration,
    /// At most this many starts …
    pub restart_starts: u32,
    /// … within this; then it needs a person.
    pub restart_within: Duration,
    /// Limits, and what may be done for it.
    pub care: super::Care,
}
