//! A pool of probes: what a few endpoints said a moment ago, and how often each of them may still be acted upon.
//!
//! A probe goes when it is old, used up, replaced by a newer one of its endpoint, the oldest in a full pool, or removed: with
//! picks the oldest and the worst go in turn, so that what stays is not what nobody wants.

use std::time::Duration;

use crate::time::Time;

/// Places in a pool, at most: sixteen choices are nearly as good as all.
pub(super) const PLACES_MAX: usize = 16;
/// What was said longer ago says nothing any more.
pub(super) const AGE_MAX: Duration = Duration::from_secs(1);

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probe {
    /// The candidate's position.
    pub(super) position: usize,
    pub(super) at: Time,
    /// As it said.
    pub(super) in_flight: u32,
    /// How many were sent there since, as far as is known here.
    pub(super) sent: u32,
    /// In nanoseconds.
    pub(super) latency: f64,
    /// Picks that may still go by it.
    pub(super) uses: u32,
    /// Seen by our own counters, which never are of yesterday.
    pub(super) own: bool,
}

impl Probe {
    /// What was sent there since takes its part of the time.
    pub(super) fn latency_now(&self) -> f64 {
        self.latency * (1.0 + f64::from(self.sent) / (f64::from(self.in_flight) + 1.0))
    }
}

/// Some of them, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Probes {
    places: [Probe; PLACES_MAX],
    len: usize,
}

impl Probes {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Probe> {
        self.places[..self.len].iter()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// One more, in a pool of this size.
    pub(super) fn add(&mut self, probe: Probe, size: usize) {
        let mut known = self.places[..self.len].iter();
        if let Some(at) = known.position(|known| known.position == probe.position) {
            self.remove(at);
        }
        while self.len >= size.clamp(1, PLACES_MAX) {
            self.remove(0);
        }
        self.places[self.len] = probe;
        self.len += 1;
    }

    /// Those that are too old go.
    pub(super) fn forget(&mut self, now: Time) {
        // They came in this order.
        while self.len > 0 && now.since(self.places[0].at) > AGE_MAX {
            self.remove(0);
        }
    }

    /// A pick goes by this one: it has one more in flight now, and one use less. What is seen with our own eyes is seen anew with
    /// each pick: whoever was the best stays among those that are looked at.
    pub(super) fn used(&mut self, at: usize, now: Time) {
        if self.places[at].own {
            let again = Probe {
                at: now,
                ..self.places[at]
            };
            self.remove(at);
            self.places[self.len] = again;
            self.len += 1;
            return;
        }
        let probe = &mut self.places[at];
        probe.sent += 1;
        probe.uses = probe.uses.saturating_sub(1);
        if probe.uses == 0 {
            self.remove(at);
        }
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.places.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// The group was built anew: those of endpoints that are gone go, the others get their new positions.
    pub(super) fn moved(&mut self, to: impl Fn(usize) -> Option<usize>) {
        let before = std::mem::take(self);
        for probe in before.iter() {
            if let Some(position) = to(probe.position) {
                self.places[self.len] = Probe { position, ..*probe };
                self.len += 1;
            }
        }
    }
}
