//! The last applied configuration as a plain file in the state directory, beside the store.
//!
//! A balancer that replaces a dead one must serve within milliseconds, whatever became of the store: it may be locked by a
//! predecessor that is not quite gone, or damaged. So the text is also here, one file, replaced by rename.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FILE_NAME: &str = "last-applied.toml";
const HEAD: &str = "# evenkeel: the last applied configuration, written by evenkeel; revision ";

/// What was applied last.
pub type LastApplied = (u64, String);

/// The last applied revision and its text, for a balancer that replaces another. `None` if there is none, or it cannot be
/// read.
pub fn last_applied(state_dir: &Path) -> Option<LastApplied> {
    let text = fs::read_to_string(state_dir.join(FILE_NAME)).ok()?;
    let (head, rest) = text.split_once('\n')?;
    let revision = head.strip_prefix(HEAD)?.parse().ok()?;
    Some((revision, rest.to_owned()))
}

/// Replaces what was there, whole or not at all.
pub(crate) fn write(state_dir: &Path, revision: u64, text: &str) -> io::Result<()> {
    fs::create_dir_all(state_dir)?;
    let temporary = state_dir.join(format!("{FILE_NAME}.new"));
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    write!(file, "{HEAD}{revision}\n{text}")?;
    file.sync_all()?;
    fs::rename(&temporary, state_dir.join(FILE_NAME))
}
