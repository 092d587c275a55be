//! The access log: one line per request, written by a thread of its own so that a slow disk never holds a worker.
//!
//! A worker formats a line into its own buffer and hands the buffer over when it is full or a moment old; if the writer
//! is behind by more than a bounded number of buffers, lines are dropped and counted, and the log says how many.

mod record;
mod sink;

use std::path::PathBuf;

pub(crate) use record::Record;
pub(crate) use sink::{Sink, Writer};

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
    /// The Common Log Format, with request id, duration in milliseconds, endpoint and number of tries behind it.
    Common,
}
