//! What people are told: the body of a webhook, the standard input of a program.

use serde::{Deserialize, Serialize};

use super::incident::IncidentStatus;
use crate::stamp::Stamp;

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its number, unlike any other: the same over all tries, so that whoever gets it twice can tell.
    pub delivery: String,
    /// `person_needed`, `outage`, `over`, `alert`, `alert_over` or `test`.
    pub event: String,
    /// `node.name` of the balancer that says so.
    pub node: String,
    /// Whose people are told.
    pub pools: Vec<String>,
    /// What happened, in a sentence.
    pub why: String,
    /// When.
    pub at: Stamp,
    /// When this try was made.
    pub sent_at: Stamp,
    /// The incident as `/v1/incidents/ID` showed it at the moment `at`; `null` where it is about none.
    pub incident: Option<IncidentStatus>,
}

impl Notice {
    /// As variables of a program's environment, for scripts that do not read JSON.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let incident = self.incident.as_ref();
        let cause = incident.and_then(|incident| incident.causes.first());
        vec![
            ("EVENKEEL_EVENT", self.event.clone()),
            ("EVENKEEL_NODE", self.node.clone()),
            ("EVENKEEL_POOL", self.pools.join(",")),
            ("EVENKEEL_WHY", self.why.clone()),
            ("EVENKEEL_DELIVERY", self.delivery.clone()),
            (
                "EVENKEEL_INCIDENT",
                incident
                    .map(|incident| incident.id.to_string())
                    .unwrap_or_default(),
            ),
            (
                "EVENKEEL_CAUSE",
                cause.map(|cause| cause.cause.clone()).unwrap_or_default(),
            ),
        ]
    }
}

/// The answer to `POST /v1/pools/NAME/notify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyAnswer {
    /// Each of the pool's `notify`, in its order.
    pub results: Vec<NotifyResult>,
}

/// One of [`NotifyAnswer::results`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyResult {
    /// The program, or where the webhook is; what may be secret of it is left out.
    pub target: String,
    /// Did it take the message?
    pub delivered: bool,
    /// What it said, or why not.
    pub detail: String,
}
