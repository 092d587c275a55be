//! By lot, with lots in inverse proportion to what is in flight: P ∝ weight / (1 + L). 1 / L would be infinite for whoever is
//! idle, and all would go there at once; here two idle endpoints share evenly, and one with nine in flight still gets a tenth
//! of what an idle one gets.

use super::draw::Lots;
use super::{Ask, Candidate, Entry, Group, Policy};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry::plain(
    Part {
        name: "load_inverse",
        summary: "any endpoint by lot, the more likely the less it has in flight: weight / (1 + in flight)",
        settings: &[],
    },
    |_| Box::new(LoadInverse::default()),
);

/// So that a weight of 1 under much load is still more than nothing.
const SCALE: f64 = (1 << 20) as f64;

#[derive(Debug, Default)]
struct LoadInverse {
    lots: Lots,
}

impl Policy for LoadInverse {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        self.lots.draw(group, ask, rng, |_, candidate| {
            // Divided as floating point, and by way of signed numbers: half the time of integers, and none is negative.
            let load = ask.load_after(candidate) as i64 as f64;
            let lots = f64::from(candidate.weight) * SCALE / load;
            (lots as i64 as u64).max(1)
        })
    }

    fn rebuilt(&mut self, _: &[Candidate], after: &Group, _: &mut Rng) {
        self.lots.make_room(after);
    }
}
