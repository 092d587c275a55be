//! The endpoint on which one more request would weigh least, (L + 1) / weight; among equals by lot with their weights.
//!
//! The one that is to come counts, so an idle pool gives to the strongest first: with weights that follow the endpoints' speeds
//! this is the shortest expected delay (Envoy's least request does the same).
//!
//! The lot matters: with little traffic everybody has nothing in flight, and without it the first endpoint would get all
//! of it. Loads are shared between the workers, so they do not each fill the same one.

use super::{Ask, Entry, Group, Key, Policy};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry {
    part: Part {
        name: "least_requests",
        summary: "the endpoint with the least (in flight + 1) / weight, among equals by lot",
        settings: &[],
    },
    weighted: false,
    key: Key::Ignored,
    learns: false,
    usage: false,
    make: |_| Box::new(LeastRequests),
};

#[derive(Debug)]
struct LeastRequests;

impl Policy for LeastRequests {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        // Position, load and weight of the best so far, and the weights of all that equal it.
        let mut best: Option<(usize, u64, u64)> = None;
        let mut tied = 0;
        let fitting = group.candidates().iter().enumerate();
        for (position, candidate) in fitting.filter(|(_, c)| ask.fits(c)) {
            let weight = u64::from(candidate.weight);
            let load = ask.load_after(candidate);
            let order = best.map_or(std::cmp::Ordering::Less, |(_, least, of)| {
                (load * of).cmp(&(least * weight))
            });
            if order.is_lt() {
                tied = weight;
                best = Some((position, load, weight));
            } else if order.is_eq() {
                tied += weight;
                if rng.chance(weight, tied) {
                    best = Some((position, load, weight));
                }
            }
        }
        best.map(|(position, ..)| position)
    }
}
