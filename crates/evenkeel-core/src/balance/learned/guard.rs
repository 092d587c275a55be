//! Are requests given out by what was learned, or as `p2c` does it?
//!
//! Two things are asked all the time, of all sorts of requests together: were some given out by what was learned and others not,
//! those that gain little by the good endpoints could crowd out those that gain much. Does what was learned foretell what a
//! request takes better than the plain mean does (`skill`)? If not surely, there is nothing to go by. And does going by it
//! do good (`turns`)?

use super::mean::Moment;
use super::skill::Skill;
use super::turns::{Lasted, Takes, Turn, Turns};

/// The judge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guard {
    pub(super) skill: Skill,
    turns: Turns,
}

impl Guard {
    /// A pick is made; at an endpoint by lot a request takes so many times its work. Which turn it belongs to, and whether it is
    /// gone by what was learned.
    pub(super) fn pick(
        &mut self,
        now: Moment,
        takes: Takes,
        factor: impl FnOnce() -> f32,
    ) -> (Turn, bool) {
        match self.skill.is_sure() {
            true => (self.turns.pick(now, takes, factor), self.turns.is_learned()),
            false => (Turn::default(), false),
        }
    }

    /// One that was picked in this turn lasted so long until it was answered, or failed.
    pub(super) fn took(&mut self, turn: Turn, of: &Lasted) {
        if !self.skill.is_sure() && !of.failed {
            self.turns.plain(of.took);
        }
        self.turns.took(turn, of);
    }

    /// Is it gone by what was learned?
    pub(super) fn lets(&self) -> bool {
        self.skill.is_sure() && self.turns.is_learned()
    }

    /// How many times as long requests take if they are given out by what was learned, as far as that is known.
    pub(super) fn ratio(&self, now: Moment) -> Option<f32> {
        self.turns.ratio(now)
    }
}
