//! One mistake in a configuration, as a person at 3 a.m. needs it: where, what was found, what was wanted, what was
//! probably meant. A parse gathers all of them, so that one run of `evenkeel check` is enough.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What sort of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MistakeKind {
    /// The file cannot be read, or a secret it names, or what is in a certificate, key or list of authorities is no good.
    File,
    /// Not TOML.
    Syntax,
    /// A key that does not exist.
    UnknownKey,
    /// A key or value that is promised, but not in this build.
    NotBuilt,
    /// Something that must be there is not.
    Missing,
    /// A value that cannot stand.
    Value,
    /// A name that nothing has.
    Name,
    /// A name or address that something else has already.
    Twice,
    /// Two things that cannot stand together.
    Pair,
}

/// Something wrong in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// What sort.
    pub kind: MistakeKind,
    /// The file, as it was named.
    pub file: PathBuf,
    /// From 1; 0 = the file as a whole (it cannot be read).
    pub line: usize,
    /// From 1, in characters; 0 = the file as a whole.
    pub column: usize,
    /// The key, dotted, lists counted from 1: `pool.app.balance`, `route[2].pool`; empty = the file as a whole, or syntax.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What could stand there.
    pub wanted: String,
    /// What was probably meant, or what to do.
    pub hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        if let (MistakeKind::NotBuilt, Some(hint)) = (self.kind, &self.hint) {
            return write!(f, " {hint}");
        }
        write!(f, " found {}, wanted {}", self.found, self.wanted)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mistake {}

/// All mistakes as text, one a line, and a last line that counts them: `three.toml: 4 mistakes`.
pub fn explain(mistakes: &[Mistake]) -> String {
    let mut text = String::new();
    for mistake in mistakes {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mistake}");
    }
    if let Some(first) = mistakes.first() {
        let plural = if mistakes.len() == 1 { "" } else { "s" };
        let file = first.file.display();
        let _ = writeln!(text, "{file}: {} mistake{plural}", mistakes.len());
    }
    text
}
