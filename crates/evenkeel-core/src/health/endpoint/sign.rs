//! What can be told of one endpoint.

use crate::address::{Address, Target};
use crate::detect::Pause;
use crate::health::heartbeat::Beat;
use crate::health::standing::Order;
use crate::health::traffic::Finding;
use crate::id::Epoch;
use crate::observe::{Contact, Failure};
use crate::prevent::Reliever;
use crate::time::Time;

/// Something that says something of one endpoint.
#[derive(Clone, Copy, Debug)]
pub enum Sign<'a> {
    /// A probe ended.
    Probed {
        /// Its fence.
        epoch: Epoch,
        /// As expected?
        passed: bool,
        /// What came back of its machine.
        contact: Contact,
        /// What was seen.
        detail: &'a str,
        /// Its service was started for the first time, and may take until then to serve.
        starts_until: Option<Time>,
    },
    /// A look at its agent ended.
    AgentSaid {
        /// Its fence.
        epoch: Epoch,
        /// The line that was read, or why there is none.
        answer: Result<&'a str, &'a str>,
    },
    /// It says that it lives.
    Beat(&'a Beat),
    /// It has not said so for too long.
    Silent,
    /// Whoever carried its word that it lives has said goodbye: none is expected until one comes.
    Unattended,
    /// We did not look or listen for a while: what ran out meanwhile is no fault of its.
    Excused(&'a Pause),
    /// A try failed.
    Failed(&'a Failure),
    /// What its counters grew by.
    Swept {
        /// Tries answered.
        successes: u64,
        /// Tries failed.
        failures: u64,
    },
    /// What was found by comparing it with the others.
    Found(&'a Finding),
    /// A probe of another address than the one in use ended.
    Elsewhere {
        /// Its fence.
        epoch: Epoch,
        /// As expected?
        passed: bool,
        /// What was seen.
        detail: &'a str,
    },
    /// One of its names was resolved.
    Resolved(&'a Target, &'a Address),
    /// One of its names could not be.
    Unresolved(&'a Target),
    /// An operator's state.
    Order(Order),
    /// An operator's weight.
    Weight(Option<u32>),
    /// Somebody wants it at so many thousandths of its weight, and why; `None` = not any more.
    Relieve(Reliever, Option<(u32, &'a str)>),
    /// Something happened to the process behind it: look at once.
    Look,
    /// The recovery wants it to have no new work, because of this; or lets it go again.
    Withhold(Option<&'a str>),
    /// Another process stands behind it: what traffic said of the one before says nothing of this one.
    Renewed,
    /// Nobody in its pool is usable any more: look soon.
    Alone,
    /// Time passed.
    Tick,
}
