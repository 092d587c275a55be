//! A pool's account: how long it and its endpoints were up, down, planned and unknown, so that a restart is a gap of known
//! length and not a new beginning. Numbers only, in rows, since there may be many.

use std::time::Duration;

use evenkeel_core::account::{Kept, KeptBook, KeptCause, KeptCounts, KeptEndpoint, Kind, Piece};
use serde::{Deserialize, Serialize};

use super::Record;
use crate::stamp::Stamp;

/// Rows of one list: more than any account has, and little enough to add up without overflow.
const ROWS_MAX: usize = 2000;
/// A century in nanoseconds: sums of a few stay far below 64 bits.
const CENTURY_NS: u64 = 100 * 365 * 86_400 * 1_000_000_000;

/// Numbers of buckets and how often each was met.
pub type Buckets = Vec<(u16, u64)>;

/// The account of one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Its name.
    pub pool: String,
    /// When the account began.
    pub began: Stamp,
    /// The moment it is of.
    pub seen: Stamp,
    /// Nanoseconds since it began.
    pub elapsed_ns: u64,
    /// The pool's.
    pub book: BookRecord,
    /// Good and bad requests, in slots of several lengths.
    pub requests: Vec<CountsRecord<2>>,
    /// Its endpoints'.
    pub endpoints: Vec<EndpointAccountRecord>,
    /// Times by cause: buckets and counts of each stage.
    #[serde(default)]
    pub causes: Vec<(String, [Buckets; 4])>,
    /// Incidents whose times these are, the last of them.
    #[serde(default)]
    pub incidents: Vec<u64>,
    /// Under which cause the times of each of `incidents` are, in their order; a record from before this was kept has none.
    #[serde(default)]
    pub incident_causes: Vec<String>,
}

/// A history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookRecord {
    /// Up or down, whichever was seen last.
    pub known: Option<String>,
    /// Oldest first: nanoseconds up, down, planned, unknown; failures; repairs.
    pub pieces: Vec<[u64; 6]>,
}

/// Counts in slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsRecord<const N: usize>
where
    [u64; N]: Serialize + serde::de::DeserializeOwned,
{
    /// One slot's length.
    pub slot_ns: u64,
    /// Number and counts, oldest first.
    pub slots: Vec<(u64, [u64; N])>,
}

/// One endpoint's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointAccountRecord {
    /// Its name.
    pub name: String,
    /// Its history.
    pub book: BookRecord,
    /// Tries, failed tries, failovers.
    pub counts: CountsRecord<3>,
}

impl Record for AccountRecord {
    const KIND: &'static str = "account";

    fn validate(&self) -> Result<(), String> {
        if self.elapsed_ns > CENTURY_NS {
            return Err("it has elapsed for more than a century".into());
        }
        let endpoints = || self.endpoints.iter();
        for book in endpoints().map(|e| &e.book).chain([&self.book]) {
            let ns = book.pieces.iter().flat_map(|piece| &piece[..4]);
            let sum = ns.fold(0u64, |sum, ns| sum.saturating_add(*ns));
            if sum > CENTURY_NS || book.pieces.len() > ROWS_MAX {
                return Err("a history of it is longer than can be".into());
            }
            if kind(book.known.as_deref()).is_none() != book.known.is_none() {
                return Err(format!("{:?} is neither up nor down", book.known));
            }
        }
        let rows = |n: usize| n > ROWS_MAX;
        let stages = || self.causes.iter().flat_map(|(_, stages)| stages);
        if self
            .requests
            .iter()
            .any(|c| rows(c.slots.len()) || c.slot_ns == 0)
            || endpoints().any(|e| rows(e.counts.slots.len()) || e.counts.slot_ns == 0)
            || rows(self.causes.len())
            || rows(self.incidents.len())
            || rows(self.incident_causes.len())
            || stages().any(|stage| rows(stage.len()))
        {
            return Err("a list of it is longer than can be".into());
        }
        Ok(())
    }
}

