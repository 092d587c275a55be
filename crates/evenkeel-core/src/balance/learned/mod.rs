//! Learned response times, guarded by `p2c`: of a few endpoints by lot, the one from which this sort of request is expected back
//! first; where that is not known better than by the plain mean, `p2c`'s choice.
//!
//! What a request takes is foretold as a product: what its sort ([`Kind`]: route, method, body size) takes on the whole, times
//! how much more there is to do with so much in flight, times how this endpoint compares with the others: at everything, at
//! this sort, and in the last seconds. Each is a mean that forgets, and each later factor counts only as far as it foretold
//! what came after it was known (`slope`). Between candidates for the same request the first factor is the same, so a pick
//! compares the others. Where endpoints do not differ, the last is 1, and what is left orders them as `p2c` does.
//!
//! - `mean`, `slope`: means that forget; how much of one is to be believed.
//! - `kinds`: the sorts that are known. `model`: what is foretold.
//! - `guard`: whether it is gone by. `skill`: does it foretell better than the plain mean? `turns`: it and `p2c` side by side;
//!   `judge`: which of the two did better; `tail`: what counts as a slow answer.
//!
//! What it took to be never worse than its guard, in hundreds of simulated fleets: to learn little from requests that mostly
//! waited (in a queue everybody's time is the queue's, and those who gain nothing by a fast endpoint crowd out those who do); to
//! judge all sorts of requests together; to judge by turns, not by requests, since the harm that one's choice does falls on
//! others, and where all wait, by whether queues grow; to leave to `p2c` what is not proven better, and to look again soon; to
//! ask for the thin tail beside the mean square; to give a bad turn up in the midst of it, since a few per cent of
//! slow requests are a p99; to try nothing while everybody waits that does not look good, since one turn in which tries time out
//! and are tried again is felt for many; to find out no faster than can be paid for, since near saturation what one
//! turn piles up is waited for long after it; not to take a failure's penalty for the length of a request, which made turns long where tries fail;
//! and to see by the silence of an endpoint that owes answers that it stands still, since no answer comes to say so.
//!
//! What remains: fewer failures may come with a longer p99, since answers that otherwise time out are counted then; where all
//! wait for many seconds it is `p2c`, since what a turn did is seen only turns later; and the first minutes pay for what is found
//! out in them. How it does in 200 fleets drawn by lot is in `bench/DRAWN.md`.
//!
//! Sources: online prediction with only what was known before (Dawid, Present position and potential developments,
//! 1984); shrinking many means to their common one (Efron and Morris, Stein's paradox in statistics, 1977); stacking predictors by
//! regression (Wolpert, Stacked generalization, 1992); going where the wait is expected to be shortest (Whitt, Deciding which
//! queue to join, 1986); two choices and a third that was good before (Mitzenmacher, Prabhakar and Shah, Load balancing
//! with memory, 2002); turns to see what a rule does to all (Bojinov, Simchi-Levi and Zhao, switchback experiments, 2023). A failed try counts as several that are
//! answered, never as the short time it took, and of one whose client left it is known that no answer came; but `turns`, which asks
//! what clients feel, has what was lost and times apart.

mod guard;
mod judge;
mod kinds;
mod mean;
mod model;
mod skill;
mod slope;
mod tail;
mod told;
mod turns;

use mean::Moment;
use model::{Lean, Model};
pub use told::{Learned, LearnedEndpoint, LearnedKind};
use turns::Turn;

use super::{Ask, Candidate, Ended, Entry, Group, Key, Kind, Policy, draw, p2c};
use crate::registry::Part;
use crate::rng::Rng;
use crate::time::Time;

pub(super) const ENTRY: Entry = Entry {
    key: Key::Kind,
    learns: true,
    ..Entry::plain(
        Part {
            name: "learned",
            summary: "of a few endpoints by lot, the one from which this sort of request (route, method, body size) is expected back first; p2c where that is not known",
            settings: &[],
        },
        |_| Box::new(Learner::default()),
    )
};

/// Looked at beside `p2c`'s two once something is known: few, so that not all of a herd run to the same one.
const MORE: usize = 1;
/// What is expected must be so much shorter, or the plain choice stands.
const MARGIN: f32 = 0.05;

/// What goes with a try and comes back with its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Note {
    /// There is one.
    noted: bool,
    kind: Kind,
    turn: Turn,
    lean: Lean,
    began: Time,
}

impl Note {
    /// When it was picked.
    pub(super) fn began_ns(&self) -> u64 {
        self.began.as_nanos()
    }
}

#[derive(Debug, Default)]
struct Learner {
    model: Model,
    /// The last choice, and in which turn it was made.
    last: Option<(usize, Turn)>,
}

impl Learner {
    /// Among the two of `p2c`, some more, and who was best before.
    fn shortest(
        &self,
        (one, other): (usize, usize),
        kind: usize,
        group: &Group,
        ask: &Ask<'_>,
        rng: &mut Rng,
    ) -> (usize, f32) {
        let wait = |position: usize| self.model.wait(kind, position, group, ask);
        let mut best = (one, wait(one));
        let mut look = |position: usize| {
            let wait = wait(position);
            if wait < best.1 {
                best = (position, wait);
            }
        };
        look(other);
        for _ in 0..MORE {
            if let Some(position) = draw::weighted(group, ask, None, rng) {
                look(position);
            }
        }
        let before = self.model.best(kind);
        let known = &group.candidates()[before];
        // As far as its weight goes, ramp and all.
        let weight = u64::from(known.weight);
        let whole = weight.max(group.average() as u64);
        if ask.fits(known) && rng.chance(weight, whole) {
            look(before);
        }
        best
    }
}

impl Policy for Learner {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let one = draw::weighted(group, ask, None, rng)?;
        let Some(other) = draw::weighted(group, ask, Some(one), rng) else {
            self.last = None;
            return Some(one);
        };
        let plain = p2c::better(one, other, group, ask);
        let (turn, learned) = self.model.pick(one, group, ask);
        let mut chosen = plain;
        if learned {
            let kind = self.model.find(ask.request.kind);
            let (best, shortest) = self.shortest((one, other), kind, group, ask, rng);
            let worth = (1.0 - MARGIN) * self.model.wait(kind, plain, group, ask);
            if shortest < worth {
                chosen = best;
            }
        }
        self.last = Some((chosen, turn));
        Some(chosen)
    }

    fn note(&mut self, position: usize, group: &Group, ask: &Ask<'_>) -> Note {
        let last = self.last.take().filter(|last| last.0 == position);
        let kind = self.model.find(ask.request.kind);
        let lean = self.model.lean(kind, position, group, ask);
        self.model.given(position, &lean, Moment::of(ask.now()));
        Note {
            noted: true,
            kind: ask.request.kind,
            // Where a session belongs it goes, whoever's turn it is.
            turn: last.map_or(Turn::default(), |(_, turn)| turn),
            lean,
            began: ask.now(),
        }
    }

    fn ended(&mut self, position: usize, how: &Ended) {
        if how.note.noted {
            self.model.ended(position, how);
        }
    }

    fn learned(&self, candidates: &[Candidate], now: Time) -> Option<Learned> {
        Some(told::learned(&self.model, candidates, Moment::of(now)))
    }

    fn rebuilt(&mut self, before: &[Candidate], after: &Group, _: &mut Rng) {
        self.last = None;
        self.model.rebuilt(before, after);
    }
}

#[cfg(test)]
mod tests;
