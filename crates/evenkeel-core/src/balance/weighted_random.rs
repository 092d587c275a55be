//! Any endpoint, by lot with its weight. Unlike round robin it keeps nothing, so many balancers do not fall into step.

use super::{Ask, Entry, Group, Policy, draw};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry::plain(
    Part {
        name: "weighted_random",
        summary: "any usable endpoint, by lot with its weight",
        settings: &[],
    },
    |_| Box::new(WeightedRandom),
);

#[derive(Debug)]
struct WeightedRandom;

impl Policy for WeightedRandom {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        draw::weighted(group, ask, None, rng)
    }
}
