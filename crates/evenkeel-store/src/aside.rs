//! Setting a file aside that makes no sense: it is kept under a name that says so and when, for a person to look into, and
//! what is begun anew can take its place. The number kept is bounded, so that a disk that damages files for years does not
//! fill with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Error;

/// Damaged ones kept of one file, the newest: one for each damage that somebody may still ask about.
pub const KEPT_MAX: usize = 5;

const DAMAGED: &str = ".damaged-";

/// Renames what is at `path`, whatever it is, and returns where it is now. Of those set aside before, the oldest beyond
/// [`KEPT_MAX`] are deleted; a folder only if it is empty, since nobody knows whose it is.
///
/// # Errors
/// [`Error::Io`] if the file system refuses.
pub fn set_aside(path: &Path) -> Result<PathBuf, Error> {
    let ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis());
    let aside = PathBuf::from(format!("{}{DAMAGED}{ms}", path.display()));
    let renamed = fs::rename(path, &aside);
    renamed.map_err(|error| Error::Io {
        path: path.to_owned(),
        detail: error.to_string(),
    })?;
    let mut kept = set_aside_before(path);
    let surplus = kept.len().saturating_sub(KEPT_MAX);
    for old in kept.drain(..surplus) {
        let _ = fs::remove_file(&old).or_else(|_| fs::remove_dir(&old));
    }
    Ok(aside)
}

/// What was set aside of `path`, oldest first.
pub fn set_aside_before(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Vec::new();
    };
    let prefix = format!("{}{DAMAGED}", name.to_string_lossy());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name();
        let ms: u128 = name.to_str()?.strip_prefix(&prefix)?.parse().ok()?;
        Some((ms, entry.path()))
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    named.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_kept_and_the_number_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        for n in 0..KEPT_MAX + 3 {
            fs::write(&path, n.to_string()).unwrap();
            let aside = set_aside(&path).unwrap();
            assert_eq!(fs::read_to_string(&aside).unwrap(), n.to_string());
            assert!(!path.exists());
            // Names are by the millisecond.
            while set_aside_before(&path).last().is_none_or(|p| *p != aside) || !past(&aside) {}
        }
        let kept = set_aside_before(&path);
        let texts: Vec<_> = kept
            .iter()
            .map(|p| fs::read_to_string(p).unwrap())
            .collect();
        assert_eq!(texts, ["3", "4", "5", "6", "7"]);
    }

    fn past(aside: &Path) -> bool {
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        !aside
            .to_string_lossy()
            .ends_with(&ms.as_millis().to_string())
    }

    #[test]
    fn a_folder_with_something_in_it_is_set_aside_but_never_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let old = folder.path().join("store.damaged-1");
        fs::create_dir(&old).unwrap();
        fs::write(old.join("precious"), "x").unwrap();
        for n in 2..2 + KEPT_MAX {
            fs::write(folder.path().join(format!("store.damaged-{n}")), "").unwrap();
        }
        fs::create_dir(&path).unwrap();
        set_aside(&path).unwrap();
        assert!(old.join("precious").exists());
    }
}
