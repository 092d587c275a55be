//! The first endpoint in the order of the configuration that has room: a primary and its replicas, or filling one
//! server after the other so that the rest can sleep (HAProxy's `first`).

use super::{Ask, Entry, Group, Policy};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry {
    weighted: false,
    ..Entry::plain(
        Part {
            name: "first",
            summary: "the first endpoint in file order that is usable and has room",
            settings: &[],
        },
        |_| Box::new(First),
    )
};

#[derive(Debug)]
struct First;

impl Policy for First {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, _: &mut Rng) -> Option<usize> {
        let ask = ask.steady();
        group.candidates().iter().position(|c| ask.fits(c))
    }
}
