//! The first endpoint in the order of the configuration that has room: a primary and its replicas, or filling one
//! server after the other so that the rest can sleep (HAProxy's `first`).

use super::{Ask, Entry, Group, Policy};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry {
    part: Part {
        name: "first",
        summary: "the first endpoint in file order that is usable and has room",
        settings: &[],
    },
    weighted: false,
    make: || Box::new(First),
};

#[derive(Debug)]
struct First;

impl Policy for First {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, _: &mut Rng) -> Option<usize> {
        // Its order has a meaning, so a single failure does not change it, not even for what can be sent only once.
        let ask = Ask {
            unfailing: None,
            ..*ask
        };
        group.candidates().iter().position(|c| ask.fits(c))
    }
}
