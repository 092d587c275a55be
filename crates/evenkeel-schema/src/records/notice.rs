//! What was to be told and has not arrived yet, and what was told and is not over: kept, so that a death in between costs nobody
//! their call.

use serde::{Deserialize, Serialize};

use super::Record;
use crate::admin::Notice;

/// A message on its way to one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeRecord {
    /// The pool whose target it is.
    pub pool: String,
    /// The target, as the configuration has it.
    pub target: String,
    /// How often it was tried.
    pub tries: u32,
    /// What is told.
    pub notice: Notice,
}

impl NoticeRecord {
    /// The key it is stored under.
    pub fn key(&self) -> &str {
        &self.notice.delivery
    }
}

impl Record for NoticeRecord {
    const KIND: &'static str = "notice";
}

/// What was told of and is not over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldRecord {
    /// By number.
    pub incidents: Vec<ToldIncident>,
    /// Pools that had nothing usable.
    pub outages: Vec<String>,
}

/// One of [`ToldRecord::incidents`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldIncident {
    /// Its number.
    pub id: u64,
    /// Whose people were told.
    pub pools: Vec<String>,
}

impl Record for ToldRecord {
    const KIND: &'static str = "told";
}
