//! Smooth weighted round robin, as nginx does it: in turn, by weight, and without runs.
//!
//! Everybody has a credit. At each pick everybody gains its weight, the one with the most credit is taken and pays the
//! sum of all weights. Over one full cycle each is taken exactly as often as its weight says, spread as evenly as it
//! goes: 5, 1, 1 gives a a b a c a a.
//!
//! Each worker begins at its own place of the cycle, so that several workers do not send their first requests to the
//! same endpoint.

use super::{Ask, Candidate, Entry, Group, Kept, Policy};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry::plain(
    Part {
        name: "round_robin",
        summary: "in turn, by weight, spread as evenly as possible",
        settings: &[],
    },
    |_| Box::new(RoundRobin::default()),
);

#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    credit: Kept<i64>,
}

impl RoundRobin {
    /// Whose turn it is among those that fit and are good.
    pub(super) fn turn(
        &mut self,
        group: &Group,
        ask: &Ask<'_>,
        good: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        match ask.all_fit(group) {
            true => self.next(group, |position, c| c.weight > 0 && good(position)),
            false => self.next(group, |position, c| ask.fits(c) && good(position)),
        }
    }

    fn next(&mut self, group: &Group, fits: impl Fn(usize, &Candidate) -> bool) -> Option<usize> {
        let mut best: Option<(usize, i64)> = None;
        let mut total = 0;
        let both = group.candidates().iter().zip(self.credit.iter_mut());
        for (position, (candidate, credit)) in both.enumerate() {
            if !fits(position, candidate) {
                continue;
            }
            total += i64::from(candidate.weight);
            *credit += i64::from(candidate.weight);
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((position, *credit));
            }
        }
        let (position, _) = best?;
        self.credit[position] -= total;
        Some(position)
    }
}

impl Policy for RoundRobin {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, _: &mut Rng) -> Option<usize> {
        self.turn(group, ask, |_| true)
    }

    fn rebuilt(&mut self, before: &[Candidate], after: &Group, rng: &mut Rng) {
        self.credit.rebuilt(before, after);
        if before.is_empty() {
            for _ in 0..rng.index(after.candidates().len()) {
                self.next(after, |_, candidate| candidate.weight > 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pool, up};
    use super::super::{Choice, Picker, Request};
    use crate::time::Time;
    use proptest::prelude::*;

    #[test]
    fn five_one_one_is_spread_as_nginx_spreads_it() {
        let table = pool("round_robin", [up(5), up(1), up(1)]);
        let mut picker = Picker::new(&table, 1);
        let taken: Vec<_> = (0..14)
            .map(|_| match picker.pick(&table, &Request::at(Time::ZERO)) {
                Choice::Endpoint(index) => index,
                other => panic!("{other:?}"),
            })
            .collect();
        let cycle = [0, 0, 1, 0, 2, 0, 0];
        let fits = (0..7).any(|at| (0..14).all(|i| taken[i] == cycle[(i + at) % 7]));
        assert!(fits, "{taken:?}");
    }

    proptest! {
        #[test]
        fn over_a_full_cycle_each_is_taken_as_often_as_its_weight(
            weights in proptest::collection::vec(0_u32..=256, 1..12),
            seed in any::<u64>()
        ) {
            let total: u32 = weights.iter().sum();
            prop_assume!(total > 0);
            let table = pool("round_robin", weights.iter().map(|&w| up(w)));
            let mut picker = Picker::new(&table, seed);
            for _ in 0..2 {
                let mut taken = vec![0_u32; weights.len()];
                for _ in 0..total {
                    match picker.pick(&table, &Request::at(Time::ZERO)) {
                        Choice::Endpoint(index) => taken[index] += 1,
                        other => panic!("{other:?}"),
                    }
                }
                prop_assert_eq!(&taken, &weights);
            }
        }
    }
}
