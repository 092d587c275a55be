//! The list of causes. Each has a file with its prior and its table; this file says what a table is.

use serde::{Deserialize, Serialize};

use crate::registry::Part;

use super::causes;
use super::condition::Condition;
use super::evidence::Evidence;

/// Why something fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // CAUSES says what each is
pub enum Cause {
    ProcessDead,
    ProcessHung,
    HostDead,
    NetworkPathCut,
    NetworkSlow,
    CpuOverload,
    MemoryLeak,
    MemoryExhausted,
    DiskFull,
    DiskSlow,
    DependencyDown,
    BadRelease,
    BadConfig,
    CertificateExpired,
    PortTaken,
    BalancerItself,
    Unknown,
}

/// How far a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// One endpoint.
    Endpoint,
    /// A machine and all on it.
    Node,
    /// The way there.
    Path,
    /// A zone.
    Zone,
    /// Something the endpoints need.
    Dependency,
    /// What was shipped to them.
    Release,
    /// The balancer itself: then nothing is done to anybody else.
    Us,
}

impl Scope {
    /// All.
    pub const ALL: [Scope; 7] = [
        Scope::Endpoint,
        Scope::Node,
        Scope::Path,
        Scope::Zone,
        Scope::Dependency,
        Scope::Release,
        Scope::Us,
    ];

    /// The word in status, API and records.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Endpoint => "endpoint",
            Scope::Node => "node",
            Scope::Path => "path",
            Scope::Zone => "zone",
            Scope::Dependency => "dependency",
            Scope::Release => "release",
            Scope::Us => "us",
        }
    }
}

/// A cause in the list.
#[derive(Clone, Copy, Debug)]
pub struct CauseEntry {
    /// Which.
    pub cause: Cause,
    /// What it says of itself.
    pub part: Part,
    /// Of all faults, the share that has this cause, before anything is known.
    pub prior: f64,
    /// How far it reaches by its nature.
    pub scope: Scope,
    /// What a person can do about it.
    pub advice: &'static str,
    /// And once it is over, so that it does not come again.
    pub afterwards: &'static str,
    /// How probable each condition is under this cause; others have their leak.
    pub conditions: &'static [(Condition, f64)],
    /// How probable each kind of evidence is under this cause by itself; others have their leak.
    pub evidence: &'static [(Evidence, f64)],
}

/// All causes, in the order of their numbers.
pub const CAUSES: &[CauseEntry] = &[
    causes::process_dead::ENTRY,
    causes::process_hung::ENTRY,
    causes::host_dead::ENTRY,
    causes::network_path_cut::ENTRY,
    causes::network_slow::ENTRY,
    causes::cpu_overload::ENTRY,
    causes::memory_leak::ENTRY,
    causes::memory_exhausted::ENTRY,
    causes::disk_full::ENTRY,
    causes::disk_slow::ENTRY,
    causes::dependency_down::ENTRY,
    causes::bad_release::ENTRY,
    causes::bad_config::ENTRY,
    causes::certificate_expired::ENTRY,
    causes::port_taken::ENTRY,
    causes::balancer_itself::ENTRY,
    causes::unknown::ENTRY,
];

impl Cause {
    /// Its entry.
    pub fn entry(self) -> &'static CauseEntry {
        &CAUSES[self as usize]
    }

    /// The word in API, metrics and records.
    pub fn name(self) -> &'static str {
        self.entry().part.name
    }

    /// The cause of this name.
    pub fn named(name: &str) -> Option<Cause> {
        let found = CAUSES.iter().find(|entry| entry.part.name == name);
        found.map(|entry| entry.cause)
    }
}
