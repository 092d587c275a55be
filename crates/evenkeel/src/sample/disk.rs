//! What a sample writes: a cache file for each request, and the number of requests it has served.
//!
//! Cache files are written under another name and then put in place, as caches do. So each needs room of its own while the
//! one before still has its, and a full disk is felt by the first request after it.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Files are written again in turn: 128 of 4 KiB are half a MiB, which fits on any disk one would drill on.
const FILES: u64 = 128;
/// A block of common file systems: less would be no new block, and would be written to a full disk.
const FILE_BYTES: usize = 4096;
/// The count may lag behind by this much; a crash loses it.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Where it writes to.
pub(super) struct Disk {
    cache: Option<PathBuf>,
    data: Option<PathBuf>,
    served: Cell<u64>,
    kept: Cell<Instant>,
}

impl Disk {
    /// Makes the folders, and reads how many were served before.
    pub(super) fn open(cache: Option<PathBuf>, data: Option<PathBuf>) -> Result<Disk, String> {
        for folder in [&cache, &data].into_iter().flatten() {
            std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        let served = match data.as_deref().map(count_file) {
            Some(file) => served_before(&file)?,
            None => 0,
        };
        Ok(Disk {
            cache,
            data,
            served: Cell::new(served),
            kept: Cell::new(Instant::now()),
        })
    }

    /// A request came: its file is written.
    pub(super) fn write(&self, line: &str) -> io::Result<()> {
        let number = self.served.get() + 1;
        self.served.set(number);
        if let Some(cache) = &self.cache {
            let mut page = line.as_bytes().to_vec();
            page.resize(FILE_BYTES, b' ');
            replace(&cache.join(format!("page-{:03}", number % FILES)), &page)?;
        }
        if self.kept.get().elapsed() >= KEEP_EVERY {
            self.kept.set(Instant::now());
            self.keep()?;
        }
        Ok(())
    }

    /// Writes how many were served.
    pub(super) fn keep(&self) -> io::Result<()> {
        match &self.data {
            Some(data) => replace(&count_file(data), self.served.get().to_string().as_bytes()),
            None => Ok(()),
        }
    }
}

fn count_file(data: &Path) -> PathBuf {
    data.join("served")
}

/// Data that cannot be read is no reason to begin anew: that would lose it.
fn served_before(file: &Path) -> Result<u64, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(format!("{}: {e}", file.display())),
    };
    text.trim()
        .parse()
        .map_err(|_| format!("{} is damaged: no number in it", file.display()))
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, bytes)?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_served_is_counted_on_over_a_restart_and_damage_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(folder.path().join(name));
        let disk = Disk::open(at("cache"), at("data")).unwrap();
        for _ in 0..FILES + 3 {
            disk.write("hello").unwrap();
        }
        disk.keep().unwrap();
        let files = std::fs::read_dir(at("cache").unwrap()).unwrap();
        assert_eq!(files.count() as u64, FILES);
        let again = Disk::open(at("cache"), at("data")).unwrap();
        assert_eq!(again.served.get(), FILES + 3);
        std::fs::write(count_file(&at("data").unwrap()), "\0\0\0").unwrap();
        assert!(Disk::open(at("cache"), at("data")).is_err());
    }
}
