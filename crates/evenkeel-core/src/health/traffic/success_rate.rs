//! Fails more than the others do.
//!
//! The measure is z of the endpoint's failure rate against the pooled rate of the *others* (two proportions). A z against
//! a mean that includes the endpoint itself cannot exceed √(n−1): in a pool of four, 1.73.
//!
//! z alone is no reason to eject. With 1.9, chance passes it in 2.9 % of looks at one endpoint: in a pool of five that is
//! one false ejection a minute. So more is asked:
//!
//! - at least 5 failures, and a rate 5 points above the others': what is smaller is not worth an endpoint;
//! - and that in six exact windows of ten seconds one after the other: 0.029⁶ = 6·10⁻¹⁰ a window and endpoint. Few failures
//!   are spread more broadly than the bell curve says: where two are expected, five come in 5.3 % of windows. That is the
//!   worst case, 2·10⁻⁸, once in two to three years of a pool of five;
//! - or, over the last second or the last ten, it is beyond doubt: that chance alone gives this endpoint so many of all
//!   failures has a probability below 10⁻⁹, by Hoeffding's bound for drawing without replacement (1963), which holds for few
//!   failures too, where z does not: in a pool of twenty, 5 failures of 5 on one endpoint are z = 9.7, and come by chance
//!   every other day. This is looked at ten times a second; a third of failing requests is seen after some twenty failures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::EndpointId;

use super::window::{Counts, deviation, surprise};
use super::{By, Finding, Place, Rule, Scene, Sentence, Track};

/// Fewer than this, of it or of the others, say nothing.
const REQUESTS_MIN: u64 = 20;
/// Fewer failures are an accident.
const FAILURES_MIN: u64 = 5;
/// The practical difference, as a rate.
const POINTS_MIN: f64 = 0.05;
/// Windows in a row.
const WINDOWS: u32 = 6;
/// Where chance is less likely than this, one look is enough: −ln 10⁻⁹.
const BEYOND_DOUBT: f64 = 20.7;

/// The rule's memory: windows in a row in which an endpoint was too far off.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SuccessRate {
    over: BTreeMap<EndpointId, u32>,
}

impl Rule for SuccessRate {
    fn name(&self) -> &'static str {
        "success_rate"
    }

    fn look(&mut self, scene: &Scene<'_>, findings: &mut Vec<Finding>) {
        let stdev = scene.settings.success_rate_stdev.value();
        if stdev <= 0.0 {
            return self.over.clear();
        }
        let sum = |of: fn(&Track) -> Counts| {
            let counted = scene.counted().map(|endpoint| of(endpoint.track));
            counted.fold(Counts::default(), Counts::with)
        };
        let (all, all_of_late) = (sum(Track::counts), sum(Track::counts_of_late));
        for endpoint in scene.counted() {
            if endpoint.place != Place::Judged {
                continue;
            }
            let (long, short) = (endpoint.track.counts(), endpoint.track.counts_of_late());
            let long = Look::new(long, all.without(long), 10);
            let short = Look::new(short, all_of_late.without(short), 1);
            let over = self.over.entry(endpoint.id).or_default();
            if scene.closes {
                *over = if long.is_over(stdev) { *over + 1 } else { 0 };
            }
            let sure = [short, long]
                .into_iter()
                .find(|look| look.is_over(stdev) && look.is_beyond_doubt());
            let Some(look) = sure.or((*over >= WINDOWS).then_some(long)) else {
                continue;
            };
            *over = 0;
            findings.push(Finding {
                endpoint: endpoint.id,
                sentence: Sentence::Eject(By::SuccessRate),
                why: look.words(),
            });
        }
    }

    fn forget(&mut self, endpoint: EndpointId) {
        self.over.remove(&endpoint);
    }
}

/// What is compared.
#[derive(Clone, Copy)]
struct Look {
    own: Counts,
    others: Counts,
    seconds: u32,
}

impl Look {
    fn new(own: Counts, others: Counts, seconds: u32) -> Look {
        Look {
            own,
            others,
            seconds,
        }
    }

    fn is_over(self, stdev: f64) -> bool {
        let Look { own, others, .. } = self;
        own.requests >= REQUESTS_MIN
            && others.requests >= REQUESTS_MIN
            && own.failures >= FAILURES_MIN
            && own.rate() - others.rate() >= POINTS_MIN
            && deviation(own, others) >= stdev
    }

    fn is_beyond_doubt(self) -> bool {
        surprise(self.own, self.others) >= BEYOND_DOUBT
    }

    fn words(self) -> String {
        let Look {
            own,
            others,
            seconds,
        } = self;
        format!(
            "{} of {} requests failed in {seconds} s, its peers {} of {}",
            own.failures, own.requests, others.failures, others.requests
        )
    }
}
