//! `disk_full`: nothing can be written any more where the service writes.
//!
//! A disk is filled only if it is small, which says that it is this service's own. Where it is not, root mounts a small one
//! over the folder for as long as the drill lasts: nobody's real disk is ever filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel_core::diagnose::Cause;

use super::super::fault::Fault;
use super::super::seen_by;
use super::super::site::Site;
use super::{Inject, Scenario};

/// A disk up to this is one of its own: a system's is larger.
const OWN_BYTES_MAX: u64 = 256 << 20;
/// Of the one that is mounted; anybody may write there, as the service's user is not known.
const MOUNTED: &str = "size=16m,mode=1777";
/// One of the files it is filled with, and the last ones.
const FILE_BYTES: [usize; 3] = [256 << 10, 4096, 1];
/// Their names begin with this.
const FILE_NAME: &str = "drill-";

pub(super) const SCENARIO: Scenario = Scenario {
    name: "disk_full",
    summary: "Fills the disk of the service's first `disk_paths` folder.",
    cause: Cause::DiskFull,
    needs: "`disk_paths`, on a disk of at most 256 MiB, or root, who mounts a small one over it",
    felt: None,
    prepare,
};

fn prepare(site: &Site) -> Result<Inject<'_>, String> {
    let name = &site.service.name;
    let Some(folder) = site.service.care.disk_paths.first() else {
        return Err(format!(
            "service {name} has no `disk_paths`: a disk that nothing may be deleted from is not filled for a drill"
        ));
    };
    // The keeper outlives its services, and sees the file systems as they do.
    let keeper = site.status.pid;
    let seen = seen_by(keeper, folder);
    let stat = rustix::fs::statvfs(&seen).map_err(|e| format!("{}: {e}", seen.display()))?;
    let bytes = stat.f_blocks.saturating_mul(stat.f_frsize);
    let small = bytes <= OWN_BYTES_MAX;
    if !small && !rustix::process::geteuid().is_root() {
        return Err(format!(
            "{} is on a disk of {} MiB, which is not filled for a drill; only root can mount a small one over it",
            folder.display(),
            bytes >> 20
        ));
    }
    Ok(Box::new(move || {
        let mounted = match small {
            true => None,
            false => Some(Mounted::over(folder, keeper)?),
        };
        let filled = seen.clone();
        let mut fault = Fault::lasting("", move || {
            empty(&filled);
            mounted.map_or(Ok(()), Mounted::away)
        });
        let bytes = fill(&seen)?;
        let folder = folder.display();
        fault.what = format!("{} KiB filled the disk of {folder}", bytes >> 10);
        Ok(fault)
    }))
}

/// A small disk over a folder.
struct Mounted {
    folder: PathBuf,
    keeper: u32,
}

impl Mounted {
    fn over(folder: &Path, keeper: u32) -> Result<Mounted, String> {
        within(
            keeper,
            &["mount", "-t", "tmpfs", "-o", MOUNTED, "evenkeel-drill"],
            folder,
        )?;
        Ok(Mounted {
            folder: folder.to_owned(),
            keeper,
        })
    }

    /// Lazily: the service may have a file open there.
    fn away(self) -> Result<(), String> {
        within(self.keeper, &["umount", "-l"], &self.folder)
    }
}

/// Runs a command where the keeper sees the file systems.
fn within(keeper: u32, words: &[&str], folder: &Path) -> Result<(), String> {
    let output = Command::new("nsenter")
        .args(["--mount", "--target", &keeper.to_string()])
        .args(words)
        .arg(folder)
        .output()
        .map_err(|e| format!("nsenter (util-linux) can't be run: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{} {}: {}",
            words.join(" "),
            folder.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// Writes until there is no room, with smaller and smaller files. Returns how much.
fn fill(folder: &Path) -> Result<usize, String> {
    let mut bytes = 0;
    let mut number = 0;
    for size in FILE_BYTES {
        let page = vec![b'x'; size];
        // Bounded by the size of the disk, which was looked at.
        while number < OWN_BYTES_MAX / 4096 {
            number += 1;
            let file = folder.join(format!("{FILE_NAME}{number:05}"));
            match File::create(&file).and_then(|mut file| file.write_all(&page)) {
                Ok(()) => bytes += size,
                Err(e) if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                    break;
                }
                Err(e) => return Err(format!("{}: {e}", file.display())),
            }
        }
    }
    Ok(bytes)
}

/// What evenkeel has deleted already is no loss.
fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(FILE_NAME) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
