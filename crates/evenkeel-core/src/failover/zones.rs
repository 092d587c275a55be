//! How much of a tier's traffic stays in the balancer's own zone.
//!
//! Traffic between zones is slower and often paid for, so the own zone comes first. But it must not be given more than it is
//! there for: each zone is taken to bring the same traffic (there are as many balancers in one as in another), and so to be entitled to
//! an even part of the tier's whole weight. While what is usable here, times the overprovisioning factor, comes up to that
//! part, everything stays; of less, as much less stays, and the rest goes to the others by their weights. So a zone that loses
//! endpoints gives work away before those left have more than the factor of their normal load, and a zone that has few from
//! the beginning is not drowned.
//!
//! Envoy's zone aware routing compares shares of balancers and endpoints by zone in the same way, but has to be told of all
//! balancers; its priority levels and Istio's locality failover have the factor of 1.4, and know nothing of small zones. Kubernetes'
//! `PreferSameZone` has neither, and overloads a zone with too few.

use crate::settings::Share;

use super::tiers::ALL;

/// One tier, as seen from this zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    /// Weight of those here that may be given work; ramps counted in.
    pub near: u64,
    /// Of those elsewhere.
    pub far: u64,
    /// Of all of the tier, usable or not, here or elsewhere.
    pub whole: u64,
    /// Zones that have any of it, this one too.
    pub zones: u64,
}

/// What stays, in hundredths of a percent: never nothing while anybody here is usable, and all if nobody is elsewhere.
pub fn stays(sides: Sides, overprovision: Share) -> u32 {
    if sides.near == 0 || sides.far == 0 {
        return if sides.near == 0 { 0 } else { ALL };
    }
    let usable = u128::from(sides.near) * u128::from(sides.zones.max(1));
    let part = usable * u128::from(overprovision.0) / u128::from(sides.whole.max(1));
    (part.min(u128::from(ALL)) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(near: u64, far: u64, whole: u64, zones: u64) -> u32 {
        let sides = Sides {
            near,
            far,
            whole,
            zones,
        };
        stays(sides, Share::percent(140))
    }

    #[test]
    fn a_healthy_zone_keeps_everything_and_a_hurt_one_what_it_can_carry() {
        // Three zones of 300.
        assert_eq!(of(300, 600, 900, 3), ALL);
        assert_eq!(of(220, 600, 900, 3), ALL);
        assert_eq!(of(200, 600, 900, 3), 9_333);
        assert_eq!(of(100, 600, 900, 3), 4_666);
        assert_eq!(of(0, 600, 900, 3), 0);
    }

    #[test]
    fn a_zone_with_few_endpoints_is_not_drowned() {
        // One of ten, in one of two zones: a fifth of its even part.
        assert_eq!(of(100, 900, 1000, 2), 2_800);
        // With more than its part it keeps all.
        assert_eq!(of(600, 400, 1000, 2), ALL);
    }

    #[test]
    fn with_nobody_elsewhere_everything_stays() {
        assert_eq!(of(1, 0, 900, 3), ALL);
        assert_eq!(of(0, 0, 900, 3), 0);
    }

    proptest! {
        #[test]
        fn nobody_here_has_more_than_the_factor_of_an_even_load(
            near in 1_u64..10_000, far in 1_u64..10_000, gone in 0_u64..10_000, zones in 1_u64..10
        ) {
            let whole = near + far + gone;
            let stays = of(near, far, whole, zones);
            prop_assert!((1..=ALL).contains(&stays));
            // Per weight, against a zone's even part of the traffic over the whole tier's weight.
            let load = f64::from(stays) / f64::from(ALL) / zones as f64 / near as f64;
            let even = 1.0 / whole as f64;
            prop_assert!(stays == 1 || load <= even * 1.4 + 1e-12);
        }
    }
}
