//! Rendezvous hashing, also called highest random weight (Thaler and Ravishankar 1998): each endpoint draws a number from the
//! key and its own name, and the best number gets the request. When an endpoint goes, only its own keys move, to everybody
//! else in proportion to the weights; when a weight grows, keys only come to it. There is no table to build.
//!
//! With weights the number is −ln(u) / w, the smallest wins (Schindelhauer and Schomaker 2005). Since −ln(u) ≥ 1 − u, whoever
//! cannot win is passed over without a logarithm, so that a pick takes about a dozen of them among a thousand endpoints.

use super::{Ask, Entry, Group, Key, Policy, draw, hash};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry {
    part: Part {
        name: "rendezvous",
        summary: "by key: each endpoint draws a number from the key, the best gets it; nothing to build, exact by weight",
        settings: &[],
    },
    weighted: true,
    key: Key::Configured,
    learns: false,
    usage: false,
    make: |_| Box::new(Rendezvous),
};

#[derive(Debug)]
pub(super) struct Rendezvous;

impl Policy for Rendezvous {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let Some(key) = ask.key() else {
            return draw::weighted(group, ask, None, rng);
        };
        best(group, &ask.steady(), key)
    }
}

/// Whoever draws the best number of those that fit.
pub(super) fn best(group: &Group, ask: &Ask<'_>, key: u64) -> Option<usize> {
    let mut best = (None, f64::INFINITY);
    for (position, candidate) in group.candidates().iter().enumerate() {
        let drawn = hash::unit(hash::mix(key, candidate.name));
        let weight = f64::from(candidate.weight);
        // Written so that an infinite best times a weight of 0 rules nobody out.
        let hopeless = 1.0 - drawn > best.1 * weight;
        if hopeless || !ask.fits(candidate) {
            continue;
        }
        let number = -drawn.ln() / weight;
        if number < best.1 {
            best = (Some(position), number);
        }
    }
    best.0
}
