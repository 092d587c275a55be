//! How the endpoints of a story are now: what `explain` begins with, and what its commands are about.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_schema::admin::{EndpointStatus, IncidentStatus, PoolStatus};
use hyper::Method;

use crate::End;
use crate::cli::Admin;
use crate::client::Problem;
use crate::commands::operate::{call, segment};
use crate::commands::status::age_of;

/// Pools that are looked at for one story: a fault of more is the balancer's own, or a machine's.
const POOLS_MAX: usize = 8;

/// One endpoint now.
pub(super) struct Present {
    key: String,
    pub(super) status: EndpointStatus,
    /// As the admin API said it.
    pub(super) text: String,
}

impl Present {
    /// "Now: app/a1 is down for 12 s (check): 3 of 3 checks failed; next: a check in 0.3 s".
    pub(super) fn words(&self) -> String {
        let status = &self.status;
        let next = status.next.as_ref();
        let next = next.map_or(String::new(), |next| format!("; next: {next}"));
        format!(
            "Now: {} is {} for {} ({}): {}{next}",
            self.key,
            status.state.name(),
            age_of(&status.since),
            status.decided_by,
            status.why
        )
    }
}

/// This one.
pub(super) fn endpoint(admin: &Admin, pool: &str, endpoint: &str) -> Result<Present, Problem> {
    let path = format!("/v1/pools/{}", segment(pool));
    let answer = call(admin, Method::GET, &path, None)?;
    let all = answer.value["endpoints"].as_array();
    let mut all = all.into_iter().flatten();
    let found = all.find(|e| e["name"] == endpoint);
    let status = found.and_then(|e| serde_json::from_value(e.clone()).ok());
    match (found, status) {
        (Some(found), Some(status)) => Ok(Present {
            key: format!("{pool}/{endpoint}"),
            status,
            text: found.to_string(),
        }),
        (Some(_), None) => Err(failed(format!(
            "evenkeel: what the admin API says of {pool}/{endpoint} cannot be read; is it another version?"
        ))),
        (None, _) => Err(failed(format!(
            "evenkeel: pool {pool} has no endpoint {endpoint:?}; `evenkeel status {pool}` lists them"
        ))),
    }
}

fn failed(message: String) -> Problem {
    let end = End::Failed;
    Problem { end, message }
}

/// The endpoints that an incident is about, by `POOL/ENDPOINT`; those that are gone are left out.
pub(super) fn of(admin: &Admin, incident: &IncidentStatus) -> BTreeMap<String, EndpointStatus> {
    let pools = incident
        .subjects
        .iter()
        .filter_map(|key| key.split_once('/'));
    let pools: BTreeSet<&str> = pools.map(|(pool, _)| pool).collect();
    let mut all = BTreeMap::new();
    for pool in pools.into_iter().take(POOLS_MAX) {
        let path = format!("/v1/pools/{}", segment(pool));
        let Ok(answer) = call(admin, Method::GET, &path, None) else {
            continue;
        };
        let Ok(status) = serde_json::from_value::<PoolStatus>(answer.value) else {
            continue;
        };
        let keyed = status.endpoints.into_iter();
        all.extend(keyed.map(|e| (format!("{pool}/{}", e.name), e)));
    }
    all.retain(|key, _| incident.subjects.contains(key));
    all
}
