//! Recovery points: checked copies of a service's data, made on schedule, restored on request.
//!
//! `FOLDER/SERVICE/ID` holds `manifest` (what belongs to it, each file with its SHA-256, and the digest of all that at its end)
//! and `data`. A point is built as `ID.partial`, read back from the disk, and only then gets its name, so whatever has a name is
//! whole; what is left of a crash in the middle is taken away by the next one.
//!
//! A copy is of one moment or is none: what changed while it was made is copied again, and data that never stands still for
//! that long is refused with the reason. What is deliberately absent: extended attributes, and files that are no files
//! (sockets, devices), which are listed as left out.

mod copy;
mod manifest;
mod restore;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::facts;
use crate::files;
use copy::copy_tree;
use manifest::Manifest;

pub use manifest::Point;
pub use restore::restorable;

/// A disk needs room for more than data: for the manifest, and for whoever else writes there.
const SPARE_BYTES: u64 = 1 << 20;
/// What has this ending is not whole.
const PARTIAL: &str = "partial";

/// All recovery points of a host.
#[derive(Clone, Debug)]
pub struct Points {
    folder: PathBuf,
}

/// What a restoration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The point.
    pub point: Point,
    /// Where the data that was there before is now; `None` if there was none.
    pub kept_aside: Option<PathBuf>,
    /// What failed when the data was restored already, for a person.
    pub warnings: Vec<String>,
}