fn kind(name: Option<&str>) -> Option<Kind> {
    let mut known = [Kind::Up, Kind::Down].into_iter();
    known.find(|kind| Some(kind.name()) == name)
}

impl From<KeptBook> for BookRecord {
    fn from(book: KeptBook) -> BookRecord {
        let row = |p: &Piece| [p.ns[0], p.ns[1], p.ns[2], p.ns[3], p.failures, p.repairs];
        BookRecord {
            known: book.known.map(|kind| kind.name().to_owned()),
            pieces: book.pieces.iter().map(row).collect(),
        }
    }
}

impl From<BookRecord> for KeptBook {
    fn from(record: BookRecord) -> KeptBook {
        let piece = |[up, down, planned, unknown, failures, repairs]: [u64; 6]| Piece {
            ns: [up, down, planned, unknown],
            failures,
            repairs,
        };
        KeptBook {
            known: kind(record.known.as_deref()),
            pieces: record.pieces.into_iter().map(piece).collect(),
        }
    }
}

impl<const N: usize> From<KeptCounts<N>> for CountsRecord<N>
where
    [u64; N]: Serialize + serde::de::DeserializeOwned,
{
    fn from(counts: KeptCounts<N>) -> CountsRecord<N> {
        CountsRecord {
            slot_ns: ns(counts.slot),
            slots: counts.slots,
        }
    }
}

impl<const N: usize> From<CountsRecord<N>> for KeptCounts<N>
where
    [u64; N]: Serialize + serde::de::DeserializeOwned,
{
    fn from(record: CountsRecord<N>) -> KeptCounts<N> {
        KeptCounts {
            slot: Duration::from_nanos(record.slot_ns),
            slots: record.slots,
        }
    }
}

impl From<Kept> for AccountRecord {
    fn from(kept: Kept) -> AccountRecord {
        let endpoint = |endpoint: KeptEndpoint| EndpointAccountRecord {
            name: endpoint.name,
            book: endpoint.book.into(),
            counts: endpoint.counts.into(),
        };
        let cause = |cause: KeptCause| (cause.cause, cause.stages);
        let (incidents, incident_causes) = kept.counted.into_iter().unzip();
        let incident_causes: Vec<Option<String>> = incident_causes;
        AccountRecord {
            pool: kept.pool,
            began: Stamp(kept.began),
            seen: Stamp(kept.seen),
            elapsed_ns: ns(kept.elapsed),
            book: kept.book.into(),
            requests: kept.requests.into_iter().map(Into::into).collect(),
            endpoints: kept.endpoints.into_iter().map(endpoint).collect(),
            causes: kept.causes.into_iter().map(cause).collect(),
            incidents,
            // Empty: not known.
            incident_causes: incident_causes
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect(),
        }
    }
}

impl From<AccountRecord> for Kept {
    fn from(record: AccountRecord) -> Kept {
        let endpoint = |endpoint: EndpointAccountRecord| KeptEndpoint {
            name: endpoint.name,
            book: endpoint.book.into(),
            counts: endpoint.counts.into(),
        };
        let cause = |(cause, stages)| KeptCause { cause, stages };
        let known = record.incident_causes.into_iter();
        let known = known.map(|cause| Some(cause).filter(|cause| !cause.is_empty()));
        let counted = record
            .incidents
            .into_iter()
            .zip(known.chain(std::iter::repeat(None)));
        Kept {
            pool: record.pool,
            began: record.began.0,
            seen: record.seen.0,
            elapsed: Duration::from_nanos(record.elapsed_ns),
            book: record.book.into(),
            requests: record.requests.into_iter().map(Into::into).collect(),
            endpoints: record.endpoints.into_iter().map(endpoint).collect(),
            causes: record.causes.into_iter().map(cause).collect(),
            counted: counted.collect(),
        }
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
