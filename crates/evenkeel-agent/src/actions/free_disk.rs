//! `free_disk`: deletes files inside `disk_paths`, oldest first over all of them, until `disk_keep` is free.
//!
//! Each file is reached anew from its folder in `disk_paths`, name by name and never through a link, and is still the one that was
//! looked at; so whatever is renamed meanwhile, what goes is a file inside. Folders, links and whatever has a second name stay
//! (deleting one name of two frees nothing).

use std::path::Path;

use evenkeel_core::settings::Care;
use rustix::fs::{AtFlags, FileType};

use crate::facts;
use crate::files::{self, Entry};

/// Files of one folder that are looked at.
const FILES_MAX: usize = 1_000_000;

/// Frees the disks of `disk_paths`.
///
/// # Errors
/// What could not be done, for a person.
pub fn free_disk(care: &Care) -> Result<String, String> {
    if care.disk_paths.is_empty() {
        return Err("the service has no disk_paths: nothing may be deleted".into());
    }
    let (mut said, mut short) = (Vec::new(), false);
    for path in &care.disk_paths {
        let freed = free(path, care.disk_keep)?;
        short |= !freed.enough;
        said.push(freed.words(path));
    }
    let said = said.join("; ");
    if short { Err(said) } else { Ok(said) }
}

struct Freed {
    files: usize,
    bytes: u64,
    enough: bool,
    free: u64,
}

impl Freed {
    fn words(&self, path: &Path) -> String {
        let mib = |bytes: u64| bytes / (1 << 20);
        let enough = if self.enough {
            ""
        } else {
            ", which is not enough: nothing is left there to delete"
        };
        format!(
            "{}: {} files of {} MiB deleted, {} MiB free now{enough}",
            path.display(),
            self.files,
            mib(self.bytes),
            mib(self.free)
        )
    }
}

fn free(path: &Path, keep: u64) -> Result<Freed, String> {
    let said = |e: std::io::Error| format!("{}: {e}", path.display());
    let folder = files::open_folder(path).map_err(said)?;
    let mut freed = Freed {
        files: 0,
        bytes: 0,
        enough: false,
        free: 0,
    };
    let look = |freed: &mut Freed| {
        let disk = facts::disk(path)
            .ok_or_else(|| format!("{}: its disk can't be asked", path.display()))?;
        // More than half of a small disk is not there to be kept free.
        freed.free = disk.free_bytes;
        freed.enough = disk.free_bytes >= keep.min(disk.bytes / 2);
        Ok::<bool, String>(freed.enough)
    };
    if look(&mut freed)? {
        return Ok(freed);
    }
    let mut all = files::walk(&folder, FILES_MAX).map_err(said)?;
    all.retain(|entry| entry.kind == FileType::RegularFile && entry.stat.st_nlink == 1);
    all.sort_by_key(|entry| (entry.stat.st_mtime, entry.stat.st_mtime_nsec));
    for entry in all {
        if delete(&folder, &entry).is_ok() {
            freed.files += 1;
            freed.bytes += u64::try_from(entry.stat.st_blocks).unwrap_or(0) * 512;
            if look(&mut freed)? {
                return Ok(freed);
            }
        }
    }
    look(&mut freed)?;
    Ok(freed)
}

/// If it still is what was looked at.
fn delete(folder: &std::os::fd::OwnedFd, entry: &Entry) -> std::io::Result<()> {
    let (above, name) = files::parent(folder, &entry.path)?;
    let now = rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let mark = |s: &rustix::fs::Stat| (s.st_dev, s.st_ino, s.st_mode, s.st_mtime);
    if mark(&now) != mark(&entry.stat) {
        return Err(files::odd("it is another file now"));
    }
    Ok(rustix::fs::unlinkat(&above, name, AtFlags::empty())?)
}
