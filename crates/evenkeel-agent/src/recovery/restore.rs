//! Putting a point in the place of a service's data, so that a death at any moment leaves either the old data or the new one there,
//! and the other where it can be told which it is.
//!
//! The point is copied beside the directory, compared, and exchanged with it in one step of the file system; then what was there before
//! gets a name that says so. The copy's name has its inode in it: whoever comes after a death and finds a folder of that name sees by
//! the folder's own inode whether the exchange was made. If not, it is a copy and goes; if so, it is the old data and gets its name.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, RenameFlags, renameat_with};

use super::copy::{self, copy_tree};
use super::manifest::Manifest;
use super::{Points, Restored, open, sync_folder};

const RESTORING: &str = "restoring";
const BEFORE: &str = "before-restore";

impl Points {
    /// Puts a point in the place of `directory`, which is kept aside beside it. The service should not run meanwhile.
    ///
    /// # Errors
    /// For a person; `directory` is then as it was.
    pub fn restore(
        &self,
        service: &str,
        id: &str,
        directory: &Path,
        now_ms: u64,
    ) -> Result<Restored, String> {
        let path = self.path(service, id)?;
        let point = self.check(&path)?;
        let (above, name) = place(directory).ok_or("the root of a disk can't be replaced")?;
        let said = |e: io::Error| format!("{}: {e}", directory.display());
        let new = new_beside(above, name, now_ms).map_err(said)?;
        let whole = fill(&path, &new).and_then(|()| {
            let aside = above.join(format!("{name}.{BEFORE}-{now_ms}"));
            let kept = exchange(directory, &new, &aside).map_err(said)?;
            Ok(kept.then_some(aside))
        });
        match whole {
            Ok(kept_aside) => Ok(Restored { point, kept_aside }),
            Err(why) => {
                let _ = fs::remove_dir_all(new);
                Err(why)
            }
        }
    }

    /// Brings what a death in the middle of a restoration left beside `directory` to one of its two ends; says what was found.
    pub fn finish_restoration(directory: &Path) -> Vec<String> {
        let Some((above, name)) = place(directory) else {
            return Vec::new();
        };
        let prefix = format!("{name}.{RESTORING}-");
        let entries = fs::read_dir(above).into_iter().flatten().flatten();
        let left = entries.filter_map(|entry| {
            let found = entry.file_name();
            let marks = found.to_str()?.strip_prefix(&prefix)?;
            let (ms, inode) = marks.split_once('-').unwrap_or((marks, ""));
            let ms: u64 = ms.parse().ok()?;
            Some((entry.path(), ms, inode.parse::<u64>().ok()))
        });
        let mut said = Vec::new();
        for (path, ms, inode) in left {
            let Ok(found) = fs::symlink_metadata(&path) else {
                continue;
            };
            let (what, done) = if inode.is_some_and(|inode| inode != found.ino()) {
                let aside = above.join(format!("{name}.{BEFORE}-{ms}"));
                let what = format!(
                    "the data was exchanged; what was there before is in {}",
                    aside.display()
                );
                (what, rename_new(&path, &aside))
            } else {
                let what = format!("{} is as it was", directory.display());
                (what, fs::remove_dir_all(&path))
            };
            said.push(match done {
                Ok(()) => format!("a restoration was interrupted: {what}"),
                Err(e) => format!(
                    "a restoration was interrupted: {what}; {}: {e}",
                    path.display()
                ),
            });
        }
        said
    }
}

/// The folder it is in, and its name.
fn place(directory: &Path) -> Option<(&Path, &str)> {
    Some((directory.parent()?, directory.file_name()?.to_str()?))
}

/// An empty folder whose name has its inode.
fn new_beside(above: &Path, name: &str, now_ms: u64) -> io::Result<PathBuf> {
    let first = above.join(format!("{name}.{RESTORING}-{now_ms}"));
    fs::create_dir(&first)?;
    let inode = fs::symlink_metadata(&first)?.ino();
    let new = above.join(format!("{name}.{RESTORING}-{now_ms}-{inode}"));
    rename_new(&first, &new)?;
    Ok(new)
}

/// Never over something.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    renameat_with(
        rustix::fs::CWD,
        from,
        rustix::fs::CWD,
        to,
        RenameFlags::NOREPLACE,
    )
    .map_err(io::Error::from)
}

/// The two change places, and what was in `directory` is `aside` then; false: there was nothing.
fn exchange(directory: &Path, new: &Path, aside: &Path) -> io::Result<bool> {
    let here = rustix::fs::CWD;
    let exists = rustix::fs::statat(here, directory, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    let flags = match exists {
        true => RenameFlags::EXCHANGE,
        false => RenameFlags::NOREPLACE,
    };
    renameat_with(here, new, here, directory, flags)?;
    if exists {
        rename_new(new, aside)?;
    }
    if let Some(above) = directory.parent() {
        sync_folder(above)?;
    }
    Ok(exists)
}

fn fill(point: &Path, new: &Path) -> Result<(), String> {
    let manifest = Manifest::read(point).map_err(|e| format!("{}: {e}", point.display()))?;
    let (from, to) = (open(&point.join("data"))?, open(new)?);
    copy_tree(&from, &to).map_err(|e| format!("{}: {e}", new.display()))?;
    rustix::fs::syncfs(&to).map_err(|e| io::Error::from(e).to_string())?;
    copy::compare(&to, &manifest.items).map_err(|e| format!("{}: {e}", new.display()))?;
    copy::dress(&to, &manifest.items).map_err(|e| format!("{}: {e}", new.display()))
}
