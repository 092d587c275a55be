//! Is somebody still there who promised to say so every so often? And is it us who did not listen?
//!
//! A [`Detector`] hears the numbered beats of one sender and says how suspicious its silence is. It holds no clock: it is
//! told when a beat arrived and asked for its suspicion at a moment, and it says when to ask again. What follows from a
//! suspicion is decided elsewhere ([`crate::health`]).
//!
//! Two more machines keep a watcher from blaming others for what is its own fault: [`Turns`] sees that this process did
//! not run for a while, and [`Reach`] that this machine reaches nobody at all.
//!
//! To add a detector: one file with its [`Detector`] and its [`Entry`], and one line in [`DETECTORS`].

mod fixed;
mod phi;
pub mod qos;
mod reach;
mod sequence;
mod turns;

pub use reach::{Cut, Found, Reach, machine};
pub use sequence::{Arrival, Sequence};
pub use turns::{Pause, Turns};

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::keep::{Parts, Revive};
use crate::registry::Part;
use crate::settings::HeartbeatSettings;
use crate::time::Time;

/// Watches one sender. Its memory is bounded and taken when it is made; a beat allocates nothing.
pub trait Detector: std::fmt::Debug + Send + erased_serde::Serialize {
    /// Its name in the list.
    fn name(&self) -> &'static str;

    /// A beat arrived. What its number says decides whether it counts: see [`Sequence`].
    fn beat(&mut self, sequence: u64, at: Time) -> Arrival;

    /// How suspicious its silence is at a moment not before the last beat: 0 not at all, from 1 on it is suspected.
    fn suspicion(&self, at: Time) -> f64;

    /// When the suspicion reaches 1 unless a beat arrives first.
    fn next_wakeup(&self) -> Time;

    /// The silence of `length` that has just ended was the listener's own fault.
    fn excuse(&mut self, length: Duration);

    /// The sender beats at another interval from now on: what was learned of its times is forgotten.
    fn retime(&mut self, interval: Duration, at: Time);

    /// How long after its crash a sender is suspected at the latest, as far as is known now.
    fn bound(&self) -> Duration;
}

/// A detector in the list.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it says of itself.
    pub part: Part,
    /// Makes one that has heard nothing yet and begins to wait at the given moment.
    pub make: fn(&HeartbeatSettings, Time) -> Box<dyn Detector>,
    /// Reads one that was kept.
    pub(crate) revive: Revive<dyn Detector>,
}

/// All detectors; the first one is the default.
pub const DETECTORS: &[Entry] = &[phi::ENTRY, fixed::ENTRY];

/// The detector of this name. Names come from a checked configuration; any other would be given the default.
pub fn detector(name: &str) -> &'static Entry {
    let found = DETECTORS.iter().find(|entry| entry.part.name == name);
    found.unwrap_or(&DETECTORS[0])
}

impl Parts for dyn Detector {
    fn entry_name(&self) -> &'static str {
        self.name()
    }

    fn reviver(name: &str) -> Option<Revive<Self>> {
        let found = DETECTORS.iter().find(|entry| entry.part.name == name)?;
        Some(found.revive)
    }
}

/// For settings that are kept: they hold the name of the list.
pub(crate) fn known_name<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let name = String::deserialize(from)?;
    let found = DETECTORS.iter().find(|entry| entry.part.name == name);
    let unknown = || de::Error::custom(format!("no detector is called {name:?}"));
    Ok(found.ok_or_else(unknown)?.part.name)
}

#[cfg(test)]
mod conformance;
