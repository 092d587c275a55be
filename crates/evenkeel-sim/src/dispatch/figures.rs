//! What is counted while a run goes on, and what comes of it.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::expect::Figure;
use super::{NS, to_s};

/// How many levels of "so many requests or more" are kept.
pub(super) const LEVELS: usize = 4;

/// What took longer counts as this: three years.
const NS_MAX: u64 = 100_000_000_000_000_000;
/// Moments at which it is looked how many requests there are.
const MOMENTS: u64 = 200;

/// Lines of a picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curves {
    /// `[share, seconds]`: so many of all answers took at most so long.
    pub quantiles: Vec<[f64; 2]>,
    /// `[second, requests]` that were in the fleet, the warm-up too.
    pub in_flight: Vec<[f64; 2]>,
}

/// A policy's figures. Times are those of requests that were answered, from their coming to the end of the answer, waiting and
/// earlier tries included.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Which policy.
    pub policy: String,
    /// Requests that were answered after the warm-up.
    pub answered: u64,
    /// Requests that failed in the end.
    pub errors: u64,
    /// The same as a share of all.
    pub error_share: f64,
    /// Seconds.
    pub mean_s: f64,
    /// Half were faster.
    pub p50_s: f64,
    /// Nine in ten were.
    pub p90_s: f64,
    /// 99 in 100 were.
    pub p99_s: f64,
    /// The slowest.
    pub max_s: f64,
    /// Mean time until a request was answered or had failed in the end, or the run ended before that: what a policy loses is not
    /// left out of it.
    pub wait_mean_s: f64,
    /// 99 in 100 waited less.
    pub wait_p99_s: f64,
    /// The largest endpoint's share of all tries, as a multiple of an even one.
    pub share_max: f64,
    /// The first endpoint's.
    pub share_first: f64,
    /// Share of tries that stayed in their zone; all, where zones do not count.
    pub share_near: f64,
    /// Share of endpoints with 1, 2, 3, 4 requests or more, over time.
    pub at_least: [f64; LEVELS],
    /// More was waiting than anybody can hold, so the run was ended at this second.
    pub overloaded_s: Option<f64>,
    /// For pictures.
    pub curves: Curves,
}

impl Outcome {
    /// One of them.
    pub fn figure(&self, which: Figure) -> f64 {
        match which {
            Figure::Mean => self.mean_s,
            Figure::P50 => self.p50_s,
            Figure::P90 => self.p90_s,
            Figure::P99 => self.p99_s,
            Figure::Max => self.max_s,
            Figure::Errors => self.error_share,
            Figure::ShareMax => self.share_max,
            Figure::ShareFirst => self.share_first,
            Figure::ShareNear => self.share_near,
            Figure::AtLeast1 => self.at_least[0],
            Figure::AtLeast2 => self.at_least[1],
            Figure::AtLeast3 => self.at_least[2],
            Figure::AtLeast4 => self.at_least[3],
        }
    }
}

/// How many endpoints have so many requests, added up over time.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    endpoints: u32,
    since: u64,
    area: f64,
}

/// How long requests took. The mean is exact; quantiles are within a thousandth of their value.
#[derive(Clone, Debug)]
struct Times {
    sum: f64,
    spread: Histogram<u64>,
}

impl Times {
    fn new() -> Result<Times, String> {
        let spread = Histogram::new_with_bounds(1, NS_MAX, 3).map_err(|error| error.to_string())?;
        Ok(Times { sum: 0.0, spread })
    }

    fn record(&mut self, ns: u64) {
        self.sum += ns as f64;
        self.spread.saturating_record(ns);
    }

    fn count(&self) -> u64 {
        self.spread.len()
    }

    fn mean_s(&self) -> f64 {
        self.sum / self.count().max(1) as f64 / NS
    }

    fn quantile_s(&self, share: f64) -> f64 {
        self.spread.value_at_quantile(share) as f64 / NS
    }
}

/// The counts of one run.
#[derive(Debug)]
pub(super) struct Figures {
    warm_up: u64,
    errors: u64,
    /// Of those that were answered, and of all, whatever became of them.
    answers: Times,
    waits: Times,
    tries: Vec<u64>,
    near: u64,
    levels: [Level; LEVELS],
    in_flight: Vec<[f64; 2]>,
    /// When the next moment of those is, and how far apart they are.
    moment: u64,
    apart: u64,
}

