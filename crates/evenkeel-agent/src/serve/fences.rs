//! The newest fence of each service, on the disk: an agent that is started anew must refuse what the one before it would have.
//!
//! A file of a few lines, replaced whole. It is on the disk before an order is carried out; one that cannot be written is a reason
//! not to carry it out.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::id::Epoch;
use evenkeel_core::remote::{Fences, calendar};
use evenkeel_core::time::WallTime;

const FILE_NAME: &str = "fences.json";
/// Beside the services: what holds for all of them. No service can be called so.
const FLOOR: &str = "*";
/// A thousand names and numbers; a larger file is none of ours.
const BYTES_MAX: u64 = 256 * 1024;

/// Where they are kept.
#[derive(Clone, Debug)]
pub(super) struct Kept(PathBuf);

impl Kept {
    pub(super) fn new(state_dir: &Path) -> Kept {
        Kept(state_dir.join(FILE_NAME))
    }

    /// What was kept; nothing where nothing ever was. What can't be read is set aside, and said.
    ///
    /// Of what is more than a day ahead of `now` it is said, and not believed. The file stays as it is until an order is taken: perhaps
    /// it is this host's clock that is wrong, and set right before the next start.
    pub(super) fn load(&self, now: WallTime) -> Fences {
        let why = match self.read() {
            Ok(mut fences) => {
                self.cap(&mut fences, now);
                return fences;
            }
            Err(why) => why,
        };
        let aside = self.0.with_extension("json.damaged");
        let kept = fs::rename(&self.0, &aside);
        let kept = kept.map_or_else(
            |e| e.to_string(),
            |()| format!("kept as {}", aside.display()),
        );
        tracing::error!(
            "{}: {why} ({kept}); it says which orders were taken already, so none is taken that was decided before now",
            self.0.display()
        );
        let fences = Fences::lost(calendar(now));
        // At once: whoever comes after this process must not find nothing and take everything.
        if let Err(error) = self.store(&fences) {
            tracing::error!("{}: can't be written: {error}", self.0.display());
        }
        fences
    }

    fn cap(&self, fences: &mut Fences, now: WallTime) {
        let wrong = fences.cap(now);
        if wrong.is_empty() {
            return;
        }
        let whose: Vec<_> = wrong
            .iter()
            .map(|service| service.as_deref().unwrap_or("all services"))
            .collect();
        tracing::warn!(
            "{}: the fence of {} is more than a day ahead of this host's clock and is not believed; orders are taken that are decided \
             from now on. An order of a balancer with a wrong clock was taken, or this host's clock is wrong",
            self.0.display(),
            whose.join(", ")
        );
    }

    fn read(&self) -> Result<Fences, String> {
        let about = match fs::metadata(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Fences::default()),
            about => about.map_err(|e| e.to_string())?,
        };
        if !about.is_file() || about.len() > BYTES_MAX {
            return Err("no file of fences".into());
        }
        let bytes = fs::read(&self.0).map_err(|e| e.to_string())?;
        let map = serde_json::from_slice::<BTreeMap<String, u64>>(&bytes);
        let mut map = map.map_err(|e| format!("it can't be read: {e}"))?;
        let floor = map.remove(FLOOR).unwrap_or_default();
        let kept = map.into_iter();
        let kept = kept.map(|(service, fence)| (Arc::from(service), Epoch(fence)));
        Ok(Fences::carried(kept, Epoch(floor)))
    }

    /// Writes them, whole or not at all.
    pub(super) fn store(&self, fences: &Fences) -> io::Result<()> {
        let services = fences.iter().map(|(name, fence)| (&**name, fence.0));
        let floor = Some(fences.floor().0).filter(|floor| *floor > 0);
        let map: BTreeMap<&str, u64> = services.chain(floor.map(|floor| (FLOOR, floor))).collect();
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
