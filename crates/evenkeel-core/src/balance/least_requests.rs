//! The endpoint on which one more request would weigh least, (L + 1) / weight; among equals by lot with their weights.
//!
//! The one that is to come counts, so an idle pool gives to the strongest first: with weights that follow the endpoints' speeds
//! this is the shortest expected delay (Envoy's least request does the same).
//!
//! The lot matters: with little traffic everybody has nothing in flight, and without it the first endpoint would get all
//! of it. Loads are shared between the workers, so they do not each fill the same one.

use super::{Ask, Entry, Group, Policy, draw};
use crate::registry::Part;
use crate::rng::Rng;

pub(super) const ENTRY: Entry = Entry {
    weighted: false,
    ..Entry::plain(
        Part {
            name: "least_requests",
            summary: "the endpoint with the least (in flight + 1) / weight, among equals by lot",
            settings: &[],
        },
        |_| Box::new(LeastRequests),
    )
};

#[derive(Debug)]
struct LeastRequests;

impl Policy for LeastRequests {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        if group.even() {
            return draw::least(group, ask, rng, |_, candidate| ask.load_after(candidate));
        }
        draw::least(group, ask, rng, |_, candidate| {
            let load = ask.load_after(candidate) as i64 as f64;
            draw::order(load / f64::from(candidate.weight))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::super::testing::{pool, up};
    use super::super::{Choice, Picker, Request};
    use crate::time::Time;

    #[test]
    fn equals_share_by_their_weights_and_the_others_get_nothing() {
        let table = pool("least_requests", [up(10), up(10), up(20), up(20)]);
        // One more would weigh the same at the first three, and more at the last.
        for (row, in_flight) in table.endpoints.iter().zip([0, 0, 1, 2]) {
            row.shared.in_flight.store(in_flight, Relaxed);
        }
        let mut picker = Picker::new(&table, 3);
        let mut taken = [0_u32; 4];
        for _ in 0..10_000 {
            if let Choice::Endpoint(index) = picker.pick(&table, &Request::at(Time::ZERO)) {
                taken[index] += 1;
            }
        }
        assert_eq!(taken[3], 0);
        for (taken, wanted) in taken.into_iter().zip([2500, 2500, 5000]) {
            assert!(taken.abs_diff(wanted) < 250, "{taken} {wanted}");
        }
    }
}