impl Figures {
    pub(super) fn new(endpoints: usize, warm_up: u64, end: u64) -> Result<Figures, String> {
        Ok(Figures {
            warm_up,
            errors: 0,
            answers: Times::new()?,
            waits: Times::new()?,
            tries: vec![0; endpoints],
            near: 0,
            levels: [Level::default(); LEVELS],
            in_flight: Vec::new(),
            moment: 0,
            apart: (end / MOMENTS).max(1),
        })
    }

    /// A request that came at `born` was answered.
    pub(super) fn answered(&mut self, born: u64, now: u64) {
        if now < self.warm_up {
            return;
        }
        self.answers.record(now - born);
        self.waits.record(now - born);
    }

    /// A request that came at `born` failed in the end.
    pub(super) fn failed(&mut self, born: u64, now: u64) {
        if now < self.warm_up {
            return;
        }
        self.errors += 1;
        self.waits.record(now - born);
    }

    /// At the end of the run those that came then still wait. Who has waited longer than the mean counts with that: were it left
    /// out, whoever lets some wait for ever would look better.
    pub(super) fn still_wait(&mut self, born: impl Iterator<Item = u64>, end: u64) {
        let mean = (self.waits.mean_s() * NS) as u64;
        let so_far = born.map(|born| end - born);
        so_far
            .filter(|&ns| ns > mean)
            .for_each(|ns| self.waits.record(ns));
    }

    /// A try was given to an endpoint, in its own zone or not.
    pub(super) fn tried(&mut self, endpoint: usize, near: bool, now: u64) {
        self.tries[endpoint] += u64::from(now >= self.warm_up);
        self.near += u64::from(near && now >= self.warm_up);
    }

    /// Until now so many were in the fleet.
    pub(super) fn in_flight(&mut self, requests: usize, now: u64) {
        while self.moment <= now {
            self.in_flight.push([to_s(self.moment), requests as f64]);
            self.moment += self.apart;
        }
    }

    /// An endpoint goes from one number of requests to the next, or back: the larger of the two.
    pub(super) fn level(&mut self, of: usize, up: bool, now: u64) {
        let Some(level) = of.checked_sub(1).and_then(|at| self.levels.get_mut(at)) else {
            return;
        };
        level.pass(self.warm_up, now);
        match up {
            true => level.endpoints += 1,
            false => level.endpoints -= 1,
        }
    }

    fn quantiles(&self) -> Vec<[f64; 2]> {
        let of = |share: f64| [share, self.answers.quantile_s(share)];
        match self.answers.count() {
            0 => Vec::new(),
            _ => shares().map(of).collect(),
        }
    }

    /// The end.
    pub(super) fn outcome(mut self, policy: &str, now: u64, overloaded: bool) -> Outcome {
        let endpoints = self.tries.len() as f64;
        let counted = now.saturating_sub(self.warm_up).max(1) as f64;
        let warm_up = self.warm_up;
        let at_least = self.levels.each_mut().map(|level| {
            level.pass(warm_up, now);
            level.area / counted / endpoints
        });
        let all: u64 = self.tries.iter().sum();
        let most = self.tries.iter().copied().max().unwrap_or(0);
        let share = |tries: u64| tries as f64 * endpoints / all.max(1) as f64;
        let answers = &self.answers;
        Outcome {
            policy: policy.to_owned(),
            answered: answers.count(),
            errors: self.errors,
            error_share: self.errors as f64 / (answers.count() + self.errors).max(1) as f64,
            mean_s: answers.mean_s(),
            p50_s: answers.quantile_s(0.5),
            p90_s: answers.quantile_s(0.9),
            p99_s: answers.quantile_s(0.99),
            max_s: answers.spread.max() as f64 / NS,
            wait_mean_s: self.waits.mean_s(),
            wait_p99_s: self.waits.quantile_s(0.99),
            share_max: share(most),
            share_near: self.near as f64 / all.max(1) as f64,
            share_first: share(self.tries.first().copied().unwrap_or(0)),
            at_least,
            overloaded_s: overloaded.then(|| to_s(now)),
            curves: Curves {
                quantiles: self.quantiles(),
                in_flight: self.in_flight,
            },
        }
    }
}

/// Every hundredth, and the far end more closely.
fn shares() -> impl Iterator<Item = f64> {
    let hundredths = (1..=99_u32).map(|n| f64::from(n) / 100.0);
    hundredths.chain([0.995, 0.999, 0.9995, 0.9999, 1.0])
}

impl Level {
    /// Adds the time that has passed, as far as it counts.
    fn pass(&mut self, warm_up: u64, now: u64) {
        let passed = now.max(warm_up) - self.since.max(warm_up);
        self.area += passed as f64 * f64::from(self.endpoints);
        self.since = now;
    }
}
