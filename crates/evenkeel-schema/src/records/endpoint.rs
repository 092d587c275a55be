//! An endpoint as it was last known, so that a restart neither serves one known to be down nor forgets an order.

use evenkeel_core::engine::{Carried, CarriedBeats, CarriedPath, DecidedBy, Order};
use evenkeel_core::table::State;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::admin::{BeatState, StateOrder, beat_interval};
use crate::config::WEIGHT_MAX;
use crate::stamp::Stamp;

/// One endpoint's state and the operator's orders for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// Its pool's name.
    pub pool: String,
    /// Its name.
    pub endpoint: String,
    /// As configured: at another address it is an endpoint of which nothing is known.
    pub address: String,
    /// What was decided last.
    #[serde(with = "crate::text::state")]
    pub state: State,
    /// In this state.
    pub since: Stamp,
    /// The evidence.
    pub why: String,
    /// Who decided.
    pub decided_by: String,
    /// Ejections in a row: the next one is longer.
    #[serde(default)]
    pub ejections: u32,
    /// Ejected until then.
    #[serde(default)]
    pub ejected_until: Option<Stamp>,
    /// `draining` or `maintenance`, until taken back.
    #[serde(default)]
    pub order: Option<StateOrder>,
    /// The operator's weight, until taken back.
    #[serde(default)]
    pub weight: Option<u32>,
    /// Its heartbeats: absent where it never sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<HeartbeatRecord>,
    /// The address in use: absent where that is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathRecord>,
}

/// Which of its addresses an endpoint is reached by, so that a restart does not begin with one that is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRecord {
    /// As configured.
    pub address: String,
    /// In use since then.
    pub since: Stamp,
    /// Why.
    pub why: String,
}

/// That an endpoint beats, so that its silence counts over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatRecord {
    /// Between its beats.
    pub interval_ms: u64,
    /// Was it down for its silence?
    #[serde(default)]
    pub down: bool,
    /// What it said last.
    #[serde(default)]
    pub state: BeatState,
}

impl EndpointRecord {
    /// The key it is stored under.
    pub fn key(pool: &str, endpoint: &str) -> String {
        format!("{pool}/{endpoint}")
    }
}

impl Record for EndpointRecord {
    const KIND: &'static str = "endpoint";

    fn validate(&self) -> Result<(), String> {
        if self.order == Some(StateOrder::Ready) {
            return Err("order \"ready\" is no order to keep".into());
        }
        match self.weight {
            Some(weight) if weight > WEIGHT_MAX => Err(format!("weight {weight} is over 256")),
            _ => Ok(()),
        }
    }
}

impl From<Carried> for EndpointRecord {
    fn from(carried: Carried) -> EndpointRecord {
        let kept = |order: &Order| *order != Order::Ready;
        EndpointRecord {
            pool: carried.pool,
            endpoint: carried.endpoint,
            address: carried.target,
            state: carried.state,
            since: carried.since.into(),
            why: carried.why,
            decided_by: carried.decided_by.name().into(),
            ejections: carried.ejections,
            ejected_until: carried.ejected_until.map(Stamp),
            order: carried.order.filter(kept).map(StateOrder::from),
            weight: carried.weight,
            heartbeat: carried.beats.map(HeartbeatRecord::from),
            path: carried.path.map(PathRecord::from),
        }
    }
}

impl From<EndpointRecord> for Carried {
    /// A decider that this build does not know is nobody.
    fn from(record: EndpointRecord) -> Carried {
        let mut known = DecidedBy::ALL.into_iter();
        let decided_by = known.find(|by| by.name() == record.decided_by);
        Carried {
            pool: record.pool,
            endpoint: record.endpoint,
            target: record.address,
            state: record.state,
            since: record.since.0,
            why: record.why,
            decided_by: decided_by.unwrap_or_default(),
            ejected_until: record.ejected_until.map(|stamp| stamp.0),
            ejections: record.ejections,
            order: record.order.map(Order::from),
            weight: record.weight,
            beats: record.heartbeat.map(CarriedBeats::from),
            path: record.path.map(CarriedPath::from),
        }
    }
}

impl From<CarriedPath> for PathRecord {
    fn from(path: CarriedPath) -> PathRecord {
        PathRecord {
            address: path.target,
            since: path.since.into(),
            why: path.why,
        }
    }
}

impl From<PathRecord> for CarriedPath {
    fn from(record: PathRecord) -> CarriedPath {
        CarriedPath {
            target: record.address,
            since: record.since.0,
            why: record.why,
        }
    }
}

impl From<CarriedBeats> for HeartbeatRecord {
    fn from(beats: CarriedBeats) -> HeartbeatRecord {
        let ms = beats.interval.as_millis();
        HeartbeatRecord {
            interval_ms: u64::try_from(ms).unwrap_or(u64::MAX),
            down: beats.down,
            state: beats.says.into(),
        }
    }
}

impl From<HeartbeatRecord> for CarriedBeats {
    fn from(record: HeartbeatRecord) -> CarriedBeats {
        CarriedBeats {
            interval: beat_interval(record.interval_ms),
            down: record.down,
            says: record.state.into(),
        }
    }
}
