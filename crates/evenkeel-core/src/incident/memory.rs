//! Whether the memory of a process grows, and whether it will soon be used up: the trend of a leak, seen before its end.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::facts::ServiceFacts;
use crate::time::Time;

/// Memory is looked at this often for its trend …
const TREND_EVERY: Duration = Duration::from_secs(5);
/// … over so many looks: half a minute.
const TREND_LOOKS: usize = 7;
/// Memory that grew at so many readings in a row (one a second), and much, is soon used up …
const STEEP_LOOKS: usize = 5;
/// … but not while a process warms up: every one takes memory at its start, also the one that follows a crash.
const WARM_UP: Duration = Duration::from_secs(10);
/// Growth by less than this is the warming up of caches.
const GROWTH_BYTES_MIN: u64 = 16 << 20;
/// Of its limit: memory that grew up to here is nearly used up …
const NEARLY_PERMILLE: u64 = 900;
/// … and from here on, if at its pace of the last readings the limit is this near: to drain it and to restart it takes a few seconds,
/// and what the kernel ends for want of memory is not ended gracefully.
const MUCH_PERMILLE: u64 = 750;
const SOON: Duration = Duration::from_secs(10);
/// Below this share of its limit, and not growing, memory is not short any more.
const RELIEVED_PERMILLE: u64 = 800;

/// What has to be remembered of one process between two readings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    pid: u32,
    /// When this process was first read.
    since: Time,
    /// One reading every few seconds, and all of the last seconds.
    looks: VecDeque<(Time, u64)>,
    recent: VecDeque<(Time, u64)>,
    /// Since then it has only grown, from there.
    low: (Time, u64),
    /// Why it will soon be used up, from when that was so until it is clearly not so any more.
    ails: Option<String>,
}

/// What the readings say of its growth.
pub(super) struct Growth {
    pub grows: bool,
    pub said: String,
}

impl Memory {
    /// One more reading, of a service and the limit it has. `None` while it is not known for long enough.
    pub(super) fn read(&mut self, service: &ServiceFacts, at: Time) -> Option<Growth> {
        let bytes = service.memory_bytes;
        if self.pid != service.pid {
            *self = Memory {
                pid: service.pid,
                since: at,
                ..Memory::default()
            };
        }
        if self.recent.back().is_none_or(|(_, last)| bytes <= *last) {
            self.low = (at, bytes);
        }
        keep(&mut self.recent, STEEP_LOOKS, (at, bytes));
        let look = |(last, _): &(Time, u64)| at.since(*last) >= TREND_EVERY;
        if self.looks.back().is_none_or(look) {
            keep(&mut self.looks, TREND_LOOKS, (at, bytes));
        }
        self.weigh_limit(service);
        let steady = grown(&self.looks, TREND_LOOKS, 20);
        let steep = grown(&self.recent, STEEP_LOOKS, 10)? && self.is_warm(at);
        let grows = steep || steady == Some(true) || self.ails.is_some();
        if !grows && steady.is_none() {
            return None;
        }
        Some(Growth {
            grows,
            said: self.said(at, bytes),
        })
    }

    /// Why it will soon be used up.
    pub(super) fn ails(&self) -> Option<String> {
        self.ails.clone()
    }

    fn is_warm(&self, at: Time) -> bool {
        at.since(self.since) >= WARM_UP
    }

    fn weigh_limit(&mut self, service: &ServiceFacts) {
        let (Some(limit), used) = (&service.memory_limit, service.memory_bytes) else {
            self.ails = None;
            return;
        };
        let share =
            |permille: u64| u128::from(used) * 1000 >= u128::from(limit.max) * u128::from(permille);
        let full = self.recent.len() == STEEP_LOOKS;
        let pairs = || self.recent.iter().zip(self.recent.iter().skip(1));
        let first = self.recent.front().map_or(used, |(_, bytes)| *bytes);
        let grew = full && used > first && pairs().all(|(a, b)| b.1 >= a.1);
        let ails = match self.ails {
            None if grew && share(NEARLY_PERMILLE) => true,
            None => share(MUCH_PERMILLE) && self.is_near(limit.max),
            Some(_) => share(RELIEVED_PERMILLE) || grew,
        };
        let (used, max) = (used >> 20, limit.max >> 20);
        self.ails = ails.then(|| format!("uses {used} of {max} MiB of memory, and it grows"));
    }

    /// At the pace of the last readings, all of which grew, it will be at its limit soon.
    fn is_near(&self, limit: u64) -> bool {
        let (Some((from, first)), Some((to, last))) = (self.recent.front(), self.recent.back())
        else {
            return false;
        };
        let steep = grown(&self.recent, STEEP_LOOKS, 10) == Some(true);
        let (grew, took) = (
            u128::from(last - first.min(last)),
            to.since(*from).as_millis(),
        );
        let left = u128::from(limit.saturating_sub(*last));
        steep && self.is_warm(*to) && left * took <= grew * SOON.as_millis()
    }

    /// From where to where within which time: since it only grows, or over the looks that show the trend if those show half as much
    /// again.
    fn said(&self, at: Time, bytes: u64) -> String {
        let first = self.looks.front().copied().unwrap_or(self.low);
        let grown = |from: u64| bytes.saturating_sub(from);
        let (since, low) = match grown(first.1) > grown(self.low.1) / 2 * 3 {
            true => first,
            false => self.low,
        };
        match grown(low) {
            0 => String::new(),
            _ => {
                let (low, bytes, took) = (low >> 20, bytes >> 20, at.since(since).as_secs().max(1));
                format!("{low} → {bytes} MiB within {took} s")
            }
        }
    }
}

fn keep(looks: &mut VecDeque<(Time, u64)>, most: usize, look: (Time, u64)) {
    looks.push_back(look);
    if looks.len() > most {
        looks.pop_front();
    }
}

/// Did it grow at every look, and much (as a whole and by this part of itself)? `None` = too few looks.
fn grown(looks: &VecDeque<(Time, u64)>, all: usize, part: u64) -> Option<bool> {
    if looks.len() < all {
        return None;
    }
    let (first, last) = (looks.front()?.1, looks.back()?.1);
    let steady = looks
        .iter()
        .zip(looks.iter().skip(1))
        .all(|(a, b)| b.1 > a.1);
    let grown = last.saturating_sub(first);
    let much = grown >= GROWTH_BYTES_MIN && grown >= first / part;
    Some(steady && much)
}

#[cfg(test)]
mod tests;
