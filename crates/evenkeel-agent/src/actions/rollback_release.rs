//! `rollback_release`: the links `release.current` and `release.previous` change places, in one step of the file system, so that at
//! no moment there is none. Doing it twice is as before, which is the way back if it did not help.

use std::path::Path;

use evenkeel_core::settings::Care;
use rustix::fs::{AtFlags, FileType, RenameFlags};

use crate::files;

pub(super) fn rollback(care: &Care) -> Result<String, String> {
    let release = care
        .release
        .as_ref()
        .ok_or("the service has no `release`: nothing to go back to")?;
    exchange(&release.current, &release.previous)
}

/// Exchanges two links of one folder; both must be links that lead to a folder or file.
///
/// # Errors
/// For a person; nothing was changed.
pub fn exchange(current: &Path, previous: &Path) -> Result<String, String> {
    let (Some(above), Some(a), Some(b)) =
        (current.parent(), current.file_name(), previous.file_name())
    else {
        return Err(format!("{} names no link", current.display()));
    };
    let folder = files::open_folder(above).map_err(|e| format!("{}: {e}", above.display()))?;
    for path in [current, previous] {
        let name = path.file_name().unwrap_or_default();
        let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
        let link = stat.is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Symlink);
        if !link {
            return Err(format!("{} is no symbolic link", path.display()));
        }
        // What it leads to must be there, or the service could not start again.
        std::fs::metadata(path).map_err(|e| format!("{} leads nowhere: {e}", path.display()))?;
    }
    let targets = [current, previous].map(|path| std::fs::canonicalize(path).ok());
    if targets[0] == targets[1] {
        return Err(format!(
            "{} and {} lead to the same release, {}: there is nothing to go back to; let {} lead to one that is good",
            current.display(),
            previous.display(),
            std::fs::read_link(current).unwrap_or_default().display(),
            previous.display()
        ));
    }
    rustix::fs::renameat_with(&folder, a, &folder, b, RenameFlags::EXCHANGE)
        .map_err(|e| format!("{} and {}: {e}", current.display(), previous.display()))?;
    let [now, before] = [current, previous].map(|p| std::fs::read_link(p).unwrap_or_default());
    Ok(format!(
        "the links changed places: {} leads to {} now, and what it led to before, {}, is {}; the same action once more takes that back",
        current.display(),
        now.display(),
        before.display(),
        previous.display()
    ))
}
