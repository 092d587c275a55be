//! The last applied configuration as a plain file in the state directory, beside the store.
//!
//! A balancer that replaces a dead one must serve within milliseconds, whatever became of the store: it may be locked by a
//! predecessor that is not quite gone, or damaged. So the text is also here, one file, replaced by rename. Its first line has
//! a tag of all of it, so that one of which a part is gone is not taken for a smaller configuration.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use evenkeel_schema::config::etag;

pub(crate) const FILE_NAME: &str = "last-applied.toml";
const HEAD: &str = "# evenkeel: the last applied configuration, written by evenkeel; revision ";
const TAG: &str = "; tag ";

/// What was applied last.
pub type LastApplied = (u64, String);

/// The last applied revision and its text, for a balancer that replaces another. `None` if there is none.
///
/// # Errors
/// There is one, but it cannot be read or is not what was written: why, for a person.
pub fn last_applied(state_dir: &Path) -> Result<Option<LastApplied>, String> {
    let path = state_dir.join(FILE_NAME);
    let wrong = |why: &str| format!("{}: {why}", path.display());
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&error.to_string())),
    };
    let not_ours = "it does not begin as evenkeel writes it";
    let (head, rest) = text.split_once('\n').ok_or_else(|| wrong(not_ours))?;
    let marks = head.strip_prefix(HEAD).ok_or_else(|| wrong(not_ours))?;
    let (revision, tag) = marks.split_once(TAG).ok_or_else(|| wrong(not_ours))?;
    let revision = revision.parse().map_err(|_| wrong(not_ours))?;
    if tag != self::tag(revision, rest) {
        return Err(wrong("it is not what was written there"));
    }
    Ok(Some((revision, rest.to_owned())))
}

/// Replaces what was there, whole or not at all. What cannot be replaced because it is no file is set aside.
///
/// # Errors
/// The disk's.
pub fn keep_applied(state_dir: &Path, revision: u64, text: &str) -> io::Result<()> {
    fs::create_dir_all(state_dir)?;
    let path = state_dir.join(FILE_NAME);
    let temporary = state_dir.join(format!("{FILE_NAME}.new"));
    for stands in [&path, &temporary].into_iter().filter(|path| path.is_dir()) {
        set_aside(stands);
    }
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let tag = tag(revision, text);
    write!(file, "{HEAD}{revision}{TAG}{tag}\n{text}")?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn tag(revision: u64, text: &str) -> String {
    etag(&format!("{revision}\n{text}"))
}

/// Puts one that cannot be used where a person finds it; says so.
pub(crate) fn set_damaged_aside(state_dir: &Path, why: &str) {
    let path = state_dir.join(FILE_NAME);
    tracing::error!("the last applied configuration is lost: {why}; FILE's is used");
    set_aside(&path);
}

fn set_aside(path: &Path) {
    match evenkeel_store::set_aside(path) {
        Ok(aside) => tracing::error!("{} is kept as {}", path.display(), aside.display()),
        Err(error) => tracing::error!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_was_not_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_applied(folder.path()), Ok(None));
        keep_applied(folder.path(), 7, "[a]\nb = 1\n[c]\n").unwrap();
        let written = Ok(Some((7, "[a]\nb = 1\n[c]\n".to_owned())));
        assert_eq!(last_applied(folder.path()), written);
        let path = folder.path().join(FILE_NAME);
        let whole = fs::read(&path).unwrap();
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            assert!(last_applied(folder.path()).is_err(), "cut to {len} bytes");
            let mut flipped = whole.clone();
            flipped[len] ^= 1;
            fs::write(&path, flipped).unwrap();
            assert!(last_applied(folder.path()).is_err(), "byte {len}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x"), "x").unwrap();
        assert!(last_applied(folder.path()).is_err());
        keep_applied(folder.path(), 8, "").unwrap();
        assert_eq!(last_applied(folder.path()), Ok(Some((8, String::new()))));
        assert_eq!(evenkeel_store::set_aside_before(&path).len(), 1);
    }
}
