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
