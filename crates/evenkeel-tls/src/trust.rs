//! Certificate authorities to verify a peer by: from a file, or those that this machine trusts.

use std::sync::Arc;

use rustls::RootCertStore;

use crate::pair::certificates;
use crate::problem::{Part, Unfit};

const CA: &str = "a PEM file with one or more certificates of authorities";

/// The authorities of a PEM file. All of them must be usable: one left out would be looked for long.
pub fn authorities(bytes: &[u8], part: Part) -> Result<Arc<RootCertStore>, Unfit> {
    let unfit = |found: String| Unfit::new(part, found, CA);
    let mut store = RootCertStore::empty();
    for (i, der) in certificates(bytes).map_err(unfit)?.into_iter().enumerate() {
        let added = store.add(der);
        added.map_err(|error| {
            unfit(format!(
                "its certificate {} cannot be used ({error})",
                i + 1
            ))
        })?;
    }
    Ok(Arc::new(store))
}

/// The authorities that this machine trusts. Some of a system's bundle may be of a kind that nobody uses any more.
pub(crate) fn of_this_machine() -> Result<Arc<RootCertStore>, Unfit> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let why = found
            .errors
            .first()
            .map_or_else(String::new, |error| format!(" ({error})"));
        return Err(Unfit::new(
            Part::Ca,
            format!("there is none, and this machine has no trusted authorities{why}"),
            "ca = \"FILE\" with the authority that signed the endpoints' certificates, or the system's package ca-certificates",
        ));
    }
    Ok(Arc::new(store))
}
