//! What the recovery asks of the shells, and what of it outlives the process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnose::Cause;
use crate::id::{EndpointId, Epoch};
use crate::time::WallTime;

use super::actions::{Kept, Step};

/// One step of an action that a shell carries out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The fence.
    pub epoch: Epoch,
    /// The incident it is for.
    pub incident: u64,
    /// What.
    pub action: Kept,
    /// Which step of it.
    pub step: Step,
    /// The pool.
    pub pool: Arc<str>,
    /// `pool/endpoint`.
    pub subject: Arc<str>,
    /// The endpoint.
    pub endpoint: Option<EndpointId>,
    /// The service it is done to, here or an agent's.
    pub service: Option<Arc<str>>,
    /// `run`: the command's name.
    pub argument: Option<String>,
    /// The fault's first sign: data from before it is sound.
    pub since: WallTime,
    /// Why, for people.
    pub why: String,
}

/// How something that was tried ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum End {
    /// It is under way; after a restart: nobody knows how far it came.
    Open,
    /// The fault was gone after it.
    Cured,
    /// It could not be done, or the fault was still there.
    Failed,
    /// evenkeel was replaced in the middle of it.
    Interrupted,
    /// The fault is gone after it and after what a person did about it: whose merit that is nobody knows.
    Overtaken,
}

impl End {
    /// All.
    pub const ALL: [End; 5] = [
        End::Open,
        End::Cured,
        End::Failed,
        End::Interrupted,
        End::Overtaken,
    ];

    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            End::Open => "open",
            End::Cured => "cured",
            End::Failed => "failed",
            End::Interrupted => "interrupted",
            End::Overtaken => "overtaken",
        }
    }
}

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Of which endpoint, or service.
    pub subject: Arc<str>,
    /// For which incident.
    pub incident: u64,
    /// What.
    pub action: Kept,
    /// Against what.
    pub cause: Cause,
    /// When it began.
    pub at: WallTime,
    /// When it ended.
    pub ended: Option<WallTime>,
    /// How.
    pub end: End,
}

/// How often an action was tried against a cause, and how often it cured it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cures {
    /// Times it was tried to the end.
    pub tried: u32,
    /// Times the fault was gone after it.
    pub cured: u32,
}

impl Cures {
    /// The share that is to be expected next, by Laplace's rule of succession: half before anything is known.
    pub fn rate(self) -> f64 {
        (f64::from(self.cured) + 1.0) / (f64::from(self.tried) + 2.0)
    }
}

/// What is remembered of a pool's recovery over a restart. Written down before anything is done, so that whoever comes next
/// knows what may be half done and does not do it twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedRecovery {
    /// The pool.
    pub pool: Arc<str>,
    /// What was tried of late, oldest first.
    pub tried: Vec<Tried>,
    /// What has cured what so far.
    pub cures: Vec<(Cause, Kept, Cures)>,
}
