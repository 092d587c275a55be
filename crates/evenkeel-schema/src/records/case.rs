//! A labelled case: a fault whose true cause is known because a drill made it, with what evenkeel saw, thought and did.
//!
//! Diagnosis is judged by such cases, and learns from them. They are files of their own beside the store, because whoever wants to read
//! them is a person or another program.

use std::collections::BTreeMap;

use evenkeel_core::diagnose::Cause;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::admin::{IncidentStatus, TimesStatus};
use crate::stamp::Stamp;

/// One drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Its scenario.
    pub scenario: String,
    /// The true cause, by its name.
    pub cause: String,
    /// `pool/endpoint`.
    pub endpoint: String,
    /// The service behind it.
    pub service: String,
    /// What was done to it, in words.
    pub what: String,
    /// When.
    pub injected: Stamp,
    /// When the drill took the fault back; `null` = there was nothing left to take back.
    pub healed: Option<Stamp>,
    /// How long the steps took, all from the injection on; `restore` where everything served again.
    pub times_ms: TimesStatus,
    /// From the injection until the endpoint served again; `null` = it was never taken out, or is not back.
    pub fail_back_ms: Option<u64>,
    /// The place of the true cause among the ranked ones, from 1; `null` = it was not among them.
    pub rank: Option<u32>,
    /// Evidence, verdict and actions; `null` = nobody noticed.
    pub incident: Option<IncidentStatus>,
    /// What clients saw meanwhile.
    pub clients: ClientsRecord,
}

/// [`CaseRecord::clients`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientsRecord {
    /// Requests a second.
    pub rate: u32,
    /// Sent.
    pub requests: u64,
    /// Failed, by how.
    pub errors: BTreeMap<String, u64>,
    /// The slowest answer.
    pub slowest_ms: u64,
}

impl CaseRecord {
    /// The true cause.
    pub fn cause(&self) -> Option<Cause> {
        Cause::named(&self.cause)
    }

    /// The name of its file: they sort as the drills were.
    pub fn file_name(&self) -> String {
        let at = self.injected.to_string().replace(':', "");
        format!("{at}-{}.json", self.scenario)
    }
}

impl Record for CaseRecord {
    const KIND: &'static str = "case";

    fn validate(&self) -> Result<(), String> {
        match self.cause() {
            Some(_) => Ok(()),
            None => Err(format!("{:.40?} is no cause", self.cause)),
        }
    }
}