impl Points {
    /// Kept in this folder, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Points {
        Points { folder }
    }

    /// The whole points of a service, newest first. What says to be another than its folder's name is none: a name is followed.
    pub fn list(&self, service: &str) -> Vec<Point> {
        let found = self.found(service).into_iter();
        let mut points: Vec<Point> = found
            .filter(|(path, point)| is_named(path, point))
            .map(|(_, point)| point)
            .collect();
        points.sort_by(|a, b| (b.made_ms, &b.id).cmp(&(a.made_ms, &a.id)));
        points
    }

    /// What [`Points::list`] passes over because its manifest names another point, for a person.
    pub fn misnamed(&self, service: &str) -> Vec<String> {
        let found = self.found(service).into_iter();
        let wrong = found.filter(|(path, point)| !is_named(path, point));
        wrong
            .map(|(path, point)| {
                let (path, id) = (path.display(), &point.id);
                format!("{path} is passed over as a recovery point: its manifest says {id:?}; if it was renamed, give it that name back, else take it away")
            })
            .collect()
    }

    fn found(&self, service: &str) -> Vec<(PathBuf, Point)> {
        let entries = fs::read_dir(self.folder.join(service));
        let paths = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let whole = paths.filter(|path| path.extension().is_none_or(|end| end != PARTIAL));
        whole
            .filter_map(|path| Manifest::head(&path).ok().map(|point| (path, point)))
            .collect()
    }

    /// Makes a point of what is in `source`, and reads it back. `now_ms` is since 1970.
    ///
    /// # Errors
    /// For a person; nothing is left behind.
    pub fn make(&self, service: &str, source: &Path, now_ms: u64) -> Result<Point, String> {
        let folder = self.folder.join(service);
        private_folder(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        self.clean(service);
        self.room_for(source, &folder)?;
        let id = self.free_id(&folder, now_ms);
        let partial = folder.join(format!("{id}.{PARTIAL}"));
        let made = self.build(service, &id, source, &partial, now_ms);
        let named = made.and_then(|point| {
            fs::rename(&partial, folder.join(&id))
                .and_then(|()| sync_folder(&folder))
                .map_err(|e| format!("{}: {e}", partial.display()))?;
            Ok(point)
        });
        if named.is_err() {
            let _ = fs::remove_dir_all(&partial);
        }
        named
    }

    fn build(
        &self,
        service: &str,
        id: &str,
        source: &Path,
        partial: &Path,
        now_ms: u64,
    ) -> Result<Point, String> {
        let data = partial.join("data");
        private_folder(partial)
            .and_then(|()| fs::create_dir(&data))
            .map_err(|e| format!("{}: {e}", partial.display()))?;
        let (from, to) = (open(source)?, open(&data)?);
        let tree = copy_tree(&from, &to).map_err(|e| format!("{}: {e}", source.display()))?;
        let point = Point {
            service: service.to_owned(),
            id: id.to_owned(),
            made_ms: now_ms,
            source: source.to_owned(),
            bytes: tree.items.iter().map(|item| item.bytes).sum(),
            files: tree
                .items
                .iter()
                .filter(|item| item.sha256.is_some())
                .count() as u64,
            left_out: tree.left_out,
        };
        let manifest = Manifest {
            point,
            items: tree.items,
        };
        manifest
            .write(partial)
            .map_err(|e| format!("{}: {e}", partial.display()))?;
        rustix::fs::syncfs(&to)
            .map_err(|e| format!("{}: {}", partial.display(), io::Error::from(e)))?;
        self.check(partial)
    }

    /// Reads a point back from the disk and compares everything with its manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, service: &str, id: &str) -> Result<Point, String> {
        self.check(&self.path(service, id)?)
    }

    fn check(&self, path: &Path) -> Result<Point, String> {
        let manifest = Manifest::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let data = open(&path.join("data"))?;
        copy::compare(&data, &manifest.items).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(manifest.point)
    }

    /// Takes away all but the newest `keep` points; says which went.
    pub fn prune(&self, service: &str, keep: usize) -> Vec<Point> {
        let surplus: Vec<Point> = self
            .list(service)
            .split_off(keep.min(self.list(service).len()));
        let gone = |point: &Point| {
            let path = self.folder.join(service).join(&point.id);
            // Not whole any more before anything of it is gone: a crash here leaves no half point with a name.
            let partial = path.with_file_name(format!("{}.{PARTIAL}", point.id));
            fs::rename(&path, &partial)
                .and_then(|()| fs::remove_dir_all(&partial))
                .is_ok()
        };
        surplus.into_iter().filter(gone).collect()
    }

    /// Takes away what a crash in the middle of making a point has left.
    fn clean(&self, service: &str) {
        let entries = fs::read_dir(self.folder.join(service));
        for entry in entries.into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == PARTIAL) {
                let _ = fs::remove_dir_all(path);
            }
        }
    }

    fn room_for(&self, source: &Path, folder: &Path) -> Result<(), String> {
        let from = open(source)?;
        let all = files::walk(&from, copy::ENTRIES_MAX)
            .map_err(|e| format!("{}: {e}", source.display()))?;
        let needed: u64 = all
            .iter()
            .map(|entry| u64::try_from(entry.stat.st_size).unwrap_or(0))
            .sum();
        let needed = needed.saturating_add(SPARE_BYTES);
        let free = facts::disk(folder).map_or(u64::MAX, |disk| disk.free_bytes);
        if needed <= free {
            return Ok(());
        }
        Err(format!(
            "a recovery point needs {} KiB, and {} has {} KiB free: make room there, or keep fewer (data.keep)",
            needed / 1024,
            folder.display(),
            free / 1024
        ))
    }

    /// Its time, readable; a second one of the same second gets a number.
    fn free_id(&self, folder: &Path, now_ms: u64) -> String {
        let stem = manifest::stamp(now_ms);
        let ids = std::iter::once(stem.clone()).chain((2..1000).map(|n| format!("{stem}-{n}")));
        let mut ids = ids.filter(|id| !folder.join(id).exists());
        ids.next().unwrap_or(stem)
    }

    /// Where a point is; an id is never a way out of the folder.
    fn path(&self, service: &str, id: &str) -> Result<PathBuf, String> {
        let points = self.list(service);
        if points.iter().any(|point| point.id == id) {
            return Ok(self.folder.join(service).join(id));
        }
        let ids: Vec<&str> = points
            .iter()
            .take(5)
            .map(|point| point.id.as_str())
            .collect();
        Err(match ids.is_empty() {
            true => format!("service {service} has no recovery points"),
            false => format!(
                "service {service} has no recovery point {id:?}: the newest are {}",
                ids.join(", ")
            ),
        })
    }
}

fn is_named(path: &Path, point: &Point) -> bool {
    path.file_name()
        .is_some_and(|name| name == point.id.as_str())
}

fn open(path: &Path) -> Result<std::os::fd::OwnedFd, String> {
    files::open_folder(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Data of services is not for everybody who may look into the state directory.
fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
