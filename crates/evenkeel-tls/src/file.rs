//! Bytes of a file, bounded, and a mark by which a change is seen.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

/// The whole bundle of public authorities is some 220 KB.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// What was read, or why it could not be.
pub(crate) type Content = Result<Zeroizing<Vec<u8>>, String>;

/// Reads a file. It is judged by its content and never by its times: those may stay the same when a link is turned.
pub(crate) fn read(path: &Path) -> Content {
    let told = |error: std::io::Error| format!("it cannot be read: {error}");
    // A pipe would hold us up.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut file = File::open(path).map_err(told)?;
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = FILE_MAX + 1;
    // Room for all of it at once: a vector that grows leaves copies of a key behind.
    let size = file.metadata().map_err(told)?.len().min(limit);
    bytes.reserve_exact(size as usize + 1);
    file.by_ref()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(format!("it has more than {} MiB", FILE_MAX >> 20));
    }
    Ok(bytes)
}

/// A mark of what files hold: the same for the same contents, another for others (but for one in 2^64).
pub(crate) fn mark<'a>(contents: impl IntoIterator<Item = Option<&'a Content>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for content in contents {
        content
            .map(|content| content.as_ref().map(|bytes| bytes.as_slice()))
            .hash(&mut hasher);
    }
    hasher.finish()
}
