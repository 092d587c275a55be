//! The newest fence of each service, on the disk: an agent that is started anew must refuse what the one before it would have.
//!
//! A file of a few lines, replaced whole. It is on the disk before an order is carried out; one that cannot be written is a reason
//! not to carry it out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::id::Epoch;
use evenkeel_core::remote::Fences;

const FILE_NAME: &str = "fences.json";
/// A thousand names and numbers; a larger file is none of ours.
const BYTES_MAX: u64 = 256 * 1024;

/// Where they are kept.
#[derive(Clone, Debug)]
pub(super) struct Kept(PathBuf);

impl Kept {
    pub(super) fn new(state_dir: &Path) -> Kept {
        Kept(state_dir.join(FILE_NAME))
    }

    /// What was kept; nothing where nothing ever was.
    pub(super) fn load(&self) -> io::Result<Fences> {
        let wrong = |what: String| {
            let path = self.0.display();
            let words = format!(
                "{path} {what}: it says which orders were carried out already; delete it once no balancer is connected"
            );
            io::Error::new(io::ErrorKind::InvalidData, words)
        };
        let about = match fs::metadata(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Fences::default()),
            about => about?,
        };
        if about.len() > BYTES_MAX {
            return Err(wrong(format!("has {} bytes", about.len())));
        }
        let read =
            serde_json::from_slice::<std::collections::BTreeMap<String, u64>>(&fs::read(&self.0)?);
        let map = read.map_err(|e| wrong(format!("can't be read ({e})")))?;
        let kept = map.into_iter();
        Ok(Fences::carried(kept.map(|(service, fence)| {
            (Arc::from(service), Epoch(fence))
        })))
    }

    /// Writes them, whole or not at all.
    pub(super) fn store(&self, fences: &Fences) -> io::Result<()> {
        let map: std::collections::BTreeMap<&str, u64> = fences
            .iter()
            .map(|(name, fence)| (&**name, fence.0))
            .collect();
        let beside = self.0.with_extension("json.new");
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(serde_json::to_string(&map)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.0)?;
        match self.0.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}
