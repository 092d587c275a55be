//! Facts: what can be read of this machine and of the services on it, without asking them.
//!
//! A reading is bounded and cheap (well below 5 ms with ten services), takes nothing for granted in `/proc` (processes end
//! while they are read, files may belong to others) and never waits but for a file system that hangs: so it belongs on a
//! thread of its own. Rates are taken between two readings; the first has none.

mod disk;
mod family;
mod group;
mod machine;
mod service;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::facts::Facts;
use evenkeel_keeper::Limits;

use family::Families;
use service::Services;

pub use disk::disk;
pub use service::age;

/// A service to read the facts of.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name.
    pub name: Arc<str>,
    /// Its leading process.
    pub pid: u32,
    /// Bytes it may use.
    pub memory_max: Option<u64>,
    /// Thousandths of a core it may use.
    pub cpu_max: Option<u32>,
    /// What holds it to those.
    pub limits: Limits,
    /// The directories whose disks matter to it.
    pub directories: Vec<PathBuf>,
    /// The link of its present release.
    pub release: Option<PathBuf>,
}

impl Subject {
    /// Where the link of its present release leads.
    fn leads_to(&self) -> Option<PathBuf> {
        std::fs::read_link(self.release.as_ref()?).ok()
    }
}

/// Reads facts; remembers what the next reading's rates need.
#[derive(Debug, Default)]
pub struct Reader {
    machine: machine::Machine,
    families: Families,
    services: Services,
}

impl Reader {
    /// Everything there is to know now. `directories` are evenkeel's own, `now` any clock that only goes on.
    pub fn read(&mut self, subjects: &[Subject], directories: &[PathBuf], now: Duration) -> Facts {
        let mut machine = self.machine.read(now);
        machine.disks = disk::disks(directories);
        self.families.look(subjects, now);
        let services = self.services.read(subjects, &self.families, now);
        Facts { machine, services }
    }
}

/// What something that only grows grew by in a time, as thousandths of that time: 1000 = one core, where it is time used.
fn millis_per_second(grown: Duration, within: Duration) -> Option<u32> {
    if within.is_zero() {
        return None;
    }
    let share = grown.as_micros().saturating_mul(1000) / within.as_micros().max(1);
    Some(u32::try_from(share).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
