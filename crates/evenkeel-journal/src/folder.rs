//! The folder of segments: their names and order, and how many are kept.

use std::io;
use std::path::{Path, PathBuf};

/// Within `state_dir`.
pub const FOLDER: &str = "journal";
/// So many segments are kept: with `SEGMENT_MAX` 128 MiB, which is half a day of ten
/// endpoints under load and a week of quiet ones.
pub const KEPT: usize = 8;
const ENDING: &str = "journal";

/// All segments of a folder, oldest first, with their numbers.
///
/// # Errors
/// The folder cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path
            .file_stem()
            .and_then(|name| name.to_str()?.parse().ok());
        if let (Some(number), true) = (number, path.extension().is_some_and(|e| e == ENDING)) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The path of a segment.
pub(crate) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.{ENDING}"))
}
