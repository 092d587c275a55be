//! What stands in the book's files: records with their length and checksum, so that a file that was cut short or damaged
//! is good as far as its records are.
//!
//! `length (4) · CRC-32 of what follows (4) · kind (1) · what the kind says`, numbers little-endian.

use evenkeel_core::recover::redo::Request;
use evenkeel_core::time::WallTime;
use serde::{Deserialize, Serialize};

/// Length and checksum.
pub(super) const FRAME: usize = 8;
/// No record is longer: a request of the largest `body_buffer` that is of use here, and its head.
pub(super) const RECORD_MAX: usize = 4 << 20;

/// A request as it was journalled. The last copy of one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) id: u64,
    pub(super) route: String,
    pub(super) pool: String,
    pub(super) born_ms: u64,
    pub(super) resource: u64,
    pub(super) replaces: bool,
    pub(super) replaceable: bool,
    pub(super) attempts: u32,
    pub(super) key: String,
    /// Head and body as they were sent.
    pub(super) bytes: Vec<u8>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record {
    /// A request came.
    Kept(Kept),
    /// It is to be sent again no more.
    Gone(u64),
    /// It was sent again so many times.
    Tried(u64, u32),
}

impl Kept {
    pub(super) fn request(&self) -> Request {
        Request {
            id: self.id,
            route: self.route.as_str().into(),
            pool: self.pool.as_str().into(),
            born: WallTime(self.born_ms),
            resource: self.resource,
            replaces: self.replaces,
            replaceable: self.replaceable,
            attempts: self.attempts,
        }
    }
}

/// The record as bytes; `None` if it is too long.
pub(super) fn encode(record: &Record) -> Option<Vec<u8>> {
    let body = postcard::to_stdvec(record).ok()?;
    if body.len() > RECORD_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(FRAME + body.len());
    bytes.extend_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Some(bytes)
}

/// The first record of these bytes and its length with its frame; `None` at their end; else what is wrong.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Record, usize)>, &'static str> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let Some((frame, rest)) = bytes.split_first_chunk::<FRAME>() else {
        return Err("it ends within a record's frame");
    };
    let [a, b, c, d, crc @ ..] = *frame;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > RECORD_MAX {
        return Err("a record says it is longer than any is");
    }
    let Some(body) = rest.get(..length) else {
        return Err("it ends within a record");
    };
    if crc32fast::hash(body).to_le_bytes() != crc {
        return Err("a record's checksum is wrong");
    }
    match postcard::from_bytes(body) {
        Ok(record) => Ok(Some((record, FRAME + length))),
        Err(_) => Err("a record cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_and_anything_else_is_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            id in any::<u64>(),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            let record = Record::Kept(Kept {
                id,
                route: "*/api".into(),
                pool: "app".into(),
                born_ms: id,
                resource: 1,
                replaces: true,
                replaceable: false,
                attempts: 3,
                key: "k".into(),
                bytes,
            });
            let mut written = encode(&record).unwrap();
            prop_assert_eq!(decode(&written), Ok(Some((record, written.len()))));
            let cut = at.index(written.len() - 1) + 1;
            if cut < written.len() {
                prop_assert!(decode(&written[..cut]).is_err());
            }
            let at = at.index(written.len());
            written[at] ^= flip;
            prop_assert!(decode(&written).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
