//! Any endpoint, all alike, whatever their weights: the plainest policy, and the yardstick for the others.

use super::{Ask, Entry, Group, Policy, draw};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry {
    weighted: false,
    ..Entry::plain(
        Part {
            name: "random",
            summary: "any usable endpoint, all alike; weights count only in that 0 gets nothing",
            settings: &[],
        },
        |_| Box::new(Random),
    )
};

#[derive(Debug)]
struct Random;

impl Policy for Random {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        draw::uniform(group, ask, rng)
    }
}
