//! What goes into the machine of a service and what comes out: states, events, acts.

use serde::{Deserialize, Serialize};

use crate::id::Epoch;

/// Where a service is in its life.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum ServiceState {
    /// Does not run and is not meant to.
    #[default]
    Stopped,
    /// Its process was asked for or runs, and is not ready yet.
    Starting,
    /// Serves.
    Ready,
    /// Was asked to end.
    Stopping,
    /// Ended; will be started again in a moment.
    Backoff,
    /// Started too often in too short a time: needs a person.
    Failed,
}

impl ServiceState {
    /// All states, in the order of their numbers.
    pub const ALL: [ServiceState; 6] = [
        ServiceState::Stopped,
        ServiceState::Starting,
        ServiceState::Ready,
        ServiceState::Stopping,
        ServiceState::Backoff,
        ServiceState::Failed,
    ];

    /// The word in status, log and API.
    pub const fn name(self) -> &'static str {
        match self {
            ServiceState::Stopped => "stopped",
            ServiceState::Starting => "starting",
            ServiceState::Ready => "ready",
            ServiceState::Stopping => "stopping",
            ServiceState::Backoff => "backoff",
            ServiceState::Failed => "failed",
        }
    }
}

/// What the shells saw of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceEvent {
    /// Its process runs.
    Started {
        /// Its number.
        pid: u32,
    },
    /// It could not be started.
    StartFailed {
        /// Why.
        why: String,
    },
    /// Its process ended.
    Exited {
        /// Which one: that of an older process says nothing of the present one.
        pid: u32,
        /// How, for people: `status 1`, `signal KILL`.
        status: String,
    },
    /// The answer to [`Command::ProbeReady`](crate::engine::Command::ProbeReady).
    ReadyProbed {
        /// Its fence.
        epoch: Epoch,
        /// Is it?
        passed: bool,
    },
    /// A person says: try again.
    Reset,
    /// Somebody who may wants something done to it.
    Told {
        /// What.
        order: ServiceOrder,
        /// Why, for people: "relieve_memory: uses 480 MiB of 512 MiB".
        why: String,
    },
    /// Its memory was read, and nothing but evenkeel holds it to its `memory_max`.
    Memory {
        /// In use, bytes.
        bytes: u64,
    },
}

/// What can be done to a service that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceOrder {
    /// End it gracefully and start it again.
    Restart,
    /// End it at once and start it again: what hangs does not hear a polite word.
    Kill,
    /// Send its process group this signal and leave it running.
    Signal(i32),
    /// End it gracefully and leave it so until it is let go: something of it is being exchanged.
    Hold,
    /// It may run again.
    Release,
}

/// What a supervisor is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// It shall run.
    Run,
    /// It runs already, under this number.
    Adopt {
        /// Its process.
        pid: u32,
        /// Restarts so far.
        restarts: u32,
    },
    /// It shall end and stay so.
    Stop,
    /// It shall end and be started anew, because its specification changed.
    Restart,
    /// Its process has ended: does another one answer at its port?
    Port {
        /// Does it?
        taken: bool,
    },
    /// Something happened.
    Event(ServiceEvent),
    /// Time passed.
    Tick,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Start it.
    Start,
    /// Send its process this signal.
    Signal(i32),
    /// Look whether it is ready.
    ProbeReady,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From this.
    pub from: ServiceState,
    /// To this.
    pub to: ServiceState,
    /// Why.
    pub why: String,
}

/// What came of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// If the state changed.
    pub change: Option<Change>,
    /// If something is to be done.
    pub act: Option<Act>,
}
