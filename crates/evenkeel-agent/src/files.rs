//! Files of services, touched without ever following a symbolic link.
//!
//! Whoever may write into a service's folders may also be who attacks: a link put in the place of a folder would lead what runs
//! with more rights than theirs to anywhere. So a path is walked name by name, each opened with `O_NOFOLLOW` below the one
//! before, from the root on; `..` is no name. A folder that is exchanged meanwhile is either the old one or the new one, both
//! where they were said to be. (The same promise as `openat2`'s `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, on every kernel.)

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// Folders in folders; deeper is a mistake or an attack.
const DEPTH_MAX: usize = 128;

/// Something found in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// From where the walk began.
    pub(crate) path: PathBuf,
    pub(crate) kind: FileType,
    pub(crate) stat: Stat,
}

/// Opens an absolute folder of which no part is a link.
pub(crate) fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let below = path.strip_prefix("/").map_err(|_| odd("is not absolute"))?;
    let root = rustix::fs::open("/", FOLDER, Mode::empty())?;
    descend(&root, below).map_err(|error| match error.raw_os_error() {
        // What the kernel says of a link where a folder is wanted.
        Some(number)
            if number == rustix::io::Errno::NOTDIR.raw_os_error()
                || number == rustix::io::Errno::LOOP.raw_os_error() =>
        {
            odd("is reached through a symbolic link, or is no folder: name the folder itself")
        }
        _ => error,
    })
}

const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::RDONLY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The folder at `below` under another one; the same one again where it is empty.
pub(crate) fn descend(folder: &OwnedFd, below: &Path) -> io::Result<OwnedFd> {
    let mut at = rustix::fs::openat(folder, ".", FOLDER, Mode::empty())?;
    for part in below.components() {
        let Component::Normal(name) = part else {
            return Err(odd("has a part that is no name"));
        };
        at = rustix::fs::openat(&at, name, FOLDER, Mode::empty())?;
    }
    Ok(at)
}

/// A path's folder, opened, and its last name.
pub(crate) fn parent<'p>(folder: &OwnedFd, path: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
    let name = path.file_name().ok_or_else(|| odd("names nothing"))?;
    let above = path.parent().unwrap_or(Path::new(""));
    Ok((descend(folder, above)?, name))
}

/// Everything below a folder, folders before what is in them, links as they are, other file systems not at all. Stops with
/// an error after `most` entries.
pub(crate) fn walk(folder: &OwnedFd, most: usize) -> io::Result<Vec<Entry>> {
    let device = rustix::fs::fstat(folder)?.st_dev;
    let mut found: Vec<Entry> = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(at) = folders.pop() {
        if at.components().count() > DEPTH_MAX {
            return Err(odd("has folders in folders too deep"));
        }
        let open = match descend(folder, &at) {
            Ok(open) => open,
            // It went away, or became something else, while it was walked.
            Err(_) if !at.as_os_str().is_empty() => continue,
            Err(error) => return Err(error),
        };
        for name in names(&open)? {
            let Ok(stat) = rustix::fs::statat(&open, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            let path = at.join(&name);
            if kind == FileType::Directory {
                if stat.st_dev != device {
                    continue;
                }
                folders.push(path.clone());
            }
            if found.len() >= most {
                return Err(odd(&format!("holds more than {most} files")));
            }
            found.push(Entry { path, kind, stat });
        }
    }
    Ok(found)
}

fn names(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

pub(crate) fn odd(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}
