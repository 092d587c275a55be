//! An incident, so that its number is not given twice and a fault that lasts stays the same fault over a restart.

use evenkeel_core::incident::Record as Incident;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::admin::IncidentStatus;

/// One incident, as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentRecord(pub IncidentStatus);

impl IncidentRecord {
    /// The key it is stored under; keys sort as the numbers do.
    pub fn key(id: u64) -> String {
        format!("{id:020}")
    }
}

impl Record for IncidentRecord {
    const KIND: &'static str = "incident";
}

impl From<Incident> for IncidentRecord {
    fn from(incident: Incident) -> IncidentRecord {
        IncidentRecord(incident.into())
    }
}

impl From<IncidentRecord> for Incident {
    fn from(record: IncidentRecord) -> Incident {
        record.0.into_record()
    }
}
