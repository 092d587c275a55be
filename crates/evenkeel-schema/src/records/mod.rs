//! What is kept over restarts, as versioned JSON: endpoint states with the operator's orders, accounts, revisions of the
//! configuration, incidents, what the recovery tried, sessions that are kept for clients, and the labelled cases of drills.
//!
//! JSON because a person may have to look at it, and fields can be added; a version in front because fields may one day
//! mean something else. Reading never panics: a record that cannot be read is refused with a reason, and the reader goes on
//! without it.

mod account;
mod case;
mod endpoint;
mod incident;
mod notice;
mod recovery;
mod revision;
mod sessions;
#[cfg(test)]
mod tests;
mod underway;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use account::{AccountRecord, BookRecord, Buckets, CountsRecord, EndpointAccountRecord};
pub use case::{CaseRecord, ClientsRecord};
pub use endpoint::EndpointRecord;
pub use incident::IncidentRecord;
pub use notice::{NoticeRecord, ToldIncident, ToldRecord};
pub use recovery::{CuresRecord, RecoveryRecord, TriedRecord};
pub use revision::RevisionRecord;
pub use sessions::SessionsRecord;
pub use underway::UnderwayRecord;

/// A stored record is never larger: a configuration of the largest size fits, even if JSON writes each byte as six.
pub const RECORD_BYTES_MAX: usize = 6 * crate::config::TEXT_BYTES_MAX + 64 * 1024;

/// Why a record was not read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// What kind of record it should be.
    pub kind: &'static str,
    /// What was found.
    pub why: String,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stored {} record not usable: {}", self.kind, self.why)
    }
}

impl std::error::Error for RecordError {}

/// Something the store keeps.
pub trait Record: Serialize + DeserializeOwned {
    /// Its kind, written into it, so that one kind's bytes are never read as another's.
    const KIND: &'static str;
    /// Grows when a field changes its meaning; an added field does not change it.
    const VERSION: u32 = 1;

    /// What the types cannot say.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// The bytes to store.
    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let frame = Frame {
            kind: Self::KIND.into(),
            version: Self::VERSION,
            record: self,
        };
        let bytes = serde_json::to_vec(&frame).map_err(|e| refuse::<Self>(e.to_string()))?;
        within_size::<Self>(&bytes)?;
        Ok(bytes)
    }

    /// The record in `bytes`, or why there is none.
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        within_size::<Self>(bytes)?;
        // The version is read first: a newer record may not fit the type at all.
        let head: Head =
            serde_json::from_slice(bytes).map_err(|e| refuse::<Self>(e.to_string()))?;
        if head.kind != Self::KIND || head.version != Self::VERSION {
            let found = format!("found {:.32} version {}", head.kind, head.version);
            return Err(refuse::<Self>(format!(
                "{found}, wanted version {}",
                Self::VERSION
            )));
        }
        let frame: Frame<Self> =
            serde_json::from_slice(bytes).map_err(|e| refuse::<Self>(e.to_string()))?;
        frame.record.validate().map_err(refuse::<Self>)?;
        Ok(frame.record)
    }
}

/// What every record begins with.
#[derive(Deserialize)]
struct Head {
    kind: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Frame<R> {
    kind: String,
    version: u32,
    record: R,
}

fn refuse<R: Record>(why: String) -> RecordError {
    RecordError { kind: R::KIND, why }
}

fn within_size<R: Record>(bytes: &[u8]) -> Result<(), RecordError> {
    if bytes.len() <= RECORD_BYTES_MAX {
        return Ok(());
    }
    let found = bytes.len();
    Err(refuse::<R>(format!(
        "{found} bytes, at most {RECORD_BYTES_MAX} are read"
    )))
}
