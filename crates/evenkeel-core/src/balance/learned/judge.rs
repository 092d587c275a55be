//! Was going by what was learned better than `p2c`? Pairs of neighbouring turns are compared, and what is not surely better is not
//! gone by.
//!
//! Five things are compared (`RULES`): what a client waits, lost tries with it; the same without them, since where nobody tries
//! again a lost try is nobody's waiting; its mean square, which is the slow few; how many answers are slower than one in a
//! hundred of `p2c`'s, since a tail may grow that is too thin to move a mean square; and what part of the tries failed. To be
//! worse in one of them is enough to be worse. To be better, the mean, the mean square or what fails must be so by more
//! than its doubt: where nothing is to be gained, chance would say so half of the time, and what it says changes nothing for the good.
//!
//! Where everybody waits long, what a request takes was decided turns ago. Then it is whether queues grow, and what fails.
//!
//! A pair that is far worse than those before says that things have changed, and most of what was seen before is forgotten: trust
//! is won slowly and lost at once.

use super::mean::{Moment, Scatter};

/// How long is remembered how turns went, in seconds: a day has many of these, and a rare turn still finds others.
const TAU: f32 = 1200.0;
/// So many pairs before anything is believed.
const PAIRS: f32 = 4.0;
/// So many standard errors better before it is believed, and so many to go on.
const SURE: f32 = 2.0;
const STILL_SURE: f32 = 1.0;
/// As a logarithm: who does so much worse, if only once, is not tried out as if nobody knew.
const FAR_WORSE: f32 = 0.5;
/// A pair that is so many times as far off as pairs are says that things have changed, and so much of the others is left.
const SURPRISE: f32 = 3.0;
const LEFT: f32 = 0.25;

/// What is compared, each as a logarithm but the last.
pub(super) const MEASURES: usize = 5;
const WHOLE: usize = 0;
const SQUARES: usize = 2;
const SLOW: usize = 3;
const FAILED: usize = 4;

/// How one of them is judged.
struct Rule {
    /// It may be worse by so much without being worse: what is seen is uncertain by as much.
    slack: f32,
    /// How far pairs lie apart until they are known to lie otherwise; counts as one of them.
    apart: f32,
    /// And so many standard errors more.
    errors: f32,
}

const RULES: [Rule; MEASURES] = [
    // What is waited for an answer, lost tries with it, and without.
    Rule {
        slack: 0.01,
        apart: 0.1,
        errors: 0.0,
    },
    Rule {
        slack: 0.01,
        apart: 0.1,
        errors: 0.0,
    },
    Rule {
        slack: 0.02,
        apart: 0.2,
        errors: 0.0,
    },
    // 1.2 in a hundred are slow instead of 1: with a tail like that of waiting lines p99 is longer by 4 %. A turn has few of
    // them, so this one may not say no by chance.
    Rule {
        slack: 0.1,
        apart: 0.4,
        errors: 0.3,
    },
    // One of a thousand tries.
    Rule {
        slack: 0.001,
        apart: 0.001,
        errors: 0.0,
    },
];
/// How the growth of queues is judged, in requests' work.
const GROWTH: Rule = Rule {
    slack: 0.0,
    apart: 0.3,
    errors: 0.0,
};

/// A turn as it is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Went {
    pub(super) is_learned: bool,
    pub(super) by: [f32; MEASURES],
}

/// A failed try costs as much as so many that are waited for.
const FAILED_COSTS: f32 = 10.0;

impl Went {
    /// Of this turn and its neighbour, by how much what was learned made everybody wait for more: 1 = twice as long. Below 0 =
    /// for less.
    pub(super) fn cost_of_learned(&self, other: &Went) -> f32 {
        let more = self.more_of_learned(other);
        // The slow few are felt as much as the mean.
        let waits = more[WHOLE].max(more[SQUARES] / 2.0).clamp(-2.0, 4.0);
        waits.exp_m1() + FAILED_COSTS * more[FAILED].max(0.0)
    }

    /// Of this turn and its neighbour, one of each, by how much more there was in that of what was learned.
    fn more_of_learned(&self, other: &Went) -> [f32; MEASURES] {
        let sign = if other.is_learned { 1.0 } else { -1.0 };
        std::array::from_fn(|at| sign * (other.by[at] - self.by[at]))
    }
}

/// What comes of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    /// Nobody knows.
    Unknown,
    /// Nobody knows, but it does not look good.
    Doubted,
    /// It is not worse, and not surely better.
    Unproven,
    /// By so many standard errors, which is known by so many pairs.
    Better(f32, f32),
    /// By so many standard errors.
    Worse(f32),
}

/// What was seen of what was learned beside `p2c`: by how much more of each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Judge {
    seen: [Scatter; MEASURES],
    growth: Scatter,
    proven: bool,
}

impl Judge {
    /// Two turns side by side, one of each.
    pub(super) fn pair(&mut self, one: &Went, other: &Went, now: Moment) {
        let more = one.more_of_learned(other);
        // Failures come and go; what they do to what is waited shows.
        let surprises = (0..FAILED).any(|at| {
            let apart = RULES[at].variance(&self.seen[at], now).sqrt();
            more[at] - self.seen[at].value() > SURPRISE * apart
        });
        for (seen, more) in self.seen.iter_mut().zip(more) {
            if surprises {
                seen.forget(LEFT);
            }
            seen.observe(more, now, TAU);
        }
    }

    /// Queues grew by so much more in a turn of what was learned than beside it.
    pub(super) fn grew(&mut self, more: f32, now: Moment) {
        self.growth.observe(more, now, TAU);
    }

