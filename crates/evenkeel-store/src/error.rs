//! What can go wrong with a store, told so that its user can act on it: a conflict is ordinary, a file held by another
//! process may become free, a damaged one never does.

use std::fmt;
use std::path::PathBuf;

use crate::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// Why a call did not do what it was asked for.
#[derive(Debug)]
pub enum Error {
    /// The expectation of a write did not hold.
    Conflict {
        /// Whose.
        key: String,
        /// The version that is there, if any.
        found: Option<u64>,
    },
    /// A key that is empty or too long.
    KeyLength {
        /// In bytes.
        length: usize,
    },
    /// A value that is too large.
    ValueLength {
        /// Whose.
        key: String,
        /// In bytes.
        length: usize,
    },
    /// Another process has the file open: it may be tried again.
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// What is stored makes no sense.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was seen.
        detail: String,
    },
    /// The disk or the file system refused.
    Io {
        /// Which file.
        path: PathBuf,
        /// What was seen.
        detail: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Conflict { key, found: None } => write!(f, "{key:?} is not there (any more)"),
            Error::Conflict {
                key,
                found: Some(version),
            } => write!(
                f,
                "{key:?} was written by another since (version {version})"
            ),
            Error::KeyLength { length } => {
                write!(f, "a key has 1 to {KEY_BYTES_MAX} bytes, this one {length}")
            }
            Error::ValueLength { key, length } => write!(
                f,
                "the value of {key:?} has {length} bytes, at most {VALUE_BYTES_MAX} are stored"
            ),
            Error::Busy { path } => write!(f, "{} is in use by another process", path.display()),
            Error::Damaged { path, detail } => {
                write!(f, "{} is damaged: {detail}", path.display())
            }
            Error::Io { path, detail } => write!(f, "{}: {detail}", path.display()),
        }
    }
}

impl std::error::Error for Error {}
