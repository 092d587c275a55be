//! Rendezvous hashing, also called highest random weight (Thaler and Ravishankar 1998): each endpoint draws a number from the
//! key and its own name, and the best number gets the request. When an endpoint goes, only its own keys move, to everybody
//! else in proportion to the weights; when a weight grows, keys only come to it. There is no table to build.
//!
//! With weights the number is −ln(u) / w, the smallest wins (Schindelhauer and Schomaker 2005). Since −ln(u) ≥ x + x²/2 with
//! x = 1 − u, whoever cannot win is passed over without a logarithm, so that a pick takes hardly more of them than there are new bests,
//! some seven among a thousand endpoints. With even weights it takes none.

use super::{Ask, Entry, Group, Key, Policy, draw, hash};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry {
    key: Key::Configured,
    ..Entry::plain(
        Part {
            name: "rendezvous",
            summary: "by key: each endpoint draws a number from the key, the best gets it; nothing to build, exact by weight",
            settings: &[],
        },
        |_| Box::new(Rendezvous),
    )
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
    match group.even() {
        true => best_of_even(group, ask, key),
        false => best_by_weight(group, ask, key),
    }
}

/// With even weights −ln(u) has the order of −u, and the hash itself will do.
fn best_of_even(group: &Group, ask: &Ask<'_>, key: u64) -> Option<usize> {
    let (mut best, mut most) = (None, 0);
    for (position, candidate) in ask.fitting(group) {
        let drawn = hash::mix(key, candidate.name);
        if drawn >= most {
            (best, most) = (Some(position), drawn);
        }
    }
    best
}

fn best_by_weight(group: &Group, ask: &Ask<'_>, key: u64) -> Option<usize> {
    let mut best = (None, f64::INFINITY);
    for (position, candidate) in ask.fitting(group) {
        let drawn = hash::unit(hash::mix(key, candidate.name));
        let weight = f64::from(candidate.weight);
        let left = 1.0 - drawn;
        if left + left * left / 2.0 > best.1 * weight {
            continue;
        }
        let number = -drawn.ln() / weight;
        if number < best.1 {
            best = (Some(position), number);
        }
    }
    best.0
}
