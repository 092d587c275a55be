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
//! A pool that is slow as a whole loses nobody: there are no faster peers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::EndpointId;
use crate::times::Spread;

use super::window::{Counts, deviation};
use super::{By, Finding, Place, Rule, Scene, Sentence};

/// Fewer answers, of it or of the others, say nothing.
const ANSWERS_MIN: u64 = 20;
/// The practical difference of the medians.
const SLOWER_MIN: Duration = Duration::from_millis(10);
/// One-sided 3·10⁻⁵; with three windows in a row 3·10⁻¹⁴.
const BEYOND_CHANCE: f64 = 4.0;
/// Windows in a row.
const WINDOWS: u32 = 3;

/// The rule's memory: windows in a row in which an endpoint was too slow.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Latency {
    slow: BTreeMap<EndpointId, u32>,
}

impl Rule for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn look(&mut self, scene: &Scene<'_>, findings: &mut Vec<Finding>) {
        let factor = scene.settings.latency_factor.value();
        if factor <= 0.0 {
            return self.slow.clear();
        }
        // What was answered while we slept was answered as late as we woke, by whom it happened to be.
        if !scene.closes || scene.dozed {
            return;
        }
        let mut all = Spread::default();
        scene.counted().for_each(|one| all.add(&one.track.window));
        for endpoint in scene.counted() {
            if endpoint.place != Place::Judged {
                continue;
            }
            let others = all.since(&endpoint.track.window);
            let slow = self.slow.entry(endpoint.id).or_default();
            let own = &endpoint.track.window;
            match too_slow(own, &others, factor).filter(|_| !endpoint.ramps) {
                None => *slow = 0,
                Some(_) if *slow + 1 < WINDOWS => *slow += 1,
                Some((median, theirs)) => {
                    *slow = 0;
                    findings.push(Finding {
                        endpoint: endpoint.id,
                        sentence: Sentence::Eject(By::Latency),
                        why: format!(
                            "half of its answers take over {}, its peers' {}, in {WINDOWS} windows of 10 s ({} and {} answers in the last)",
                            show(median),
                            show(theirs),
                            own.total(),
                            others.total()
                        ),
                    });
                }
            }
        }
    }

    fn forget(&mut self, endpoint: EndpointId) {
        self.slow.remove(&endpoint);
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

/// Two digits are as exact as the buckets.
pub(super) fn show(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms {
        ..10.0 => format!("{ms:.1} ms"),
        10.0..1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}
