//! What outlives the process: one record per endpoint, stored under `pool/endpoint`.
//!
//! Plain data, so that whoever stores it chooses the format. A record is written whenever something in it changes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failover::path::CarriedPath;
use crate::health::{CarriedBeats, DecidedBy, Endpoint, Heartbeat, Order, Standing, clip};
use crate::settings::PoolSpec;
use crate::table::State;
use crate::time::{Now, Time, WallTime};

/// What is remembered of one endpoint over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Pool's name.
    pub pool: String,
    /// Endpoint's name.
    pub endpoint: String,
    /// Its address as configured. If it is another one now, only the operator's word below still counts.
    pub target: String,
    /// What check and outlier ejection had decided, without the operator's word: never `Maintenance`, and `Draining` only where
    /// its own heartbeat said so.
    pub state: State,
    /// Since when.
    pub since: WallTime,
    /// The evidence.
    pub why: String,
    /// Who decided it.
    pub decided_by: DecidedBy,
    /// Ejected until then; `None` = not ejected.
    pub ejected_until: Option<WallTime>,
    /// Ejections in a row, from which the length of the next follows.
    pub ejections: u32,
    /// The operator's state; never `Ready`.
    pub order: Option<Order>,
    /// The operator's weight.
    pub weight: Option<u32>,
    /// Its heartbeats, where it is known to send them.
    pub beats: Option<CarriedBeats>,
    /// The address in use, if it is not the first.
    pub path: Option<CarriedPath>,
}

impl Carried {
    /// `pool/endpoint`, the key it is stored under.
    pub fn key(&self) -> String {
        format!("{}/{}", self.pool, self.endpoint)
    }
}

impl Carried {
    /// What is known of this endpoint now.
    pub(crate) fn of(pool: &str, endpoint: &Endpoint, now: Now) -> Carried {
        let until = endpoint.outlier.ejected_until();
        Carried {
            pool: pool.to_string(),
            endpoint: endpoint.spec.name.to_string(),
            target: endpoint.spec.target.to_string(),
            state: endpoint.found.state,
            since: endpoint.found.since,
            why: endpoint.found.why.clone(),
            decided_by: endpoint.found.by,
            ejected_until: until.map(|until| on_the_calendar(until, now)),
            ejections: endpoint.outlier.ejections(),
            order: endpoint.order,
            weight: endpoint.weight,
            beats: endpoint.heartbeat.carried(),
            path: endpoint.path.carried(),
        }
    }

    /// Puts this record back into a new endpoint of the same name.
    pub(crate) fn restore(self, endpoint: &mut Endpoint, spec: &PoolSpec, now: Now) {
        let failback_auto = spec.failover.failback_auto;
        if self.target == endpoint.spec.target.to_string() {
            if let Some(path) = self.path {
                endpoint.restore_path(path);
            }
            if let (Some(beats), Some(settings)) = (self.beats, &spec.heartbeat) {
                endpoint.heartbeat = Heartbeat::restored(beats, settings, failback_auto, now.at);
            }
            let in_trial = self.state == State::Trial;
            let until = self.ejected_until.or(in_trial.then_some(now.wall));
            let ejected = until.map(|until| (on_the_clock(until, now), self.ejections));
            let found = Standing {
                state: self.state,
                since: self.since,
                why: clip(self.why),
                by: self.decided_by,
            };
            endpoint.restore(found, ejected, failback_auto);
        }
        endpoint.restore_operator(self.order, self.weight.map(|w| w.min(256)), now.wall);
    }
}

fn on_the_calendar(at: Time, now: Now) -> WallTime {
    let ms = at.since(now.at).as_millis();
    WallTime(
        now.wall
            .0
            .saturating_add(u64::try_from(ms).unwrap_or(u64::MAX)),
    )
}

fn on_the_clock(wall: WallTime, now: Now) -> Time {
    now.at + Duration::from_millis(wall.0.saturating_sub(now.wall.0))
}
