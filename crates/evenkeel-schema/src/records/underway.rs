//! An action that is being carried out at this moment: written down before it begins and taken away when it has ended, so that a
//! balancer that replaces one which died in between can say what may be half done.

use serde::{Deserialize, Serialize};

use super::Record;
use crate::stamp::Stamp;

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderwayRecord {
    /// On which service.
    pub service: String,
    /// What.
    pub action: String,
    /// Which command, which recovery point.
    pub argument: Option<String>,
    /// When it began.
    pub started: Stamp,
}

impl UnderwayRecord {
    /// The key it is stored under.
    pub fn key(service: &str, action: &str) -> String {
        format!("{service}/{action}")
    }
}

impl Record for UnderwayRecord {
    const KIND: &'static str = "underway";
}
