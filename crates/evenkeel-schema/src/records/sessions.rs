//! Sessions that are kept for clients who carry nothing of ours: a part of a pool's, as many as fit into one value of the store.
//!
//! A row is a few numbers, and endpoints are named once: a pool may have a million of them. A token is stored as its hash only.

use std::collections::BTreeMap;

use evenkeel_core::session::{LUCK, PARTS, Part, Row, Session};
use serde::{Deserialize, Serialize};

use super::Record;

/// Part of a pool's sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsRecord {
    /// The pool.
    pub pool: String,
    /// Which part, by the hash of the token.
    pub part: u16,
    /// Endpoints by the hash of their name.
    pub endpoints: Vec<u64>,
    /// The hash of the token; its home and where it is, as places in `endpoints`; went back; its luck; since when, and when it is
    /// over, in seconds since 1970.
    pub rows: Vec<(u64, u32, u32, bool, u16, u64, u64)>,
}

impl SessionsRecord {
    /// The key it is stored under.
    pub fn key(pool: &str, part: u16) -> String {
        format!("{pool}/{part:03}")
    }
}

impl Record for SessionsRecord {
    const KIND: &'static str = "sessions";

    fn validate(&self) -> Result<(), String> {
        if self.part >= PARTS {
            return Err(format!("part {} of {PARTS}", self.part));
        }
        let known = self.endpoints.len();
        let fits = |place: u32| (place as usize) < known;
        let wrong = |row: &&(u64, u32, u32, bool, u16, u64, u64)| {
            !fits(row.1) || !fits(row.2) || row.4 >= LUCK
        };
        match self.rows.iter().find(wrong) {
            Some(row) => Err(format!("the session of token {:x} makes no sense", row.0)),
            None => Ok(()),
        }
    }
}

impl From<&Part> for SessionsRecord {
    fn from(part: &Part) -> SessionsRecord {
        let mut places = BTreeMap::new();
        let mut endpoints = Vec::new();
        let mut place = |endpoint: u64| {
            *places.entry(endpoint).or_insert_with(|| {
                endpoints.push(endpoint);
                endpoints.len() as u32 - 1
            })
        };
        let rows = part.rows.iter().map(|row| {
            let Session {
                home,
                at,
                returned,
                luck,
            } = row.session;
            let (home, at) = (place(home), place(at));
            (row.token, home, at, returned, luck, row.since_s, row.ends_s)
        });
        let rows = rows.collect();
        SessionsRecord {
            pool: part.pool.to_string(),
            part: part.number,
            endpoints,
            rows,
        }
    }
}

impl From<SessionsRecord> for Part {
    fn from(record: SessionsRecord) -> Part {
        let place = |place: u32| record.endpoints.get(place as usize).copied();
        let rows =
            record
                .rows
                .iter()
                .filter_map(|&(token, home, at, returned, luck, since_s, ends_s)| {
                    let session = Session {
                        home: place(home)?,
                        at: place(at)?,
                        returned,
                        luck,
                    };
                    Some(Row {
                        token,
                        session,
                        since_s,
                        ends_s,
                    })
                });
        Part {
            rows: rows.collect(),
            pool: record.pool.into(),
            number: record.part,
        }
    }
}
