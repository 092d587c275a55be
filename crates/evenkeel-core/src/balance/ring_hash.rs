//! Consistent hashing with bounded load (Karger et al. 1997; Mirrokni, Thorup and Zadimoghaddam 2018): endpoints own points on
//! a ring, a key belongs to the next point, and whoever has more than 1.25 times the average in flight passes it on to the
//! next. So keys stay where they are when others come and go, and one hot key cannot drown its endpoint.
//!
//! The ring is built only when members or their whole weights change. A ramp or relief leaves it as it is: then an endpoint
//! takes a part of its keys, always the same ones, and as its share grows keys only come back.

use super::{Ask, Candidate, Entry, Group, Key, Policy, draw, hash};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry {
    key: Key::Configured,
    ..Entry::plain(
        Part {
            name: "ring_hash",
            summary: "by key on a ring of hashes; who has over 1.25 times the average in flight passes it on",
            settings: &[],
        },
        |_| Box::new(Ring::default()),
    )
};

/// Points of all endpoints together: with 64 endpoints each has 1024, and its share of the ring is its own within some 3 %.
const POINTS: u64 = 65_536;
/// An endpoint has at least so many if its weight is the average, and at least one whatever its weight.
const POINTS_MIN: u64 = 64;
/// 1 + ε in quarters: ε = 0.25 is what Vimeo and HAProxy's `hash-balance-factor 125` use; it costs 1/ε² ≈ 16 further
/// endpoints at the very most, and about one in practice.
const BOUND_QUARTERS: u64 = 5;
/// Buckets of the index over the ring, by the highest bits of the hash: about one point each.
const INDEX_BITS: u32 = 16;

#[derive(Debug, Default)]
struct Ring {
    /// By hash: hash and position.
    points: Vec<(u64, u32)>,
    /// Where the points of each bucket begin.
    index: Vec<u32>,
}

impl Ring {
    fn build(&mut self, group: &Group) {
        let candidates = group.candidates();
        let total: u64 = candidates.iter().map(|c| u64::from(c.whole)).sum();
        let n = candidates.len() as u64;
        let all = POINTS.max(POINTS_MIN * n);
        self.points.clear();
        for (position, candidate) in (0_u32..).zip(candidates) {
            let points = u128::from(all) * u128::from(candidate.whole) / u128::from(total.max(1));
            let points = (points as u64).max(1);
            let hashes = (0..points).map(|n| hash::mix(candidate.name, n));
            self.points.extend(hashes.map(|hash| (hash, position)));
        }
        self.points.sort_unstable();
        self.index.clear();
        let mut next = 0;
        for bucket in 0..1_u64 << INDEX_BITS {
            let from = bucket << (64 - INDEX_BITS);
            while self.points.get(next).is_some_and(|&(hash, _)| hash < from) {
                next += 1;
            }
            self.index.push(next as u32);
        }
    }

    /// The point a key belongs to.
    fn point_of(&self, key: u64) -> usize {
        let bucket = (key >> (64 - INDEX_BITS)) as usize;
        let begin = self.index.get(bucket).map_or(0, |&n| n as usize);
        let after = self.points[begin..].iter();
        begin + after.take_while(|&&(hash, _)| hash < key).count()
    }

    /// The first owner from the key on who will take it. A walk has an end: as many points as would, evenly mixed, show
    /// everybody a few times.
    fn walk(&self, group: &Group, key: u64, takes: impl Fn(&Candidate) -> bool) -> Option<usize> {
        let candidates = group.candidates();
        let len = self.points.len();
        let begin = self.point_of(key);
        let mut last = u32::MAX;
        for step in 0..len.min(8 * candidates.len() + 64) {
            let (_, position) = self.points[(begin + step) % len];
            if position != last && takes(&candidates[position as usize]) {
                return Some(position as usize);
            }
            last = position;
        }
        None
    }
}

impl Policy for Ring {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let Some(key) = ask.key() else {
            return draw::weighted(group, ask, None, rng);
        };
        let ask = &ask.steady();
        // Spread over the whole ring, however the key came about.
        let key = hash::mix(key, RING);
        let loads = |c: &Candidate| u64::from(ask.in_flight(c));
        let after = 1 + group.candidates().iter().map(loads).sum::<u64>();
        let bound = |c: &Candidate| {
            let share = u128::from(after * BOUND_QUARTERS) * u128::from(c.weight);
            share.div_ceil(u128::from(4 * group.total().max(1))) as u64
        };
        let takes = |c: &Candidate| c.takes(key) && ask.fits(c) && loads(c) < bound(c);
        self.walk(group, key, takes).or_else(|| least(group, ask))
    }

    fn rebuilt(&mut self, before: &[Candidate], after: &Group, _: &mut Rng) {
        if !after.has_members(before) || self.points.is_empty() {
            self.build(after);
        }
    }
}

/// So that keys fall onto the ring independently of the tier they fell into.
const RING: u64 = 0x7269_6e67;

/// Nobody on the way would take it: the least loaded for its weight of those that fit.
fn least(group: &Group, ask: &Ask<'_>) -> Option<usize> {
    let fitting = group.candidates().iter().enumerate();
    let fitting = fitting.filter(|(_, c)| ask.fits(c));
    let load = |c: &Candidate| u128::from(ask.in_flight(c)) + 1;
    fitting
        .min_by(|(_, a), (_, b)| {
            (load(a) * u128::from(b.weight)).cmp(&(load(b) * u128::from(a.weight)))
        })
        .map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::super::testing::{pool, up};
    use super::super::{Choice, Picker, Request};
    use crate::rng::Rng;
    use crate::time::Time;

    #[test]
    fn nobody_ever_has_more_than_a_quarter_over_the_average_in_flight() {
        let table = pool("ring_hash", (0..20).map(|_| up(1)));
        let mut picker = Picker::new(&table, 1);
        let mut rng = Rng::new(5);
        let mut open: Vec<usize> = Vec::new();
        for n in 0..200_000_u64 {
            // Every second request has the same key.
            let key = if n % 2 == 0 { 7 } else { rng.draw() };
            let request = Request::at(Time::ZERO).keyed(Some(key));
            let Choice::Endpoint(index) = picker.pick(&table, &request) else {
                panic!("everybody is up");
            };
            open.push(index);
            let in_flight = &table.endpoints[index].shared.in_flight;
            let now = u64::from(in_flight.fetch_add(1, Relaxed)) + 1;
            let bound = (open.len() as u64 * 5).div_ceil(4 * 20);
            assert!(now <= bound, "{now} of {} at one", open.len());
            while open.len() > 300 || (!open.is_empty() && rng.chance(1, 2)) {
                let gone = open.swap_remove(rng.index(open.len()));
                table.endpoints[gone].shared.in_flight.fetch_sub(1, Relaxed);
            }
        }
    }
}
