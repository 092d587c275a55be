//! What may be done about a fault of a pool's endpoints, and who is told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::recover::actions::{Action, Kept, find};

/// Who acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecoveryMode {
    /// evenkeel does.
    #[default]
    Act,
    /// It decides and shows, and touches nothing.
    Advise,
    /// Nobody: not even decided.
    Off,
}

impl RecoveryMode {
    /// The word in the configuration and the API.
    pub const fn name(self) -> &'static str {
        match self {
            RecoveryMode::Act => "act",
            RecoveryMode::Advise => "advise",
            RecoveryMode::Off => "off",
        }
    }
}

/// One to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Messenger {
    /// A program, absolute, without arguments.
    Exec(Arc<str>),
    /// An http or https URL.
    Webhook(Arc<str>),
}

/// `[pool.NAME.recovery]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverySettings {
    /// Who acts.
    pub mode: RecoveryMode,
    /// By name.
    pub allow: Vec<Kept>,
    /// So many actions within an hour; then a person is told.
    pub max_actions_per_hour: u32,
    /// Who is told; in the order of the configuration.
    pub notify: Vec<Messenger>,
}

impl RecoverySettings {
    /// May this action be taken?
    pub fn allows(&self, action: &'static Action) -> bool {
        self.allow.contains(&Kept(action))
    }
}

impl Default for RecoverySettings {
    /// A graceful restart of a service that evenkeel itself started surprises nobody; whatever deletes, exchanges or runs
    /// something has to be asked for. Six an hour: one every ten minutes heals what can be healed, and more would hide
    /// from people that something is wrong for good.
    fn default() -> Self {
        RecoverySettings {
            mode: RecoveryMode::Act,
            allow: find("restart").into_iter().map(Kept).collect(),
            max_actions_per_hour: 6,
            notify: Vec::new(),
        }
    }
}
