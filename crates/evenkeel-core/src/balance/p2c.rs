//! Power of two choices (Mitzenmacher 2001): two endpoints by lot, and of these the one with less in flight per weight.
//!
//! Looking at two instead of all keeps most of the benefit of least requests, and a server that looks idle for a moment
//! is not overrun by everybody at once, because everybody looks at two others.

use super::{Ask, Entry, Group, Policy, draw};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry::plain(
    Part {
        name: "p2c",
        summary: "two endpoints by lot with their weights, the one with less in flight per weight",
        settings: &[],
    },
    |_| Box::new(P2c),
);

#[derive(Debug)]
struct P2c;

impl Policy for P2c {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let one = draw::weighted(group, ask, None, rng)?;
        let Some(other) = draw::weighted(group, ask, Some(one), rng) else {
            return Some(one);
        };
        Some(better(one, other, group, ask))
    }
}

/// Of these two the one with less in flight per weight, the first if there is no difference.
pub(super) fn better(one: usize, other: usize, group: &Group, ask: &Ask<'_>) -> usize {
    let [a, b] = [one, other].map(|position| &group.candidates()[position]);
    // Load / weight, compared without dividing.
    let load_a = ask.load(a) * u64::from(b.weight);
    let load_b = ask.load(b) * u64::from(a.weight);
    if load_b < load_a { other } else { one }
}
