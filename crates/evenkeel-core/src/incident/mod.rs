//! Faults as incidents: from the first sign to the closed account.
//!
//! ```text
//!  signs ──▶ Ledger: the subjects, each with its board of evidence and its phase
//!              │  one fails ── alone, or with all that share its machine, zone or pool? ──▶ one Incident
//!              ▼
//!            Incident: normal → suspected → down → recovering → verifying → normal, for each of its subjects
//!              │        causes ranked again as evidence arrives; actions with their outcomes; times
//!              ▼
//!            Record: what is logged, stored, shown, and carried over a restart
//! ```

mod asked;
mod company;
mod configured;
mod doings;
mod facts;
mod grouping;
mod ledger;
mod machine;
mod memory;
mod noticed;
mod open;
mod record;
mod redone;
mod signs;
mod subject;
mod switched;
mod troubled;
mod words;

pub use asked::Asked;
pub use ledger::{IncidentChange, Ledger, News};
pub use machine::{Incident, Input, Step};
pub use noticed::Noticed;
pub use record::{ActionRecord, EvidenceRecord, Record, SubjectRecord, TimesMs};
pub use signs::{About, Observation, of_failure};
pub use subject::SubjectSpec;
pub(crate) use troubled::SubjectView;
pub use words::{Actor, Labeller, Outcome, Phase, Reach};
