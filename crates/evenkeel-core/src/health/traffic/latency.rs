//! Answers much slower than the others do.
//!
//! In an exact window of ten seconds the median of the endpoint is compared with the pooled median of the others: medians,
//! because one slow answer in twenty moves a mean and no median. Too slow is who
//!
//! - has a median over `latency_factor` times the others', and 10 ms more: below that the machine's own scheduling and one
//!   retry cost as much as is to be gained;
//! - takes longer than that factor with so many more of its requests than the others do that chance is out of the
//!   question (z of two proportions ≥ 4). This is for services with cheap and expensive requests: where 40 % of all are
//!   expensive, twenty of them have an expensive median in one window of four, by chance alone;
//! - in three windows one after the other, and not while it ramps: caches are cold then. A window in which we ourselves were
//!   asleep says nothing, neither for nor against it.
//!
//! Half a minute is long where there is nothing to weigh. So of each second, too, and that is enough in five one after the
//! other: nine in ten of its answers take over `latency_factor` times as long as nine in ten of the others', and 50 ms more.
//! Neither cheap and expensive requests nor some that wait for something look like that, and no pause of a garbage
//! collector is as long.
//!
//! A pool that is slow as a whole loses nobody: there are no faster peers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::EndpointId;
use crate::times::Spread;

use super::window::{Counts, deviation};
use super::{By, Finding, Place, Rule, Scene, Sentence, Track};

/// Fewer answers, of it or of the others, say nothing.
const ANSWERS_MIN: u64 = 20;
/// The practical difference of the medians.
const SLOWER_MIN: Duration = Duration::from_millis(10);
/// One-sided 3·10⁻⁵; with three windows in a row 3·10⁻¹⁴.
const BEYOND_CHANCE: f64 = 4.0;
/// Windows in a row.
const WINDOWS: u32 = 3;
/// Of a second less is enough, since it is nearly all of them and five times.
const ANSWERS_A_SECOND: u64 = 10;
/// Clients notice it.
const CRAWLS_MIN: Duration = Duration::from_millis(50);
/// Seconds in a row.
const SECONDS: u32 = 5;

/// The rule's memory: windows, and seconds, in a row in which an endpoint was too slow.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Latency {
    slow: InARow,
    #[serde(default)]
    crawls: InARow,
}

/// How often one after the other each was found.
type InARow = BTreeMap<EndpointId, u32>;

impl Rule for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn look(&mut self, scene: &Scene<'_>, findings: &mut Vec<Finding>) {
        let factor = scene.settings.latency_factor.value();
        if factor <= 0.0 {
            return *self = Latency::default();
        }
        // What was answered while we slept was answered as late as we woke, by whom it happened to be.
        if scene.closes && !scene.dozed {
            let slow = |own: &Spread, others: &Spread| {
                let (median, theirs) = too_slow(own, others, factor)?;
                Some(format!(
                    "half of its answers take over {}, its peers' {}, in {WINDOWS} windows of 10 s ({} and {} answers in the last)",
                    show(median),
                    show(theirs),
                    own.total(),
                    others.total()
                ))
            };
            compare(
                scene,
                findings,
                &mut self.slow,
                WINDOWS,
                |track| &track.window,
                slow,
            );
        }
        if scene.reads && !scene.dozed_of_late {
            let crawls = |own: &Spread, others: &Spread| {
                let (most, theirs) = crawls(own, others, factor)?;
                Some(format!(
                    "nine in ten of its answers take over {}, of its peers' at most {}, in {SECONDS} seconds one after the other",
                    show(most),
                    show(theirs)
                ))
            };
            compare(
                scene,
                findings,
                &mut self.crawls,
                SECONDS,
                |track| &track.second,
                crawls,
            );
        }
    }

    fn forget(&mut self, endpoint: EndpointId) {
        self.slow.remove(&endpoint);
        self.crawls.remove(&endpoint);
    }
}

/// Each against the others: who is found so often in a row is to be ejected.
fn compare(
    scene: &Scene<'_>,
    findings: &mut Vec<Finding>,
    found: &mut InARow,
    enough: u32,
    of: fn(&Track) -> &Spread,
    why: impl Fn(&Spread, &Spread) -> Option<String>,
) {
    let mut all = Spread::default();
    scene.counted().for_each(|one| all.add(of(one.track)));
    for endpoint in scene.counted() {
        if endpoint.place != Place::Judged {
            continue;
        }
        let own = of(endpoint.track);
        let times = found.entry(endpoint.id).or_default();
        let why = match endpoint.ramps {
            true => None,
            false => why(own, &all.since(own)),
        };
        match why {
            None => *times = 0,
            Some(_) if *times + 1 < enough => *times += 1,
            Some(why) => {
                *times = 0;
                findings.push(Finding {
                    endpoint: endpoint.id,
                    sentence: Sentence::Eject(By::Latency),
                    why,
                });
            }
        }
    }
}

/// Its median and theirs, if it is.
fn too_slow(own: &Spread, others: &Spread, factor: f64) -> Option<(Duration, Duration)> {
    if own.total() < ANSWERS_MIN || others.total() < ANSWERS_MIN {
        return None;
    }
    let (median, theirs) = (own.quantile(500)?, others.quantile(500)?);
    let bar = theirs.mul_f64(factor).max(theirs + SLOWER_MIN);
    let beyond = |spread: &Spread| Counts {
        requests: spread.total(),
        failures: spread.over(bar),
    };
    let certain = deviation(beyond(own), beyond(others)) >= BEYOND_CHANCE;
    (median > bar && certain).then_some((median, theirs))
}

/// What nearly all of its answers take at least, and nearly all of theirs at most, if that is far apart.
fn crawls(own: &Spread, others: &Spread, factor: f64) -> Option<(Duration, Duration)> {
    if own.total() < ANSWERS_A_SECOND || others.total() < ANSWERS_A_SECOND {
        return None;
    }
    let theirs = others.quantile(900)?;
    let bar = theirs.mul_f64(factor).max(theirs + CRAWLS_MIN);
    (own.over(bar) * 10 >= own.total() * 9).then_some((bar, theirs))
}

/// Two digits are as exact as the buckets.
pub(super) fn show(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms {
        ..10.0 => format!("{ms:.1} ms"),
        10.0..1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}
