//! Endpoints on two networks, and what befalls these.

use std::time::Duration;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::PoolSpec;
use evenkeel_core::time::Time;

use super::{Deed, moment};

/// Some endpoints get an address on another network. Now and then no packet gets to one of the two.
pub(super) fn lay(pools: &mut [PoolSpec], rng: &mut Rng) -> Vec<(Time, Deed)> {
    let mut ways = Vec::new();
    for pool in pools {
        if rng.chance(1, 2) {
            continue;
        }
        for endpoint in &mut pool.endpoints {
            let Target::Address(first) = &endpoint.target else {
                continue;
            };
            if rng.chance(1, 3) {
                continue;
            }
            let other = Address::Unix(format!("/{}/{}/other", pool.name, endpoint.name).into());
            ways.extend([first.clone(), first.clone(), other.clone()]);
            endpoint.others = vec![Target::Address(other)];
        }
    }
    let mut deeds = Vec::new();
    if ways.is_empty() {
        return deeds;
    }
    for _ in 0..rng.index(2 + ways.len()) {
        let way = ways[rng.index(ways.len())].clone();
        let long = Duration::from_millis(500 + rng.below(30_000));
        deeds.push((moment(rng), Deed::CutWay(way, long)));
    }
    deeds
}
