//! Recovery points as the admin API shows them.

use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// `GET /v1/recovery-points`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPoints {
    /// By service, newest first. Each was read back from the disk and compared when it was made.
    pub recovery_points: Vec<RecoveryPoint>,
    /// Services whose last one could not be made.
    pub problems: Vec<RecoveryProblem>,
    /// Services of agents that have more points than the agent tells of.
    #[serde(default)]
    pub older: Vec<RecoveryOlder>,
}

/// One of [`RecoveryPoints::recovery_points`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPoint {
    /// Whose data.
    pub service: String,
    /// Its name among the service's.
    pub id: String,
    /// When it was made.
    pub made: Stamp,
    /// What it is a copy of.
    pub directory: String,
    /// In its files.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Sockets and devices that were left out.
    pub left_out: Vec<String>,
    /// When it was so, of a service whose agent is not connected; `null` = it is so now.
    #[serde(default)]
    pub as_of: Option<Stamp>,
}

/// One of [`RecoveryPoints::older`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryOlder {
    /// Whose data.
    pub service: String,
    /// So many, all older than those in the list.
    pub points: u64,
}

/// One of [`RecoveryPoints::problems`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryProblem {
    /// Whose.
    pub service: String,
    /// When it was tried.
    pub at: Stamp,
    /// For a person.
    pub why: String,
}

/// The answer to verify and restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryAnswer {
    /// Whose data.
    pub service: String,
    /// The point that is whole, or that was restored.
    pub id: String,
    /// After a restoration: where the data that was there before is now.
    pub kept_aside: Option<String>,
}

/// What the recovery of a pool may do, does and has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryStatus {
    /// `act`, `advise` or `off`.
    pub mode: String,
    /// Actions that may be taken.
    pub allow: Vec<String>,
    /// So many more within this hour.
    pub left_this_hour: u32,
    /// What is being done.
    pub underway: Option<UnderwayStatus>,
    /// How often what was tried against which cause, and how often it cured it.
    pub cures: Vec<CureStatus>,
}

/// [`RecoveryStatus::underway`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderwayStatus {
    /// What.
    pub action: String,
    /// To whom.
    pub target: String,
    /// Where it is, in words.
    pub stage: String,
}

/// One of [`RecoveryStatus::cures`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CureStatus {
    /// Against this.
    pub cause: String,
    /// What.
    pub action: String,
    /// Times it was tried to its end.
    pub tried: u32,
    /// Times the fault was gone after it.
    pub cured: u32,
}
