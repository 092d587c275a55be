//! What the recovery of a pool has tried, so that whoever comes next knows what may be half done.

use evenkeel_core::diagnose::Cause;
use evenkeel_core::recover::actions::{Kept, find};
use evenkeel_core::recover::{CarriedRecovery, Cures, End, Tried};
use serde::{Deserialize, Serialize};

use super::Record;
use crate::stamp::Stamp;

/// A pool's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryRecord {
    /// The pool.
    pub pool: String,
    /// Oldest first.
    pub tried: Vec<TriedRecord>,
    /// What has cured what so far.
    pub cures: Vec<CuresRecord>,
}

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriedRecord {
    /// `pool/endpoint`.
    pub subject: String,
    /// For which incident.
    pub incident: u64,
    /// What.
    pub action: String,
    /// Against what.
    pub cause: String,
    /// When it began.
    pub at: Stamp,
    /// When it ended.
    pub ended: Option<Stamp>,
    /// `open`, `cured`, `failed`, `interrupted`.
    pub end: String,
}

/// A count of cures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CuresRecord {
    /// Of this cause.
    pub cause: String,
    /// By this action.
    pub action: String,
    /// Times it was tried to the end.
    pub tried: u32,
    /// Times the fault was gone after it.
    pub cured: u32,
}

impl Record for RecoveryRecord {
    const KIND: &'static str = "recovery";
}

impl From<CarriedRecovery> for RecoveryRecord {
    fn from(carried: CarriedRecovery) -> RecoveryRecord {
        let tried = carried.tried.into_iter().map(|tried| TriedRecord {
            subject: tried.subject.to_string(),
            incident: tried.incident,
            action: tried.action.name().to_owned(),
            cause: tried.cause.name().to_owned(),
            at: Stamp(tried.at),
            ended: tried.ended.map(Stamp),
            end: tried.end.name().to_owned(),
        });
        let cures = carried
            .cures
            .into_iter()
            .map(|(cause, action, cures)| CuresRecord {
                cause: cause.name().to_owned(),
                action: action.name().to_owned(),
                tried: cures.tried,
                cured: cures.cured,
            });
        RecoveryRecord {
            pool: carried.pool.to_string(),
            tried: tried.collect(),
            cures: cures.collect(),
        }
    }
}

impl From<RecoveryRecord> for CarriedRecovery {
    /// What another version called by names that are not known here is left out: it cannot be done here either.
    fn from(record: RecoveryRecord) -> CarriedRecovery {
        let tried = record.tried.into_iter().filter_map(|tried| {
            Some(Tried {
                subject: tried.subject.into(),
                incident: tried.incident,
                action: Kept(find(&tried.action)?),
                cause: Cause::named(&tried.cause).unwrap_or(Cause::Unknown),
                at: tried.at.0,
                ended: tried.ended.map(|at| at.0),
                end: End::ALL
                    .into_iter()
                    .find(|end| end.name() == tried.end)
                    .unwrap_or(End::Interrupted),
            })
        });
        let cures = record.cures.into_iter().filter_map(|cures| {
            let counts = Cures {
                tried: cures.tried,
                cured: cures.cured,
            };
            let action = Kept(find(&cures.action)?);
            Some((Cause::named(&cures.cause)?, action, counts))
        });
        CarriedRecovery {
            pool: record.pool.into(),
            tried: tried.collect(),
            cures: cures.collect(),
        }
    }
}