    /// What to think of it, where everybody waits long or not.
    pub(super) fn verdict(&mut self, waits_long: bool, now: Moment) -> Verdict {
        let (known, gain) = match waits_long {
            true => (&self.growth, GROWTH.gain(&self.growth, now)),
            false => {
                let gain = |at: usize| RULES[at].gain(&self.seen[at], now);
                let gains = [WHOLE, SQUARES, FAILED].map(gain);
                (&self.seen[WHOLE], gains.into_iter().fold(0.0, f32::max))
            }
        };
        let pairs = known.weight(now, TAU);
        let worst = self.worst(waits_long, now);
        let wanted = if self.proven { STILL_SURE } else { SURE };
        self.proven = pairs >= PAIRS && worst <= 0.0 && gain > wanted;
        match worst > 0.0 {
            true if pairs >= PAIRS || self.is_far_worse(waits_long, now) => Verdict::Worse(worst),
            true => Verdict::Doubted,
            false if pairs < PAIRS => Verdict::Unknown,
            false if self.proven => Verdict::Better(gain, pairs),
            false => Verdict::Unproven,
        }
    }

    /// By how many standard errors it is worse in what it is worst in; 0 or less = in none.
    fn worst(&self, waits_long: bool, now: Moment) -> f32 {
        let by = |at: usize| RULES[at].worse(&self.seen[at], now);
        match waits_long {
            true => GROWTH.worse(&self.growth, now).max(by(FAILED)),
            false => (0..MEASURES).map(by).fold(f32::MIN, f32::max),
        }
    }

    fn is_far_worse(&self, waits_long: bool, now: Moment) -> bool {
        // What a mean is worse by, its square and a tail are by twice of or more.
        let far = |at: usize| {
            if at < SQUARES {
                FAR_WORSE
            } else {
                2.0 * FAR_WORSE
            }
        };
        let of = |at: usize| self.seen[at].value() > far(at);
        !waits_long && self.seen[WHOLE].weight(now, TAU) > 0.5 && (WHOLE..=SLOW).any(of)
    }

    /// How many times as long requests take if they are given out by what was learned.
    pub(super) fn ratio(&self, now: Moment) -> Option<f32> {
        let seen = &self.seen[WHOLE];
        (seen.weight(now, TAU) >= 1.0).then(|| seen.value().exp())
    }
}

impl Rule {
    /// How far pairs lie apart, squared.
    fn variance(&self, of: &Scatter, now: Moment) -> f32 {
        let pairs = of.weight(now, TAU);
        let seen = of.doubt(now, TAU) * pairs.max(1.0);
        (seen * pairs + self.apart * self.apart) / (pairs + 1.0)
    }

    fn error(&self, of: &Scatter, now: Moment) -> f32 {
        (self.variance(of, now) / of.weight(now, TAU).max(1.0)).sqrt()
    }

    /// By how many standard errors there is less of it.
    fn gain(&self, of: &Scatter, now: Moment) -> f32 {
        -of.value() / self.error(of, now)
    }

    /// By how many standard errors there is more of it than may be.
    fn worse(&self, of: &Scatter, now: Moment) -> f32 {
        (of.value() - self.slack) / self.error(of, now) - self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::time::Time;

    /// So many pairs of turns, each of which scatters as much, in which what was learned has so much more of each.
    fn judged(judge: &mut Judge, pairs: u64, more: [f32; MEASURES]) -> Verdict {
        let mut rng = Rng::new(7);
        for n in 0..pairs {
            let now = Moment::of(Time::from_millis(1000 + n * 4000));
            let mut turn = |is_learned: bool| Went {
                is_learned,
                by: std::array::from_fn(|at| {
                    let lot = rng.below(2001) as f32 / 1000.0 - 1.0;
                    let its = if is_learned { more[at] } else { 0.0 };
                    its + lot * RULES[at].apart / 2.0
                }),
            };
            judge.pair(&turn(false), &turn(true), now);
        }
        judge.verdict(false, Moment::of(Time::from_millis(1000 + pairs * 4000)))
    }

    fn verdict(more: [f32; MEASURES]) -> Verdict {
        judged(&mut Judge::default(), 40, more)
    }

    #[test]
    fn what_is_better_in_the_mean_is_better_unless_it_is_worse_in_anything() {
        let better = [-0.2, -0.2, -0.3, -0.1, 0.0];
        assert!(matches!(verdict(better), Verdict::Better(..)));
        for (at, more) in [0.1, 0.1, 0.2, 0.6, 0.01].into_iter().enumerate() {
            let mut mixed = better;
            mixed[at] = more;
            assert!(matches!(verdict(mixed), Verdict::Worse(_)), "{mixed:?}");
        }
    }

    #[test]
    fn what_is_not_surely_better_is_not_gone_by() {
        for verdict in [
            verdict([0.0; MEASURES]),
            verdict([-0.005, -0.005, -0.005, -0.005, 0.0]),
        ] {
            assert!(!matches!(verdict, Verdict::Better(..)), "{verdict:?}");
        }
    }

    #[test]
    fn trust_is_lost_at_once() {
        let mut judge = Judge::default();
        let better = judged(&mut judge, 40, [-0.2, -0.2, -0.3, -0.1, 0.0]);
        assert!(matches!(better, Verdict::Better(..)));
        let after_one = judged(&mut judge, 1, [3.0, 3.0, 6.0, 3.0, 0.0]);
        assert!(!matches!(after_one, Verdict::Better(..)), "{after_one:?}");
    }
}
