//! Copying a tree of files so that the copy is of one moment, and comparing one with what it should be.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use rustix::fs::{Advice, AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};

use super::manifest::Item;
use crate::files::{Entry, descend, odd, parent, walk};

/// Files of one point: what is larger wants another kind of copy.
pub(crate) const ENTRIES_MAX: usize = 200_000;
/// How often what has changed meanwhile is copied again.
const PASSES: usize = 3;
/// Read and written at once.
const CHUNK: usize = 128 * 1024;

/// What was copied.
pub(super) struct Tree {
    pub(super) items: Vec<Item>,
    pub(super) left_out: Vec<String>,
}

/// Copies all there is below `from` into the empty `to`.
pub(super) fn copy_tree(from: &OwnedFd, to: &OwnedFd) -> io::Result<Tree> {
    copy_while(from, to, &mut || ())
}

/// `meanwhile` is what happens to the files while they are copied: nothing we do, except in tests.
pub(super) fn copy_while(
    from: &OwnedFd,
    to: &OwnedFd,
    meanwhile: &mut dyn FnMut(),
) -> io::Result<Tree> {
    let mut last = String::new();
    for pass in 0..PASSES {
        if pass > 0 {
            empty(to)?;
        }
        let entries = walk(from, ENTRIES_MAX)?;
        let copied = one_pass(from, to, &entries);
        meanwhile();
        match copied {
            Ok(tree) => match changed(&entries, &walk(from, ENTRIES_MAX)?) {
                None => return Ok(tree),
                Some(path) => last = path,
            },
            // It went away under our hands.
            Err((path, error)) if error.kind() == io::ErrorKind::NotFound => last = path,
            Err((path, error)) => return Err(odd(&format!("{path}: {error}"))),
        }
    }
    Err(odd(&format!(
        "it changed while it was copied, {PASSES} times ({last}): copy what stands still, such as a dump the service makes"
    )))
}

fn one_pass(from: &OwnedFd, to: &OwnedFd, entries: &[Entry]) -> Result<Tree, (String, io::Error)> {
    let mut tree = Tree {
        items: Vec::new(),
        left_out: Vec::new(),
    };
    for entry in entries {
        let shown = entry.path.display().to_string();
        let Some(path) = entry.path.to_str() else {
            return Err((shown, odd("its name is not UTF-8")));
        };
        let mut item = item(path, &entry.stat);
        let done = match entry.kind {
            FileType::Directory => parent(to, &entry.path)
                .and_then(|(folder, name)| Ok(rustix::fs::mkdirat(&folder, name, Mode::RWXU)?)),
            FileType::RegularFile => copy_file(from, to, &entry.path).map(|(bytes, sha256)| {
                item.bytes = bytes;
                item.sha256 = Some(sha256);
            }),
            FileType::Symlink => {
                copy_link(from, to, &entry.path).map(|target| item.target = Some(target))
            }
            _ => {
                tree.left_out.push(path.to_owned());
                continue;
            }
        };
        done.map_err(|error| (shown, error))?;
        tree.items.push(item);
    }
    Ok(tree)
}

pub(super) fn item(path: &str, stat: &Stat) -> Item {
    Item {
        path: path.to_owned(),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified_s: stat.st_mtime,
        modified_ns: stat.st_mtime_nsec,
        bytes: 0,
        sha256: None,
        target: None,
    }
}

fn copy_file(from: &OwnedFd, to: &OwnedFd, path: &Path) -> io::Result<(u64, String)> {
    let mut source = open_file(from, path)?;
    let (folder, name) = parent(to, path)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = File::from(rustix::fs::openat(
        &folder,
        name,
        flags,
        Mode::RUSR | Mode::WUSR,
    )?);
    digest(&mut source, |bytes| copy.write_all(bytes))
}

