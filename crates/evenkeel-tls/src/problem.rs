//! What a person is told of a certificate, a key or a trust: which file, what is in it, what is wanted instead.

use std::fmt;
use std::path::{Path, PathBuf};

/// The part of a `tls` table that something is said about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `certificate`
    Certificate,
    /// `key`
    Key,
    /// `client_ca`
    ClientCa,
    /// `ca`
    Ca,
    /// `server_name`
    ServerName,
}

impl Part {
    /// Its key in the configuration.
    pub const fn key(self) -> &'static str {
        match self {
            Part::Certificate => "certificate",
            Part::Key => "key",
            Part::ClientCa => "client_ca",
            Part::Ca => "ca",
            Part::ServerName => "server_name",
        }
    }
}

/// Something that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which of the listener's `[[listener.tls]]`, from 0; 0 for a client.
    pub index: usize,
    /// Which of its keys.
    pub part: Part,
    /// The file, if it is about one.
    pub file: Option<PathBuf>,
    /// What there is.
    pub found: String,
    /// What is wanted.
    pub wanted: String,
}

/// The same before it is known which file and which entry it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Which part.
    pub part: Part,
    /// What there is.
    pub found: String,
    /// What is wanted.
    pub wanted: String,
}

impl Unfit {
    pub(crate) fn new(part: Part, found: impl Into<String>, wanted: impl Into<String>) -> Unfit {
        Unfit {
            part,
            found: found.into(),
            wanted: wanted.into(),
        }
    }

    pub(crate) fn of(self, index: usize, file: Option<&Path>) -> Problem {
        Problem {
            index,
            part: self.part,
            file: file.map(Path::to_owned),
            found: self.found,
            wanted: self.wanted,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part.key())?;
        if let Some(file) = &self.file {
            write!(f, " {}", file.display())?;
        }
        write!(f, ": {}; wanted: {}", self.found, self.wanted)
    }
}

/// What a look at the files came to, for one entry whose files changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which of the listener's `[[listener.tls]]`, from 0; 0 for a client.
    pub index: usize,
    /// Its first file, to name it by.
    pub file: PathBuf,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of files that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In use from the next handshake on.
    Replaced,
    /// Not usable: what was in use stays in use. Said once for each content of the files.
    Kept(Vec<Problem>),
}
