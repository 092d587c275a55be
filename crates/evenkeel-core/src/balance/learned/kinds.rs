//! The sorts of requests that are known, each with what they take on the whole, and which of them is whose.
//!
//! There is a bound on how many: what is one too many is one of "everything else", until one of the known was not seen for
//! long.

use super::mean::{Mean, Moment};
use super::skill::Skill;
use super::slope::Slope;
use crate::balance::{Kind, hash};

/// Sorts at most. A route with reads and two sizes of writes is three.
pub(super) const KINDS_MAX: usize = 64;
/// For numbers that lead to them: half empty, so that looking is short.
const SLOTS: usize = 2 * KINDS_MAX;
/// Who was not seen for so many seconds makes room for a new one.
const UNSEEN: f32 = 600.0;
/// The position of everything else.
pub(super) const OTHERS: usize = 0;

/// What is known of one sort.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) kind: Kind,
    /// Nanoseconds, as if its endpoint had nothing else to do.
    pub(super) mean: Mean,
    /// How far what an endpoint takes for it is to be believed, beyond what that takes for everything.
    pub(super) slope: Slope,
    /// How good what is foretold for it is.
    pub(super) skill: Skill,
    /// The position of the endpoint that is best for it, as far as anybody knows.
    pub(super) best: usize,
    /// Whose turn it is to be looked at again.
    pub(super) turn: usize,
    seen: Moment,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Kinds {
    all: Vec<Known>,
    /// One more than the position in `all`; 0 = empty.
    slots: [u8; SLOTS],
    max: usize,
}

impl Default for Kinds {
    fn default() -> Kinds {
        Kinds {
            all: vec![Known::default()],
            slots: [0; SLOTS],
            max: KINDS_MAX,
        }
    }
}

fn slot_of(kind: Kind) -> usize {
    let small = u64::from(kind.method as u8) << 8 | u64::from(kind.size as u8);
    (hash::mix(u64::from(kind.route), small) >> 32) as usize % SLOTS
}

impl Kinds {
    /// So many at most from now on; none of those known goes.
    pub(super) fn limit(&mut self, max: usize) {
        self.max = max.clamp(2, KINDS_MAX);
    }

    /// The position of this sort, of everything else if it has none.
    pub(super) fn find(&self, kind: Kind) -> usize {
        if kind == Kind::default() {
            return OTHERS;
        }
        let mut slot = slot_of(kind);
        // At most every second slot is taken.
        while let Some(position) = usize::from(self.slots[slot]).checked_sub(1) {
            if self.all[position].kind == kind {
                return position;
            }
            slot = (slot + 1) % SLOTS;
        }
        OTHERS
    }

    /// The same of one that was seen: it is given a position if there is room, and says whether what was kept there is another's.
    pub(super) fn seen(&mut self, kind: Kind, now: Moment) -> (usize, bool) {
        let mut position = self.find(kind);
        let mut fresh = false;
        if position == OTHERS && kind != Kind::default() {
            (position, fresh) = match self.room(now) {
                Some(room) => (room, true),
                None => (OTHERS, false),
            };
            if fresh {
                self.all[position] = Known {
                    kind,
                    ..Known::default()
                };
                self.number();
            }
        }
        self.all[position].seen = now;
        (position, fresh)
    }

    fn room(&mut self, now: Moment) -> Option<usize> {
        if self.all.len() < self.max {
            self.all.push(Known::default());
            return Some(self.all.len() - 1);
        }
        let unseen = |known: &Known| now.since(known.seen) > UNSEEN;
        let others = self.all.iter().skip(OTHERS + 1);
        others.clone().position(unseen).map(|at| at + OTHERS + 1)
    }

    fn number(&mut self) {
        self.slots = [0; SLOTS];
        for (position, known) in self.all.iter().enumerate().skip(OTHERS + 1) {
            let mut slot = slot_of(known.kind);
            while self.slots[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            self.slots[slot] = position as u8 + 1;
        }
    }

    pub(super) fn of(&self, position: usize) -> &Known {
        &self.all[position]
    }

    pub(super) fn of_mut(&mut self, position: usize) -> &mut Known {
        &mut self.all[position]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.all.iter()
    }

    /// Positions of endpoints say nothing any more.
    pub(super) fn forget_positions(&mut self) {
        for known in &mut self.all {
            (known.best, known.turn) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    fn kind(route: u32) -> Kind {
        Kind {
            route,
            ..Kind::default()
        }
    }

    fn at(s: u64) -> Moment {
        Moment::of(Time::from_millis(s * 1000))
    }

    #[test]
    fn every_sort_has_its_own_place_until_there_is_none_and_then_shares_one() {
        let mut kinds = Kinds::default();
        for route in 1..KINDS_MAX as u32 {
            assert_eq!(kinds.seen(kind(route), at(1)), (route as usize, true));
        }
        for route in 1..KINDS_MAX as u32 {
            assert_eq!(kinds.seen(kind(route), at(2)), (route as usize, false));
        }
        assert_eq!(kinds.seen(kind(1000), at(3)), (OTHERS, false));
        assert_eq!(kinds.find(Kind::default()), OTHERS);
    }

    #[test]
    fn one_that_was_not_seen_for_long_makes_room() {
        let mut kinds = Kinds::default();
        kinds.limit(3);
        kinds.seen(kind(1), at(1));
        kinds.seen(kind(2), at(500));
        assert_eq!(kinds.seen(kind(3), at(600)), (OTHERS, false));
        assert_eq!(kinds.seen(kind(3), at(700)), (1, true));
        assert_eq!(kinds.find(kind(1)), OTHERS);
        assert_eq!(kinds.find(kind(2)), 2);
        assert_eq!(kinds.find(kind(3)), 1);
    }
}
