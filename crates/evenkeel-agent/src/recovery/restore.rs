//! Putting a point in the place of a service's data, so that a death at any moment leaves either the old data or the new one there,
//! and the other where it can be told which it is.
//!
//! The point is copied beside the directory, compared, and exchanged with it in one step of the file system; then what was there before
//! gets a name that says so. The copy's name has its inode in it: whoever comes after a death and finds a folder of that name sees by
//! the folder's own inode whether the exchange was made. If not, it is a copy and goes; if so, it is the old data and gets its name.
//!
//! Up to the exchange everything that fails is an error and only the copy goes. After it nothing is an error and nothing goes: the
//! restoration is done, and what failed then is told beside it.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, RenameFlags, Stat, StatxAttributes, StatxFlags, renameat_with, statat, statx,
};

use super::copy::{self, copy_tree};
use super::manifest::{Item, Manifest};
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
        restorable(directory)?;
        let path = self.path(service, id)?;
        let point = self.check(&path)?;
        let (above, name) = place(directory).ok_or("the root of a disk can't be replaced")?;
        let said = |e: io::Error| format!("{}: {e}", directory.display());
        let (new, made) = new_beside(above, name, now_ms).map_err(|e| {
            let shown = directory.display();
            format!("{shown}: no folder for the copy could be made beside it: {e}")
        })?;
        let aside = above.join(format!("{name}.{BEFORE}-{now_ms}"));
        let live = statat(rustix::fs::CWD, directory, AtFlags::SYMLINK_NOFOLLOW);
        let live = live
            .ok()
            .filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        let whole = fill(&path, &new, &copy::item("", live.as_ref().unwrap_or(&made)))
            .and_then(|()| exchange(directory, &new, &aside).map_err(said));
        match whole {
            Ok((kept_aside, warnings)) => Ok(Restored {
                point,
                kept_aside,
                warnings,
            }),
            Err(why) => {
                discard(&new, &made);
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
            said.push(match inode.is_some_and(|inode| inode != found.ino()) {
                true => name_aside(&path, &above.join(format!("{name}.{BEFORE}-{ms}"))),
                false => take_copy(&path, directory),
            });
        }
        said
    }
}

/// Can a point be put in the place of this directory at all? Where something is mounted there it cannot: the kernel exchanges no
/// mounts, and to move what is inside one by one would leave neither the old data nor the new after a death in the middle.
///
/// # Errors
/// Why not, and what to do, for a person.
pub fn restorable(directory: &Path) -> Result<(), String> {
    let found = statx(
        rustix::fs::CWD,
        directory,
        AtFlags::SYMLINK_NOFOLLOW,
        StatxFlags::TYPE,
    );
    // What is not there is put there; what cannot be looked at is told of by whoever copies it.
    let mounted =
        found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    match mounted {
        true => Err(format!(
            "{} is itself a mount point, so a recovery point cannot be put in its place; move the data into a folder inside it, and \
             let `data.directory` name that one",
            directory.display()
        )),
        false => Ok(()),
    }
}

/// The folder it is in, and its name.
fn place(directory: &Path) -> Option<(&Path, &str)> {
    Some((directory.parent()?, directory.file_name()?.to_str()?))
}

/// The exchange was made before the death; says so.
fn name_aside(path: &Path, aside: &Path) -> String {
    let what = "a restoration was interrupted: the data was exchanged; what was there before is in";
    match rename_new(path, aside) {
        Ok(()) => format!("{what} {}", aside.display()),
        Err(e) => {
            let (path, aside) = (path.display(), aside.display());
            format!("{what} {path}: it could not be renamed to {aside}: {e}")
        }
    }
}

/// The exchange was not made before the death; says so.
fn take_copy(path: &Path, directory: &Path) -> String {
    let directory = directory.display();
    let what = format!("a restoration was interrupted: {directory} is as it was");
    match fs::remove_dir_all(path) {
        Ok(()) => what,
        Err(e) => {
            let path = path.display();
            format!("{what}; the copy {path} could not be taken away: {e}")
        }
    }
}

/// An empty folder whose name has its inode, for nobody else as long as it is filled; and how it would be otherwise.
fn new_beside(above: &Path, name: &str, now_ms: u64) -> io::Result<(PathBuf, Stat)> {
    let first = above.join(format!("{name}.{RESTORING}-{now_ms}"));
    fs::create_dir(&first)?;
    let named = statat(rustix::fs::CWD, &first, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(io::Error::from)
        .and_then(|made| {
            let inode = made.st_ino;
            fs::set_permissions(&first, fs::Permissions::from_mode(0o700))?;
            let new = above.join(format!("{name}.{RESTORING}-{now_ms}-{inode}"));
            rename_new(&first, &new)?;
            Ok((new, made))
        });
    if named.is_err() {
        let _ = fs::remove_dir(first);
    }
    named
}

/// Takes the copy away; what has its name without being it is the old data, and stays.
fn discard(new: &Path, made: &Stat) {
    let found = fs::symlink_metadata(new);
    if found.is_ok_and(|found| (found.dev(), found.ino()) == (made.st_dev, made.st_ino)) {
        let _ = fs::remove_dir_all(new);
    }
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

/// The two change places; says where what was in `directory` is then (`None`: there was nothing), and what failed after the exchange.
///
/// An error means that nothing was exchanged.
fn exchange(
    directory: &Path,
    new: &Path,
    aside: &Path,
) -> io::Result<(Option<PathBuf>, Vec<String>)> {
    let here = rustix::fs::CWD;
    let exists = statat(here, directory, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    let flags = match exists {
        true => RenameFlags::EXCHANGE,
        false => RenameFlags::NOREPLACE,
    };
    renameat_with(here, new, here, directory, flags)?;
    // From here on `new` is the old data.
    let mut warnings = Vec::new();
    let kept = exists.then(|| match rename_new(new, aside) {
        Ok(()) => aside.to_owned(),
        Err(e) => {
            let (new_shown, aside) = (new.display(), aside.display());
            warnings.push(format!("the data was restored, and what was there before is in {new_shown}: it could not be renamed to {aside}: {e}"));
            new.to_owned()
        }
    });
    if let Some(Err(e)) = directory.parent().map(sync_folder) {
        let shown = directory.display();
        warnings.push(format!("{shown} was restored, but it is not sure that the disk has it: {e}; look after the disk and run `sync`, and after a power failure see which data is there"));
    }
    Ok((kept, warnings))
}

/// `root` is what the folder itself becomes.
fn fill(point: &Path, new: &Path, root: &Item) -> Result<(), String> {
    let manifest = Manifest::read(point).map_err(|e| format!("{}: {e}", point.display()))?;
    let (from, to) = (open(&point.join("data"))?, open(new)?);
    copy_tree(&from, &to).map_err(|e| format!("{}: {e}", new.display()))?;
    rustix::fs::syncfs(&to).map_err(|e| io::Error::from(e).to_string())?;
    copy::compare(&to, &manifest.items).map_err(|e| format!("{}: {e}", new.display()))?;
    copy::dress(&to, &manifest.items, root).map_err(|e| {
        let (point, new) = (point.display(), new.display());
        format!("the copy {new} of {point}: {e}")
    })
}
