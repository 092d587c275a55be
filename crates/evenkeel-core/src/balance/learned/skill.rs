//! Does what was learned foretell what a request takes better than the plain mean does? Both are held against what came after
//! they were known, and the squared errors are compared pair by pair.

use super::mean::{Moment, Scatter};

/// How long is remembered how good they were, in seconds.
const TAU: f32 = 60.0;
/// So many standard errors better before anything is gone by, and so many to go on.
const SURE: f32 = 3.0;
const STILL_SURE: f32 = 1.0;
/// So many observations at least, too.
const FEW: f32 = 30.0;

/// The comparison.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Skill {
    /// How much smaller the squared error is than the plain mean's.
    gain: Scatter,
    /// The plain mean's.
    plain: Scatter,
    sure: bool,
}

impl Skill {
    /// One more was foretold by what was learned, and so much of the plain mean came; it counts for so much of an
    /// observation.
    pub(super) fn foretold(&mut self, learned: f32, came: f32, weight: f32, now: Moment) {
        let error = |foretold: f32| (came - foretold) * (came - foretold);
        let (plain, learned) = (error(1.0), error(learned));
        self.plain.weigh(plain, weight, now, TAU);
        self.gain.weigh(plain - learned, weight, now, TAU);
        let wanted = if self.sure { STILL_SURE } else { SURE };
        let doubt = self.gain.doubt(now, TAU).sqrt();
        self.sure = self.gain.weight(now, TAU) >= FEW && self.gain.value() > wanted * doubt;
    }

    /// Surely better?
    pub(super) fn is_sure(&self) -> bool {
        self.sure
    }

    /// The share of the plain mean's squared error that what was learned takes away; below 0 if it adds to it.
    pub(super) fn value(&self) -> f32 {
        match self.plain.value() > 0.0 {
            true => self.gain.value() / self.plain.value(),
            false => 0.0,
        }
    }
}
