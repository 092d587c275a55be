//! A pool of probes: what a few endpoints said a moment ago, and how often each of them may still be acted upon.
//!
//! A probe goes when it is old, used up, replaced by a newer one of its endpoint, the oldest in a full pool, or removed: with
//! picks the oldest and the worst go in turn, so that what stays is not what nobody wants.

use std::time::Duration;

use crate::time::Time;

/// Places in a pool, at most: sixteen choices are nearly as good as all.
pub(super) const PLACES_MAX: usize = 1 << PLACE_BITS;
/// A place is the lowest bits of what probes are ranked by.
pub(super) const PLACE_BITS: u32 = 4;
pub(super) const PLACE: u64 = PLACES_MAX as u64 - 1;
/// What was said longer ago says nothing any more.
pub(super) const AGE_MAX: Duration = Duration::from_secs(1);

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probe {
    /// The candidate's position.
    pub(super) position: usize,
    pub(super) at: Time,
    /// The how-manieth it is of its pool, which sets the number.
    pub(super) came: u64,
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
        match self.sent {
            0 => self.latency,
            sent => self.latency * (1.0 + f64::from(sent) / (f64::from(self.in_flight) + 1.0)),
        }
    }
}

/// Some of them.
#[derive(Debug, Default)]
pub(super) struct Probes {
    places: [Probe; PLACES_MAX],
    len: usize,
    /// That ever came.
    came: u64,
}

impl Probes {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Probe> {
        self.places[..self.len].iter()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// One more, in a pool of this size: in the place of the last one of its endpoint, else of the oldest if there is no room.
    pub(super) fn add(&mut self, probe: Probe, size: usize) {
        let size = size.clamp(1, PLACES_MAX);
        while self.len > size {
            self.remove(self.oldest());
        }
        let same = |known: &Probe| known.position == probe.position;
        let at = self.first(|known| if same(known) { 0 } else { known.came });
        let at = match self.len < size && !(self.len > 0 && same(&self.places[at])) {
            true => {
                self.len += 1;
                self.len - 1
            }
            false => at,
        };
        self.came += 1;
        self.places[at] = Probe {
            came: self.came,
            ..probe
        };
    }

    /// Those that are too old go.
    pub(super) fn forget(&mut self, now: Time) {
        let earliest = now - AGE_MAX;
        let mut at = 0;
        while at < self.len {
            match self.places[at].at < earliest {
                true => self.remove(at),
                false => at += 1,
            }
        }
    }

    /// A pick goes by this one: it has one more in flight now, and one use less. What is seen with our own eyes is seen anew with
    /// each pick: whoever was the best stays among those that are looked at.
    pub(super) fn used(&mut self, at: usize, now: Time) {
        let probe = &mut self.places[at];
        if probe.own {
            self.came += 1;
            (probe.at, probe.came) = (now, self.came);
            return;
        }
        probe.sent += 1;
        probe.uses = probe.uses.saturating_sub(1);
        if probe.uses == 0 {
            self.remove(at);
        }
    }

    /// The place of the one that came first.
    pub(super) fn oldest(&self) -> usize {
        self.first(|probe| probe.came)
    }

    /// The place of the one of which this is least, which no number of what ever came is too large for.
    fn first(&self, number: impl Fn(&Probe) -> u64) -> usize {
        let places = self.iter().enumerate();
        let ranked = places.map(|(place, probe)| number(probe) << PLACE_BITS | place as u64);
        ranked.min().map_or(0, |least| (least & PLACE) as usize)
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.len -= 1;
        self.places[at] = self.places[self.len];
    }

    /// The group was built anew: those of endpoints that are gone go, the others get their new positions.
    pub(super) fn moved(&mut self, to: impl Fn(usize) -> Option<usize>) {
        let before = std::mem::take(self);
        self.came = before.came;
        for probe in before.iter() {
            if let Some(position) = to(probe.position) {
                self.places[self.len] = Probe { position, ..*probe };
                self.len += 1;
            }
        }
    }
}
