//! Leases, built from put-if alone, so that every kind of store has them in the same way: an entry names its holder and
//! the moment it ends; whoever replaces it must have read exactly that entry.

use crate::{Durability, Error, Expect, Store};

/// What asking for a lease brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// Held by who asked, until this moment.
    Held {
        /// Milliseconds on the callers' clock.
        until_ms: u64,
        /// Grows whenever the lease is taken or renewed: a fence for whoever acts under it.
        version: u64,
    },
    /// Held by another.
    Taken {
        /// Who.
        holder: String,
        /// Until then, unless renewed.
        until_ms: u64,
    },
}

pub(crate) fn take<S: Store + ?Sized>(
    store: &S,
    key: &str,
    holder: &str,
    ttl_ms: u64,
    now_ms: u64,
) -> Result<Lease, Error> {
    let found = store.get(key)?;
    let expect = match &found {
        None => Expect::Absent,
        Some(entry) => Expect::Version(entry.version),
    };
    if let Some((other, until_ms)) = found.as_ref().and_then(|e| decode(&e.value))
        && other != holder
        && until_ms > now_ms
    {
        return Ok(Lease::Taken {
            holder: other,
            until_ms,
        });
    }
    let until_ms = now_ms.saturating_add(ttl_ms);
    match store.put_if(key, &encode(holder, until_ms), expect, Durability::Now) {
        Ok(version) => Ok(Lease::Held { until_ms, version }),
        // Somebody was faster: it is theirs, whoever it is.
        Err(Error::Conflict { .. }) => {
            let now = store.get(key)?.and_then(|e| decode(&e.value));
            let (holder, until_ms) = now.unwrap_or_default();
            Ok(Lease::Taken { holder, until_ms })
        }
        Err(other) => Err(other),
    }
}

pub(crate) fn release<S: Store + ?Sized>(
    store: &S,
    key: &str,
    holder: &str,
) -> Result<bool, Error> {
    let Some(entry) = store.get(key)? else {
        return Ok(false);
    };
    if decode(&entry.value).is_none_or(|(other, _)| other != holder) {
        return Ok(false);
    }
    match store.delete_if(key, Expect::Version(entry.version), Durability::Now) {
        Err(Error::Conflict { .. }) => Ok(false),
        other => other,
    }
}

fn encode(holder: &str, until_ms: u64) -> Vec<u8> {
    let mut bytes = until_ms.to_le_bytes().to_vec();
    bytes.extend_from_slice(holder.as_bytes());
    bytes
}

/// `None` for what no lease ever wrote: it binds nobody.
fn decode(bytes: &[u8]) -> Option<(String, u64)> {
    let (until, holder) = bytes.split_first_chunk::<8>()?;
    let holder = String::from_utf8(holder.to_vec()).ok()?;
    Some((holder, u64::from_le_bytes(*until)))
}
