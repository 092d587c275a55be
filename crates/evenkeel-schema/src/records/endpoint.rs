//! An endpoint as it was last known, so that a restart neither serves one known to be down nor forgets an order.

use evenkeel_core::table::State;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::admin::StateOrder;
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
