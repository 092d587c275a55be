//! Drawing lots among the candidates of a group, and finding the least of them.
//!
//! Where not everybody fits, lots are drawn as if all did and thrown away when they hit somebody who does not: those who fit have
//! their share of what is left, and nobody else was looked at. Only when that fails a few times all are gone through.

use crate::rng::Rng;

use super::{Ask, Candidate, Group};

/// Lots that are drawn before everybody is looked at.
const BLIND: usize = 8;

/// One of those that fit, all alike.
pub(crate) fn uniform(group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
    let candidates = group.candidates();
    if group.even() && ask.all_fit(group) {
        return Some(rng.index(candidates.len()));
    }
    let mut drawn = (0..BLIND.min(candidates.len())).map(|_| rng.index(candidates.len()));
    if let Some(found) = drawn.find(|&position| ask.fits(&candidates[position])) {
        return Some(found);
    }
    nth(group, ask, None, |_| 1, rng)
}

/// One of those that fit, by their weights; never the one at `except`.
pub(crate) fn weighted(
    group: &Group,
    ask: &Ask<'_>,
    except: Option<usize>,
    rng: &mut Rng,
) -> Option<usize> {
    let n = group.candidates().len();
    if group.even() && ask.all_fit(group) {
        return match except {
            None => Some(rng.index(n)),
            Some(_) if n < 2 => None,
            Some(except) => {
                let drawn = rng.index(n - 1);
                Some(drawn + usize::from(drawn >= except))
            }
        };
    }
    let weight = |position: usize| u64::from(group.candidates()[position].weight);
    if group.total() > 0 {
        for _ in 0..BLIND {
            let drawn = group.holder(rng.below(group.total()));
            if Some(drawn) != except && ask.fits(&group.candidates()[drawn]) {
                return Some(drawn);
            }
        }
    }
    nth(group, ask, except, weight, rng)
}

/// The one with the least number of those that fit, among equals by lot with their weights.
///
/// Two passes: first the least number and how many lots its holders have, then the holder of the drawn lot. Neither branches on
/// the numbers, since whether one of a thousand is the least is nothing a processor could foresee. What changes between
/// the two changes who that is, and no more.
pub(crate) fn least(
    group: &Group,
    ask: &Ask<'_>,
    rng: &mut Rng,
    number: impl Fn(usize, &Candidate) -> u64,
) -> Option<usize> {
    let (mut least, mut first, mut lots) = (u64::MAX, None, 0);
    for (position, candidate) in ask.fitting(group) {
        let number = number(position, candidate);
        let weight = u64::from(candidate.weight);
        let better = number < least || first.is_none();
        first = if better { Some(position) } else { first };
        lots = if better { 0 } else { lots };
        lots += if number <= least { weight } else { 0 };
        least = least.min(number);
    }
    let first = first?;
    if lots == u64::from(group.candidates()[first].weight) {
        return Some(first);
    }
    let mut left = rng.below(lots) + 1;
    for (position, candidate) in ask.fitting(group) {
        let holds = number(position, candidate) <= least;
        left = left.saturating_sub(if holds {
            u64::from(candidate.weight)
        } else {
            0
        });
        if left == 0 {
            return Some(position);
        }
    }
    Some(first)
}

/// A number in the order of these, none of which is negative: of such the bits have the same order.
pub(crate) fn order(number: f64) -> u64 {
    number.to_bits()
}

/// Two passes: first the sum of the lots, then the holder of the drawn one. Somebody may have ceased to fit between the
/// two (another worker filled it); then the last one seen in the second pass is taken.
fn nth(
    group: &Group,
    ask: &Ask<'_>,
    except: Option<usize>,
    lots: impl Fn(usize) -> u64,
    rng: &mut Rng,
) -> Option<usize> {
    let candidates = group.candidates();
    let fits = |position: usize| Some(position) != except && ask.fits(&candidates[position]);
    let sum: u64 = (0..candidates.len()).filter(|&p| fits(p)).map(&lots).sum();
    let mut drawn = rng.below(sum);
    let mut last = None;
    for position in (0..candidates.len()).filter(|&p| fits(p)) {
        last = Some(position);
        let held = lots(position);
        if drawn < held {
            break;
        }
        drawn -= held;
    }
    last
}

/// Lots that are different at each pick: one pass over the candidates, then a search for the drawn one.
#[derive(Debug, Default)]
pub(crate) struct Lots {
    /// The sum of all lots up to each.
    sums: Vec<u64>,
}

impl Lots {
    /// So that drawing does not allocate.
    pub(crate) fn make_room(&mut self, group: &Group) {
        self.sums.clear();
        self.sums.resize(group.candidates().len(), 0);
    }

    /// One of those that fit and hold a lot.
    pub(crate) fn draw(
        &mut self,
        group: &Group,
        ask: &Ask<'_>,
        rng: &mut Rng,
        lots: impl Fn(usize, &Candidate) -> u64,
    ) -> Option<usize> {
        let all = ask.all_fit(group);
        let mut sum = 0_u64;
        let both = group.candidates().iter().zip(&mut self.sums);
        for (position, (candidate, up_to)) in both.enumerate() {
            let fits = if all {
                candidate.weight > 0
            } else {
                ask.fits(candidate)
            };
            sum = sum.saturating_add(if fits { lots(position, candidate) } else { 0 });
            *up_to = sum;
        }
        if sum == 0 {
            return None;
        }
        let drawn = rng.below(sum);
        Some(self.sums.partition_point(|&up_to| up_to <= drawn))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pool, up};
    use super::super::{Choice, Picker, Request};
    use crate::id::EndpointId;
    use crate::time::Time;

    #[test]
    fn with_some_excluded_the_rest_keep_their_shares() {
        for (policy, wanted) in [("weighted_random", [2, 0, 6]), ("random", [4, 0, 4])] {
            let table = pool(policy, [up(1), up(9), up(3)]);
            let mut picker = Picker::new(&table, 3);
            let request = Request::at(Time::ZERO).without(&[EndpointId(1)]);
            let mut taken = [0_u32; 3];
            for _ in 0..8000 {
                if let Choice::Endpoint(index) = picker.pick(&table, &request) {
                    taken[index] += 1;
                }
            }
            for (taken, wanted) in taken
                .into_iter()
                .zip(wanted.map(|thousands| thousands * 1000))
            {
                assert!(taken.abs_diff(wanted) < 250, "{policy}: {taken} {wanted}");
            }
        }
    }
}
