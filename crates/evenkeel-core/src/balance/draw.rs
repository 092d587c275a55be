//! Drawing lots among the candidates of a group.

use crate::rng::Rng;

use super::{Ask, Candidate, Group};

/// One of those that fit, all alike.
pub(crate) fn uniform(group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
    let candidates = group.candidates();
    if group.even() && ask.all_fit(group) {
        return Some(rng.index(candidates.len()));
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
    nth(
        group,
        ask,
        except,
        |position| u64::from(group.candidates()[position].weight),
        rng,
    )
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
        self.sums.reserve_exact(group.candidates().len());
    }

    /// One of those that fit and hold a lot.
    pub(crate) fn draw(
        &mut self,
        group: &Group,
        ask: &Ask<'_>,
        rng: &mut Rng,
        lots: impl Fn(&Candidate) -> u64,
    ) -> Option<usize> {
        self.sums.clear();
        let mut sum = 0_u64;
        for candidate in group.candidates() {
            if ask.fits(candidate) {
                sum = sum.saturating_add(lots(candidate));
            }
            self.sums.push(sum);
        }
        if sum == 0 {
            return None;
        }
        let drawn = rng.below(sum);
        Some(self.sums.partition_point(|&up_to| up_to <= drawn))
    }
}
