//! What the planner wants of the engine, and what is shown of it.

use std::sync::Arc;

use crate::id::EndpointId;
use crate::incident::Input;

use super::actions::Step;
use super::order::CarriedRecovery;

/// Something the engine is to carry out.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    /// Write it down; `Planner::noted` when it is.
    Note(CarriedRecovery),
    /// Give the endpoint no new work, because of this; or again.
    Withhold(EndpointId, Option<String>),
    /// What is seen of the subject from now on is the action's doing; or not any more.
    Treat(Arc<str>, bool),
    /// Less work for the endpoint; or as before.
    Relieve(EndpointId, Option<String>),
    /// Take a step for this subject, under the fence given out for it.
    Step {
        subject: Arc<str>,
        step: Step,
        why: String,
    },
    /// For the incident of this number and subject.
    Tell(u64, Arc<str>, Input),
}

/// What is shown of a pool's recovery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecoveryView {
    /// How many actions the hourly budget still allows.
    pub left: u32,
    /// The action under way: name, subject, where it is.
    pub current: Option<(String, String, String)>,
    /// Cause, action, times tried, times cured.
    pub cures: Vec<(String, String, u32, u32)>,
}
