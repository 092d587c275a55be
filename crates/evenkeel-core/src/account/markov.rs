//! How available a pool of n alike endpoints is of which k are needed, with so many repairs at once.
//!
//! A birth-death chain over the number of failed endpoints: each working one fails at rate 1/MTTF, each repair ends at rate
//! 1/MTTR, and at most `crews` are repaired at a time (Trivedi, *Probability and Statistics with Reliability, Queuing and
//! Computer Science Applications*, ch. 8). The steady state is a product of rate ratios, so there is nothing to solve. With
//! as many crews as endpoints it equals the binomial formula of independent endpoints, by which it is tested.

/// Endpoints of which the model is computed at most: a thousand is more than any pool has.
pub const ENDPOINTS_MAX: u32 = 1000;

/// A fleet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fleet {
    /// n ≥ 1, at most [`ENDPOINTS_MAX`].
    pub endpoints: u32,
    /// k, 1 to n: fewer working than this is an outage.
    pub needed: u32,
    /// Repairs at once, at least 1; n = as many as there are faults.
    pub crews: u32,
    /// Mean time to failure of one, in any unit, more than 0.
    pub mttf: f64,
    /// Mean time to repair, in the same unit, more than 0.
    pub mttr: f64,
}

/// The share of time in which fewer than `needed` work. `None` for a fleet that does not make sense.
pub fn unavailability(fleet: &Fleet) -> Option<f64> {
    let positive = |x: f64| x.is_finite() && x > 0.0;
    let sense = (1..=ENDPOINTS_MAX).contains(&fleet.endpoints)
        && (1..=fleet.endpoints).contains(&fleet.needed)
        && fleet.crews >= 1
        && positive(fleet.mttf)
        && positive(fleet.mttr);
    if !sense {
        return None;
    }
    // Logarithms: ρ^1000 / 1000! is far outside of what a float holds.
    let ratio = (fleet.mttr / fleet.mttf).ln();
    let mut weights = vec![0.0f64];
    for failed in 0..fleet.endpoints {
        let working = f64::from(fleet.endpoints - failed);
        let repaired = f64::from((failed + 1).min(fleet.crews));
        let last = weights.last().copied().unwrap_or_default();
        weights.push(last + ratio + working.ln() - repaired.ln());
    }
    let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = |weights: &[f64]| {
        weights
            .iter()
            .map(|weight| (weight - most).exp())
            .sum::<f64>()
    };
    let out = (fleet.endpoints - fleet.needed + 1) as usize;
    Some(sum(&weights[out..]) / sum(&weights))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(endpoints: u32, needed: u32, crews: u32) -> f64 {
        let (mttf, mttr) = (1000.0, 4.0);
        unavailability(&Fleet {
            endpoints,
            needed,
            crews,
            mttf,
            mttr,
        })
        .unwrap()
    }

    #[test]
    fn known_fleets_have_their_known_unavailability() {
        for (endpoints, needed, crews, known) in [
            (2, 1, 2, 1.5873e-5),
            (2, 1, 1, 3.1745e-5),
            (3, 2, 3, 4.7492e-5),
            (5, 3, 5, 6.2861e-7),
        ] {
            let found = of(endpoints, needed, crews);
            let off = (found / known - 1.0).abs();
            assert!(off < 1e-4, "{needed} of {endpoints}: {found:e}, {known:e}");
        }
        assert!((of(1, 1, 1) - 4.0 / 1004.0).abs() < 1e-15);
    }

    #[test]
    fn a_fleet_without_sense_has_no_answer_and_a_large_one_has() {
        let fleet = Fleet {
            endpoints: 1000,
            needed: 1000,
            crews: 1,
            mttf: 1e9,
            mttr: 1e-3,
        };
        assert!(unavailability(&fleet).is_some_and(|u| u > 0.0 && u < 1e-8));
        let worst = Fleet {
            mttf: 1e-9,
            ..fleet
        };
        assert!(unavailability(&worst).is_some_and(|u| u > 0.999_999));
        for wrong in [
            Fleet {
                endpoints: 0,
                ..fleet
            },
            Fleet {
                endpoints: ENDPOINTS_MAX + 1,
                ..fleet
            },
            Fleet { needed: 0, ..fleet },
            Fleet {
                endpoints: 3,
                ..fleet
            },
            Fleet { crews: 0, ..fleet },
            Fleet { mttf: 0.0, ..fleet },
            Fleet {
                mttr: f64::NAN,
                ..fleet
            },
            Fleet {
                mttf: f64::INFINITY,
                ..fleet
            },
        ] {
            assert_eq!(unavailability(&wrong), None, "{wrong:?}");
        }
    }

    /// Of `n` independent ones, fewer than `k` work.
    fn binomial(n: u32, k: u32, a: f64) -> f64 {
        let mut choose = 1.0;
        let mut sum = 0.0;
        for working in 0..k {
            sum += choose * a.powi(working as i32) * (1.0 - a).powi((n - working) as i32);
            choose *= f64::from(n - working) / f64::from(working + 1);
        }
        sum
    }

    fn fleet() -> impl Strategy<Value = Fleet> {
        (1u32..12, 0.0f64..1.0, 1u32..14, 1.0f64..1e6, 0.01f64..1e3).prop_map(
            |(endpoints, share, crews, mttf, mttr)| Fleet {
                endpoints,
                needed: 1 + (share * f64::from(endpoints)) as u32,
                crews,
                mttf,
                mttr,
            },
        )
    }

    proptest! {
        #[test]
        fn with_a_crew_for_each_it_is_the_binomial_formula(mut fleet in fleet()) {
            fleet.crews = fleet.endpoints;
            let found = unavailability(&fleet).unwrap();
            let a = crate::account::reliability::availability(fleet.mttf, fleet.mttr);
            let known = binomial(fleet.endpoints, fleet.needed, a);
            prop_assert!((found - known).abs() <= 1e-9 * known.max(1e-300) + 1e-15, "{found:e} {known:e}");
        }

        #[test]
        fn more_endpoints_crews_and_reliability_never_hurt_and_more_needed_never_helps(fleet in fleet()) {
            let u = unavailability(&fleet).unwrap();
            prop_assert!((0.0..=1.0).contains(&u));
            let slack = |u: f64| u * (1.0 + 1e-9) + 1e-300;
            for better in [
                Fleet { crews: fleet.crews + 1, ..fleet },
                Fleet { mttf: fleet.mttf * 2.0, ..fleet },
                Fleet { mttr: fleet.mttr / 2.0, ..fleet },
                // With too few crews one more endpoint is one more to repair, but it still works until it fails.
                Fleet { endpoints: fleet.endpoints + 1, crews: fleet.endpoints + 1, ..fleet },
            ] {
                let from = Fleet { crews: better.crews.max(fleet.crews), ..fleet };
                let from = if better.endpoints > fleet.endpoints { unavailability(&from).unwrap() } else { u };
                prop_assert!(unavailability(&better).unwrap() <= slack(from), "{fleet:?} {better:?}");
            }
            if fleet.needed < fleet.endpoints {
                let more = Fleet { needed: fleet.needed + 1, ..fleet };
                prop_assert!(slack(unavailability(&more).unwrap()) >= u);
            }
        }
    }
}
