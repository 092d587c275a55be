//! What a seed draws: gaps between requests, and how much work each of them is. Every kind of lot has a stream of its own, so
//! that all policies meet the same requests.

use evenkeel_core::rng::Rng;

use super::scenario::{Class, Distribution, Work};

/// One for each purpose.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) gaps: Rng,
    pub(super) work: Rng,
    pub(super) balancers: Rng,
    pub(super) keys: Rng,
    pub(super) failures: Rng,
    pub(super) thinking: Rng,
    pub(super) classes: Rng,
}

impl Streams {
    pub(super) fn new(seed: u64) -> Streams {
        let rng = Rng::new(seed);
        Streams {
            gaps: rng.stream("gaps"),
            work: rng.stream("work"),
            balancers: rng.stream("balancers"),
            keys: rng.stream("keys"),
            failures: rng.stream("failures"),
            thinking: rng.stream("thinking"),
            classes: rng.stream("classes"),
        }
    }
}

/// From 0 up to but not 1.
pub(super) fn unit(rng: &mut Rng) -> f64 {
    (rng.draw() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Exponential with this mean.
pub(super) fn exponential(mean: f64, rng: &mut Rng) -> f64 {
    -mean * (1.0 - unit(rng)).ln()
}

/// The position of a request's class; 0 where there are none.
pub(super) fn class(classes: &[Class], rng: &mut Rng) -> usize {
    let mut drawn = match classes.is_empty() {
        true => return 0,
        false => unit(rng) * classes.iter().map(|class| class.share).sum::<f64>(),
    };
    let holds = |class: &Class| {
        drawn -= class.share;
        drawn < 0.0
    };
    let found = classes.iter().position(holds);
    found.unwrap_or(classes.len() - 1)
}

/// The mean of 1 and a standard normal number, where that is above 0: 1 + φ(1)/Φ(1).
const CUT_NORMAL_MEAN: f64 = 1.287_599_970_9;

/// Standard normal, by Box and Muller.
fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - unit(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(rng)).cos()
}

/// The work of one request, in seconds at speed 1.
pub(super) fn work(of: &Work, rng: &mut Rng) -> f64 {
    let mean = of.mean_s;
    match of.distribution {
        Distribution::Exponential => exponential(mean, rng),
        Distribution::Constant => mean,
        Distribution::Normal => loop {
            let drawn = 1.0 + normal(rng);
            if drawn > 0.0 {
                break mean * drawn / CUT_NORMAL_MEAN;
            }
        },
        Distribution::Pareto => {
            let least = mean * (of.shape - 1.0) / of.shape;
            least / (1.0 - unit(rng)).powf(1.0 / of.shape)
        }
        Distribution::Bimodal => {
            let small = mean / (1.0 - of.large_share + of.large_share * of.ratio);
            match unit(rng) < of.large_share {
                true => small * of.ratio,
                false => small,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distribution_has_the_mean_it_was_given() {
        for distribution in [
            Distribution::Exponential,
            Distribution::Constant,
            Distribution::Normal,
            Distribution::Pareto,
            Distribution::Bimodal,
        ] {
            let of = Work {
                distribution,
                mean_s: 0.25,
                shape: 2.5,
                large_share: 0.1,
                ratio: 20.0,
            };
            let mut rng = Rng::new(3);
            let n = 400_000;
            let mean = (0..n).map(|_| work(&of, &mut rng)).sum::<f64>() / f64::from(n);
            assert!(
                (mean / 0.25 - 1.0).abs() < 0.015,
                "{distribution:?}: {mean}"
            );
        }
    }
}
