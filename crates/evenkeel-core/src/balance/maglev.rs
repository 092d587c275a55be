//! Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): a table of a prime number of places, filled by the endpoints in
//! turn, each along a permutation of its own. A key's place says at once who gets it, the shares are even to a place or two,
//! and when an endpoint goes little else moves.
//!
//! Weights as in Envoy: in each round an endpoint has as many turns as its weight is of the greatest. The table is built only
//! when members or their whole weights change. Who ramps, is relieved or does not fit hands a key on to the place of another
//! hash of it, always the same one.

use super::{Ask, Candidate, Entry, Group, Key, Policy, draw, hash, rendezvous};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry {
    key: Key::Configured,
    ..Entry::plain(
        Part {
            name: "maglev",
            summary: "by key through a table of 65,537 places (655,373 for more than 300 endpoints): one look, even shares, few keys move",
            settings: &[],
        },
        |_| Box::new(Maglev::default()),
    )
};

/// The paper's sizes: a hundred times the endpoints and more keeps shares within 1 %.
const PLACES: u64 = 65_537;
const PLACES_LARGE: u64 = 655_373;
const LARGE_FROM: usize = 301;
/// Other hashes of a key that are tried before everybody is looked at.
const REHASHES: u64 = 16;
const OFFSET: u64 = 0x6f66_6673_6574;
const SKIP: u64 = 0x736b_6970;

#[derive(Debug, Default)]
struct Maglev {
    /// Positions.
    places: Vec<u32>,
}

const FREE: u32 = u32::MAX;

impl Maglev {
    /// With so many places, a prime number.
    fn build(&mut self, group: &Group, places: u64) {
        let candidates = group.candidates();
        self.places.clear();
        let most = candidates.iter().map(|c| c.whole).max().unwrap_or(0);
        if most == 0 {
            return;
        }
        self.places.resize(places as usize, FREE);
        let mut turns: Vec<Turn> = candidates.iter().map(|c| Turn::new(c, places)).collect();
        let mut left = places;
        loop {
            for (position, turn) in (0_u32..).zip(&mut turns) {
                turn.credit += u64::from(candidates[position as usize].whole);
                if turn.credit < u64::from(most) {
                    continue;
                }
                turn.credit -= u64::from(most);
                let place = turn.next_free(&self.places, places);
                self.places[place] = position;
                left -= 1;
                if left == 0 {
                    return;
                }
            }
        }
    }
}

/// For so many endpoints.
const fn places_for(endpoints: usize) -> u64 {
    match endpoints < LARGE_FROM {
        true => PLACES,
        false => PLACES_LARGE,
    }
}

/// An endpoint's way through the places.
struct Turn {
    at: u64,
    skip: u64,
    credit: u64,
}

impl Turn {
    fn new(candidate: &Candidate, places: u64) -> Turn {
        Turn {
            at: hash::mix(candidate.name, OFFSET) % places,
            // Not 0, and the number of places is prime: so the way leads through all of them.
            skip: hash::mix(candidate.name, SKIP) % (places - 1) + 1,
            credit: 0,
        }
    }

    fn next_free(&mut self, taken: &[u32], places: u64) -> usize {
        loop {
            let place = self.at as usize;
            self.at += self.skip;
            if self.at >= places {
                self.at -= places;
            }
            if taken[place] == FREE {
                return place;
            }
        }
    }
}

impl Policy for Maglev {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let Some(key) = ask.key() else {
            return draw::weighted(group, ask, None, rng);
        };
        let ask = &ask.steady();
        if !self.places.is_empty() {
            for n in 0..REHASHES {
                let place = hash::mix(key, n) % self.places.len() as u64;
                let position = self.places[place as usize] as usize;
                let candidate = &group.candidates()[position];
                if candidate.takes(key) && ask.fits(candidate) {
                    return Some(position);
                }
            }
        }
        rendezvous::best(group, ask, key)
    }

    fn rebuilt(&mut self, before: &[Candidate], after: &Group, _: &mut Rng) {
        if !after.has_members(before) || self.places.is_empty() {
            self.build(after, places_for(after.candidates().len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::super::testing::{pool, up};
    use super::*;
    use crate::table::{EndpointRow, PoolTable, State};
    use crate::time::Time;

    /// Who has each place, by the endpoint's index.
    fn places(table: &PoolTable, size: u64) -> Vec<usize> {
        let plan = Plan::new(table, Time::ZERO);
        let group = &plan.tiers[0].group;
        let mut maglev = Maglev::default();
        maglev.build(group, size);
        let index = |&position: &u32| group.candidates()[position as usize].index;
        maglev.places.iter().map(index).collect()
    }

    fn named(n: usize) -> PoolTable {
        let rows = (0..n).map(|n| EndpointRow {
            name: format!("backend-{n}").into(),
            ..up(100)
        });
        pool("maglev", rows)
    }

    fn moved(n: usize, out: usize, size: u64) -> f64 {
        let mut table = named(n);
        let before = places(&table, size);
        table.endpoints[out].state = State::Down;
        let after = places(&table, size);
        let stays = before.iter().zip(&after).filter(|(b, _)| **b != out);
        let (all, moved) = stays.fold((0, 0), |(all, moved), (b, a)| {
            (all + 1, moved + usize::from(b != a))
        });
        moved as f64 / f64::from(all)
    }

    #[test]
    fn shares_are_even_within_one_percent() {
        for size in [PLACES, PLACES_LARGE] {
            let mut counts = vec![0_u32; 100];
            let all = places(&named(100), size);
            all.iter().for_each(|&n| counts[n] += 1);
            let (most, least) = (counts.iter().max(), counts.iter().min());
            let ratio = f64::from(*most.unwrap()) / f64::from(*least.unwrap());
            assert!(ratio <= 1.01, "{ratio} of {size}");
        }
    }

    #[test]
    fn with_one_of_a_hundred_gone_hardly_anything_else_moves() {
        for (size, most) in [(PLACES, 0.017), (PLACES_LARGE, 0.012)] {
            for out in [0, 37, 99] {
                let moved = moved(100, out, size);
                assert!(moved <= most, "{moved} of {size} without {out}");
            }
        }
    }

    #[test]
    fn weights_are_kept() {
        let rows = [1, 2, 5].map(up).into_iter().enumerate();
        let rows = rows.map(|(n, row)| EndpointRow {
            name: format!("b{n}").into(),
            ..row
        });
        let mut counts = [0_u32; 3];
        let table = pool("maglev", rows);
        let all = places(&table, places_for(3));
        all.iter().for_each(|&n| counts[n] += 1);
        for (count, weight) in counts.iter().zip([1, 2, 5]) {
            let wanted = PLACES as u32 * weight / 8;
            assert!(count.abs_diff(wanted) <= 3, "{counts:?}");
        }
    }
}
