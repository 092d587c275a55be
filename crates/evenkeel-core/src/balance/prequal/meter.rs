//! How an endpoint measures what it reports: how long a request takes now, with as many in flight as there are now.
//!
//! Answer times are kept by how many requests were there when the request came, the last few of each number. The estimate is
//! the median of those that were in the same situation as a request that comes now, or nearly (Wydrowski and others 2024,
//! section 4). Two things are added to what the paper says, for a median of a few answers is mostly noise, and noise that says
//! "fast" attracts everybody: so many answers are asked that it is none, from farther and farther off; and those from farther
//! off are taken as they would be here, where everything takes as much longer as there are more.

use std::time::Duration;

use crate::time::Time;

/// Numbers in flight that are told apart; above half of them, eight for each doubling.
const LEVELS: usize = 64;
/// Answers remembered for each.
const KEPT: usize = 32;
/// The median of so many is within a fifth of the truth where requests are as different as in the paper.
const ENOUGH: usize = 64;
/// An older answer tells of other times.
const AGE_MAX: Duration = Duration::from_secs(5);

/// One answer.
#[derive(Clone, Copy, Debug)]
struct Answer {
    at: Time,
    ns: u64,
    in_flight: u32,
}

/// The last answers that began with so many in flight.
#[derive(Clone, Debug)]
struct Level {
    answers: [Answer; KEPT],
    count: usize,
}

const EMPTY: Level = Level {
    answers: [Answer {
        at: Time::ZERO,
        ns: 0,
        in_flight: 0,
    }; KEPT],
    count: 0,
};

/// Of one endpoint.
#[derive(Clone, Debug)]
pub struct Meter {
    levels: Box<[Level]>,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter {
            levels: vec![EMPTY; LEVELS].into(),
        }
    }
}

impl Meter {
    /// A request that came when this many others were there took so long.
    pub fn answered(&mut self, in_flight: u32, took: Duration, now: Time) {
        let level = &mut self.levels[level(in_flight)];
        level.answers[level.count % KEPT] = Answer {
            at: now,
            ns: took.as_nanos() as u64,
            in_flight,
        };
        level.count += 1;
    }

    /// How long one takes that comes now, with this many others; `None` if there was no answer lately.
    pub fn estimate(&self, in_flight: u32, now: Time) -> Option<Duration> {
        let at = level(in_flight);
        let mut here = [0.0; ENOUGH + 2 * KEPT];
        let mut len = 0;
        for far in 0..LEVELS {
            let below = at.checked_sub(far);
            let above = at.checked_add(far).filter(|_| far > 0);
            let both = [below, above].into_iter().flatten();
            for level in both.filter_map(|at| self.levels.get(at)) {
                for answer in level.late(now) {
                    here[len] = answer.at(in_flight);
                    len += 1;
                }
            }
            if len >= ENOUGH {
                break;
            }
        }
        let here = &mut here[..len];
        let middle = len / 2;
        let median = (len > 0).then(|| *here.select_nth_unstable_by(middle, f64::total_cmp).1);
        median.map(|ns| Duration::from_nanos(ns as u64))
    }
}

fn level(in_flight: u32) -> usize {
    const EXACT: usize = LEVELS / 2;
    let n = in_flight as usize;
    match n < EXACT {
        true => n,
        false => {
            let doubled = (n as f64 / EXACT as f64).log2();
            (EXACT + (doubled * 8.0) as usize).min(LEVELS - 1)
        }
    }
}

impl Level {
    fn late(&self, now: Time) -> impl Iterator<Item = &Answer> {
        let kept = self.answers[..self.count.min(KEPT)].iter();
        kept.filter(move |answer| now.since(answer.at) <= AGE_MAX)
    }
}

impl Answer {
    /// In nanoseconds, had it come to so many.
    fn at(&self, in_flight: u32) -> f64 {
        let each = self.ns as f64 / (f64::from(self.in_flight) + 1.0);
        each * (f64::from(in_flight) + 1.0)
    }
}
