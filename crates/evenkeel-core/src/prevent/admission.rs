//! Less at once for a whole pool, when there is nowhere for work to go: what can't be done in time is turned away at the door,
//! before everybody waits for everything.
//!
//! The measure is what was in flight when it began, at the busiest endpoint, or `limit.per_endpoint` if that is less. Never
//! less is let in than what was in flight all the time of late and one more: connections that stay for hours don't shut new
//! ones out. As many may wait as are served four times over; at its usual pace each of them waits for four others. A few dozen
//! may wait in any case: they stall nobody.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::settings::LimitSettings;
use crate::table::smaller_limit;
use crate::time::Time;

use super::brake::Brake;
use super::relief::{Relief, Reliever, WHOLE};

/// How far back "of late" goes.
const LATELY: Duration = Duration::from_secs(10);
/// In so many stretches.
const STRETCHES: usize = 10;
/// Waiting, for each that is served.
const WAITING: u32 = 4;

/// So many may wait however few are served.
const WAITING_LEAST: u32 = 32;

/// One stretch of time: the busiest endpoint's tries in flight.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stretch {
    began: Time,
    least: u32,
    most: u32,
}

/// The door of one pool.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Admission {
    asked: Relief,
    lately: VecDeque<Stretch>,
    /// What was in flight when somebody first asked.
    measure: u32,
    /// When what is done is in vain.
    pub brake: Brake,
}

impl Admission {
    /// So much is in flight at the busiest endpoint.
    pub fn measured(&mut self, in_flight: u32, at: Time) {
        let length = LATELY / STRETCHES as u32;
        match self.lately.back_mut() {
            Some(stretch) if at.since(stretch.began) < length => {
                stretch.least = stretch.least.min(in_flight);
                stretch.most = stretch.most.max(in_flight);
            }
            _ => {
                let (least, most) = (in_flight, in_flight);
                let began = at;
                self.lately.push_back(Stretch { began, least, most });
            }
        }
        let old = |stretch: &Stretch| at.since(stretch.began) > LATELY;
        while self.lately.front().is_some_and(old) || self.lately.len() > STRETCHES + 1 {
            self.lately.pop_front();
        }
    }

    /// `by` wants so many thousandths let in, for this reason; `None` = all again.
    pub fn ask(&mut self, by: Reliever, wanted: Option<(u32, &str)>, at: Time) -> bool {
        if self.asked.factor() == WHOLE {
            self.measure = self.late(at).map(|s| s.most).max().unwrap_or(0);
        }
        self.asked.ask(by, wanted)
    }

    /// Everybody's reasons.
    pub fn asked(&self) -> &Relief {
        &self.asked
    }

    /// Is anything kept out? Without traffic there is nothing to measure by, and nothing to keep out.
    pub fn is_tight(&self) -> bool {
        self.asked.factor() < WHOLE && self.measure > 0
    }

    /// What keeps something out, in percent of what was let in, who wants it so and why; `None` = nothing does.
    pub fn why(&self) -> Option<(u32, Reliever, &str)> {
        if let Some((percent, why)) = self.brake.why() {
            return Some((percent, Reliever::Prevention, why));
        }
        let (by, why) = self.asked.why().filter(|_| self.is_tight())?;
        Some((self.asked.factor() / 10, by, why))
    }

    /// The limits in force where `limit` is configured and those endpoints serve that take so many by their own word (0 = any
    /// number).
    pub fn limits(
        &self,
        limit: &LimitSettings,
        serving: impl Iterator<Item = u32>,
        at: Time,
    ) -> LimitSettings {
        let configured = match limit.per_endpoint {
            0 => u32::MAX,
            some => some,
        };
        if let Some(braked) = self.brake.limit() {
            // Who waits here costs nothing, and leaves by himself.
            return LimitSettings {
                per_endpoint: braked.min(configured),
                newest_first: true,
                ..limit.clone()
            };
        }
        if !self.is_tight() {
            return limit.clone();
        }
        let measure = u64::from(self.measure.min(configured));
        let less = (measure * u64::from(self.asked.factor())).div_ceil(u64::from(WHOLE)) as u32;
        let standing = self.late(at).map(|s| s.least).min().unwrap_or(0);
        let per_endpoint = less.max(standing.saturating_add(1)).min(configured);
        let served = serving.map(|own| smaller_limit(per_endpoint, own));
        let waiting = served.fold(0, u32::saturating_add).saturating_mul(WAITING);
        LimitSettings {
            per_endpoint,
            queue: limit.queue.min(waiting.max(WAITING_LEAST)),
            ..limit.clone()
        }
    }

    fn late(&self, at: Time) -> impl Iterator<Item = &Stretch> {
        let late = move |stretch: &&Stretch| at.since(stretch.began) <= LATELY;
        self.lately.iter().filter(late)
    }
}
