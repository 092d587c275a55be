//! How the traffic is divided between tiers: Envoy's priority levels.
//!
//! A tier is as healthy as its usable weight times the overprovisioning factor is of its whole weight, at most fully.
//! The first tier takes that part of the traffic, the next as much of the rest as its own health allows, and so on. If
//! all tiers together are less than fully healthy, what there is is scaled up to the whole: the traffic has to go
//! somewhere.

use crate::settings::Share;

/// All traffic, in hundredths of a percent.
pub const ALL: u32 = 10_000;

/// One tier's weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// Of those that may be given work; ramps counted in.
    pub usable: u64,
    /// Of all.
    pub whole: u64,
}

/// Writes each tier's part of the traffic into `parts`, in hundredths of a percent. They add up to [`ALL`], or are all
/// zero if no tier has any usable weight.
pub fn divide(tiers: impl Iterator<Item = Weights>, overprovision: Share, parts: &mut [u32]) {
    parts.fill(0);
    let mut left = ALL;
    for (tier, part) in tiers.zip(parts.iter_mut()) {
        *part = health(tier, overprovision).min(left);
        left -= *part;
    }
    let given = ALL - left;
    if left == 0 || given == 0 {
        return;
    }
    for part in parts.iter_mut() {
        *part = (u64::from(*part) * u64::from(ALL) / u64::from(given)) as u32;
    }
    let rounding = ALL - parts.iter().sum::<u32>();
    if let Some(first) = parts.iter_mut().find(|part| **part > 0) {
        *first += rounding;
    }
}

/// At least one hundredth of a percent while anything is usable, so that a lone survivor of a large tier is not lost to rounding.
fn health(tier: Weights, overprovision: Share) -> u32 {
    if tier.whole == 0 || tier.usable == 0 {
        return 0;
    }
    let part = u128::from(tier.usable) * u128::from(overprovision.0) / u128::from(tier.whole);
    (part.min(u128::from(ALL)) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(tiers: &[(u64, u64)], overprovision: u32) -> Vec<u32> {
        let mut parts = vec![0; tiers.len()];
        let weights = tiers
            .iter()
            .map(|&(usable, whole)| Weights { usable, whole });
        divide(weights, Share::percent(overprovision), &mut parts);
        parts
    }

    #[test]
    fn the_figures_of_envoys_documentation_come_out() {
        // envoyproxy.io, load balancing, priority levels: the tables for two and for three levels.
        assert_eq!(parts(&[(100, 100), (100, 100)], 140), [10_000, 0]);
        assert_eq!(parts(&[(72, 100), (72, 100)], 140), [10_000, 0]);
        assert_eq!(parts(&[(71, 100), (71, 100)], 140), [9_940, 60]);
        assert_eq!(parts(&[(50, 100), (50, 100)], 140), [7_000, 3_000]);
        assert_eq!(parts(&[(25, 100), (100, 100)], 140), [3_500, 6_500]);
        assert_eq!(parts(&[(25, 100), (25, 100)], 140), [5_000, 5_000]);
        assert_eq!(parts(&[(0, 100), (100, 100)], 140), [0, 10_000]);
        // 35 + 35 + 28 = 98 %: scaled up, the rounding goes to the first.
        let three = parts(&[(25, 100), (25, 100), (20, 100)], 140);
        assert_eq!(three, [3_572, 3_571, 2_857]);
    }

    #[test]
    fn nothing_usable_means_no_parts() {
        assert_eq!(parts(&[(0, 100), (0, 0)], 140), [0, 0]);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_go_only_where_something_is_usable(
            tiers in proptest::collection::vec((0_u64..70_000, 0_u64..70_000), 1..8),
            overprovision in 100_u32..1_000
        ) {
            let tiers: Vec<_> = tiers.into_iter().map(|(a, b)| (a.min(b), b)).collect();
            let parts = parts(&tiers, overprovision);
            let any = tiers.iter().any(|&(usable, _)| usable > 0);
            prop_assert_eq!(parts.iter().sum::<u32>(), if any { ALL } else { 0 });
            for (part, (usable, _)) in parts.iter().zip(&tiers) {
                prop_assert!(*part == 0 || *usable > 0);
            }
        }
    }
}
