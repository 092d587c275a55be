//! A configuration that was applied, as the text it was, so that it can be gone back to.

use serde::{Deserialize, Serialize};

use super::Record;
use crate::config::{TEXT_BYTES_MAX, etag};
use crate::stamp::Stamp;

/// One revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionRecord {
    /// From 1, growing, never used again.
    pub number: u64,
    /// When it was applied first.
    pub applied: Stamp,
    /// Of the text.
    pub etag: String,
    /// The whole file, byte for byte.
    pub text: String,
}

impl RevisionRecord {
    /// The revision `number` of `text`, applied at `applied`.
    pub fn new(number: u64, applied: Stamp, text: &str) -> RevisionRecord {
        RevisionRecord {
            number,
            applied,
            etag: etag(text),
            text: text.to_owned(),
        }
    }

    /// The key it is stored under; keys sort as the numbers do.
    pub fn key(number: u64) -> String {
        format!("{number:020}")
    }
}

impl Record for RevisionRecord {
    const KIND: &'static str = "revision";

    fn validate(&self) -> Result<(), String> {
        if self.text.len() > TEXT_BYTES_MAX {
            return Err(format!("its text has {} bytes", self.text.len()));
        }
        if self.etag != etag(&self.text) {
            return Err("its text is not the one that was stored".into());
        }
        Ok(())
    }
}
