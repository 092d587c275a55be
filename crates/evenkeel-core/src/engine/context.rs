//! What every machine of the engine is handed: the time, where its commands go, and new fences.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::id::Epoch;
use crate::time::Now;

use super::command::Command;

/// Gives out fences. One counter for all subjects: whatever is decided later has the greater one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fences(Epoch);

impl Fences {
    pub(crate) fn from(first: Epoch) -> Fences {
        Fences(first)
    }

    /// The newest given out.
    pub(crate) fn last(&self) -> Epoch {
        self.0
    }

    pub(crate) fn next(&mut self) -> Epoch {
        self.0.0 += 1;
        self.0
    }
}

/// For the handling of one event.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    pub(crate) fences: &'a mut Fences,
    pub(crate) commands: &'a mut VecDeque<Command>,
    /// Does this machine reach nobody?
    pub(crate) cut: bool,
}

impl Context<'_> {
    pub(crate) fn command(&mut self, command: Command) {
        self.commands.push_back(command);
    }
}
