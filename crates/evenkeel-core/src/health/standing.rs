//! The words for what an endpoint's state is and who says so.

use serde::{Deserialize, Serialize};

use crate::table::State;
use crate::time::WallTime;

/// Who decided the state of an endpoint.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum DecidedBy {
    /// Nobody yet: the configuration made it known.
    #[default]
    Config,
    /// The active check.
    Check,
    /// Its agent, asked beside the check.
    AgentCheck,
    /// Its own beats, or their silence.
    Heartbeat,
    /// Real traffic.
    Outlier,
    /// A person.
    Operator,
    /// The recovery: something is being done about it.
    Recovery,
}

impl DecidedBy {
    /// All, for whoever reads the word back.
    pub const ALL: [DecidedBy; 7] = [
        DecidedBy::Config,
        DecidedBy::Check,
        DecidedBy::AgentCheck,
        DecidedBy::Heartbeat,
        DecidedBy::Outlier,
        DecidedBy::Operator,
        DecidedBy::Recovery,
    ];

    /// The word in status, API and records.
    pub const fn name(self) -> &'static str {
        match self {
            DecidedBy::Config => "config",
            DecidedBy::Check => "check",
            DecidedBy::AgentCheck => "agent_check",
            DecidedBy::Heartbeat => "heartbeat",
            DecidedBy::Outlier => "outlier",
            DecidedBy::Operator => "operator",
            DecidedBy::Recovery => "recovery",
        }
    }
}

/// What an operator wants of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Order {
    /// What runs may finish, nothing new.
    Draining,
    /// Nothing at all, not even checks.
    Maintenance,
    /// No order any more; with `failback = "manual"` also: it may come back.
    Ready,
}

/// A state with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which.
    pub state: State,
    /// Since when.
    pub since: WallTime,
    /// The evidence.
    pub why: String,
    /// Who decided.
    pub by: DecidedBy,
}

/// The longest text that is kept of what a shell or an endpoint said.
const LONGEST: usize = 200;

/// Cut to a bounded length, on a character's border.
pub(crate) fn clip(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}
