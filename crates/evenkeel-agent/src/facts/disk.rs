//! File systems, by the directories on them.

use std::path::{Path, PathBuf};

use evenkeel_core::facts::DiskFacts;

/// The file system of a directory; where it does not exist (yet), of the nearest one above it that does.
pub fn disk(directory: &Path) -> Option<DiskFacts> {
    let there = directory.ancestors().find(|dir| dir.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    let unit = stat.f_frsize.max(1);
    Some(DiskFacts {
        path: directory.to_owned(),
        bytes: stat.f_blocks.saturating_mul(unit),
        free_bytes: stat.f_bavail.saturating_mul(unit),
        inodes: stat.f_files,
        free_inodes: stat.f_favail,
    })
}

/// Those of several directories, each file system once, under the first directory on it.
pub(super) fn disks(directories: &[PathBuf]) -> Vec<DiskFacts> {
    let mut seen = Vec::new();
    let mut disks = Vec::new();
    for directory in directories {
        let there = directory.ancestors().find(|dir| dir.exists());
        let Some(device) = there.and_then(|dir| rustix::fs::stat(dir).ok()) else {
            continue;
        };
        if !seen.contains(&device.st_dev) {
            seen.push(device.st_dev);
            disks.extend(disk(directory));
        }
    }
    disks
}
