//! By which of its addresses an endpoint is reached: told, counted, shown. The decision is the engine's.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::engine::{EndpointView, Look, Switch};
use evenkeel_core::failover::path::Path;
use evenkeel_core::id::EndpointId;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{AddressStatus, PathStatus};

use super::Driver;
use crate::metrics::PathSample;

/// How often each endpoint went to another of its addresses, since this process began. Bounded by the configuration.
#[derive(Debug, Default)]
pub(super) struct Paths(BTreeMap<EndpointId, u64>);

impl Paths {
    /// Forgets all but these.
    pub(super) fn keep(&mut self, there: &BTreeSet<EndpointId>) {
        self.0.retain(|id, _| there.contains(id));
    }

    /// For the metrics; of one with a single address there is nothing to say.
    pub(super) fn sample(&self, view: &EndpointView<'_>) -> Option<PathSample> {
        let (ways, used) = view.path.ways();
        view.path.has_others().then(|| PathSample {
            addresses: ways.iter().map(|way| way.target().to_string()).collect(),
            used,
            switches: self.0.get(&view.id).copied().unwrap_or(0),
        })
    }
}

impl Driver {
    /// "app/a1 goes from 10.0.0.1:80 to 10.1.0.1:80: no packet gets to 10.0.0.1:80 for 0.9 s, and 10.1.0.1:80 answers: HTTP 200".
    pub(super) fn switched(&mut self, switch: &Switch) {
        *self.swept.paths.0.entry(switch.endpoint).or_default() += 1;
        let change = &switch.change;
        let (pool, endpoint) = (&*switch.pool, &*switch.name);
        let (from, to) = (change.from.to_string(), change.to.to_string());
        let verb = if change.back { "goes back" } else { "goes" };
        let line = format!(
            "{pool}/{endpoint} {verb} from {from} to {to}: {}",
            change.why
        );
        match change.back {
            true => {
                tracing::info!(target: "evenkeel::endpoint", pool, endpoint, from, to, "{line}")
            }
            false => {
                tracing::warn!(target: "evenkeel::endpoint", pool, endpoint, from, to, "{line}")
            }
        }
    }
}

/// What status shows; of one with a single address there is nothing to say.
pub(super) fn status(path: &Path) -> Option<PathStatus> {
    let (ways, used) = path.ways();
    let (since, why) = path.standing();
    path.has_others().then(|| PathStatus {
        address: path.target().to_string(),
        since: Stamp(since),
        why: why.to_owned(),
        addresses: ways
            .iter()
            .enumerate()
            .map(|(at, way)| {
                let (state, why) = match way.look() {
                    _ if at == used => ("in_use", ""),
                    Look::Unseen => ("unknown", "nobody has looked yet"),
                    Look::Answers(why) => ("answers", why.as_str()),
                    Look::Fails(why) => ("fails", why.as_str()),
                };
                AddressStatus {
                    address: way.target().to_string(),
                    state: state.to_owned(),
                    why: why.to_owned(),
                }
            })
            .collect(),
    })
}