/// A link to a device or a pipe that would wait for ever is none: it must be a file when it is open, too.
fn open_file(folder: &OwnedFd, path: &Path) -> io::Result<File> {
    let (folder, name) = parent(folder, path)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, name, flags, Mode::empty())?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    match kind {
        FileType::RegularFile => Ok(File::from(file)),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

fn digest(
    source: &mut File,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(u64, String)> {
    let (mut buffer, mut context, mut bytes) = (vec![0; CHUNK], Context::new(&SHA256), 0);
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok((bytes, hex(context.finish().as_ref()))),
            Ok(length) => {
                context.update(&buffer[..length]);
                each(&buffer[..length])?;
                bytes += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn copy_link(from: &OwnedFd, to: &OwnedFd, path: &Path) -> io::Result<String> {
    let (folder, name) = parent(from, path)?;
    let target = rustix::fs::readlinkat(&folder, name, Vec::new())?;
    let target = target
        .into_string()
        .map_err(|_| odd("its target is not UTF-8"))?;
    let (folder, name) = parent(to, path)?;
    rustix::fs::symlinkat(&target, &folder, name)?;
    Ok(target)
}

/// The first difference between two walks, if any: something that came, went or was written.
fn changed(before: &[Entry], after: &[Entry]) -> Option<String> {
    let mark = |e: &Entry| {
        (
            e.stat.st_ino,
            e.stat.st_size,
            e.stat.st_mtime,
            e.stat.st_mtime_nsec,
        )
    };
    let sorted = |all: &[Entry]| {
        let mut all: Vec<_> = all.iter().map(|e| (e.path.clone(), mark(e))).collect();
        all.sort();
        all
    };
    let (before, after) = (sorted(before), sorted(after));
    let differs = before.iter().zip(&after).find(|(a, b)| a != b);
    let path = differs.map(|(_, now)| now.0.display().to_string());
    path.or_else(|| (before.len() != after.len()).then(|| "files came or went".to_owned()))
}

/// Is everything below `folder` as the manifest says? Read from the disk itself, as far as the kernel lets go of its copy.
pub(super) fn compare(folder: &OwnedFd, items: &[Item]) -> io::Result<()> {
    let found = walk(folder, ENTRIES_MAX)?;
    if found.len() != items.len() {
        return Err(odd(&format!(
            "{} things are there, {} should be",
            found.len(),
            items.len()
        )));
    }
    for item in items {
        let wrong = |what: &str| odd(&format!("{}: {what}", item.path));
        let path = Path::new(&item.path);
        if let Some(expected) = &item.sha256 {
            let mut file = open_file(folder, path).map_err(|e| wrong(&e.to_string()))?;
            let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
            let (bytes, found) = digest(&mut file, |_| Ok(()))?;
            if (bytes, &found) != (item.bytes, expected) {
                return Err(wrong("its content is not what was written"));
            }
        } else if let Some(expected) = &item.target {
            let (above, name) = parent(folder, path)?;
            let found = rustix::fs::readlinkat(&above, name, Vec::new())?;
            if found.to_bytes() != expected.as_bytes() {
                return Err(wrong("the link leads elsewhere"));
            }
        } else {
            descend(folder, path).map_err(|e| wrong(&e.to_string()))?;
        }
    }
    Ok(())
}

/// Gives everything its owner, mode and time back, and the folder itself those of `root`; from the end, so that a folder's time is set
/// after what is in it. Owners first: where one can't be set, everything may still be taken away.
pub(super) fn dress(folder: &OwnedFd, items: &[Item], root: &Item) -> io::Result<()> {
    for item in items.iter().rev() {
        let (above, name) = parent(folder, Path::new(&item.path))?;
        own(&above, name, item)?;
    }
    own(folder, OsStr::new("."), root)?;
    for item in items.iter().rev().filter(|item| item.target.is_none()) {
        let (above, name) = parent(folder, Path::new(&item.path))?;
        mode_and_time(&above, name, item)?;
    }
    mode_and_time(folder, OsStr::new("."), root)
}

/// Only root may give away. What is ours and was ours needs no gift; its group is then as near as we may come.
fn own(above: &OwnedFd, name: &OsStr, item: &Item) -> io::Result<()> {
    let owner = (Some(Uid::from_raw(item.uid)), Some(Gid::from_raw(item.gid)));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let Err(error) = rustix::fs::chownat(above, name, owner.0, owner.1, flags) else {
        return Ok(());
    };
    if rustix::fs::statat(above, name, flags)?.st_uid == item.uid {
        return Ok(());
    }
    let shown = match item.path.as_str() {
        "" => "the folder itself",
        path => path,
    };
    Err(odd(&format!(
        "{shown} belongs to user {} (group {}), and evenkeel, which runs as user {}, could not give it to them: {error}; restore with evenkeel running as root, or copy the point's data by hand",
        item.uid,
        item.gid,
        rustix::process::geteuid().as_raw()
    )))
}

fn mode_and_time(above: &OwnedFd, name: &OsStr, item: &Item) -> io::Result<()> {
    let mode = Mode::from_raw_mode(item.mode);
    rustix::fs::chmodat(above, name, mode, AtFlags::empty())?;
    let time = Timespec {
        tv_sec: item.modified_s,
        tv_nsec: i64::try_from(item.modified_ns).unwrap_or(0),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(above, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// Before another pass.
fn empty(folder: &OwnedFd) -> io::Result<()> {
    for entry in walk(folder, ENTRIES_MAX)?.iter().rev() {
        let (above, name) = parent(folder, &entry.path)?;
        let flags = match entry.kind {
            FileType::Directory => AtFlags::REMOVEDIR,
            _ => AtFlags::empty(),
        };
        rustix::fs::unlinkat(&above, name, flags)?;
    }
    Ok(())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
