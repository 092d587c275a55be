//! Does a number grow, and how fast? The last readings, a slope that outliers do not bend, and a test that noise does not pass.
//!
//! The slope is Theil and Sen's: the median of the slopes between all pairs of readings (Sen, JASA 63, 1968); three in ten
//! readings may be nonsense. Whether there is a trend at all says Mann and Kendall's test: of all pairs, how many more rose
//! than fell than chance would have it. That test takes each reading for a throw of its own; what wanders (each is much
//! like the one before) passes it too often, so growth must also be many times what readings are off the line. And what merely came back to where it was a while ago (a garbage collector's saw
//! tooth) does not grow: the newest reading must be above everything that has left the window of late.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// Readings kept: 435 pairs.
const READINGS: usize = 30;
/// Fewer say nothing: twelve that each rise are 4.5 standard deviations, a wrong word in 270,000.
const READINGS_MIN: usize = 12;
/// Standard deviations above chance: noise alone passes once in 32,000 looks, and must last to move anything.
const DEVIATIONS: f64 = 4.0;
/// Growth over the window, as a multiple of how far the middle reading is off the line: wandering gets to 5, a leak that
/// grows by the square of time is 16.
const CLEAR: f64 = 10.0;
/// Readings come with a little jitter: this share of the distance is enough.
const ON_TIME_PERCENT: u32 = 90;

/// A number's recent past.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trend {
    every: Duration,
    readings: VecDeque<(Time, f64)>,
    /// The greatest of each of the last stretches that left the window, oldest first.
    peaks: VecDeque<f64>,
    peaks_max: usize,
    left: usize,
}

impl Trend {
    /// Takes a reading this often, and remembers peaks for `peaks` windows; 0 = it does not matter where it was.
    pub fn new(every: Duration, peaks: usize) -> Trend {
        Trend {
            every,
            readings: VecDeque::with_capacity(READINGS),
            peaks: VecDeque::new(),
            peaks_max: peaks,
            left: 0,
        }
    }

    /// One reading; passed over if the last one was less than a distance ago.
    pub fn add(&mut self, value: f64, at: Time) {
        let near = self.every * ON_TIME_PERCENT / 100;
        if !value.is_finite() || self.newest().is_some_and(|(last, _)| at.since(last) < near) {
            return;
        }
        // After a gap the old readings are of another time.
        let gap = self.every * (READINGS as u32) / 2;
        if self.newest().is_some_and(|(last, _)| at.since(last) > gap) {
            self.readings.clear();
        }
        if self.readings.len() == READINGS
            && let Some((_, gone)) = self.readings.pop_front()
        {
            self.leave(gone);
        }
        self.readings.push_back((at, value));
    }

    /// By how much it grows in a second; `None` = not, or not for sure.
    pub fn growth(&self) -> Option<f64> {
        let n = self.readings.len();
        let (_, newest) = self.newest()?;
        let (_, oldest) = *self.readings.front()?;
        let was_there = self.peaks.iter().any(|peak| newest <= *peak);
        if n < READINGS_MIN || newest <= oldest || was_there {
            return None;
        }
        let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
        let mut score = 0i64;
        for (index, (then, before)) in self.readings.iter().enumerate() {
            for (at, value) in self.readings.iter().skip(index + 1) {
                let seconds = at.since(*then).as_secs_f64();
                if seconds > 0.0 {
                    slopes.push((value - before) / seconds);
                }
                score += match value.partial_cmp(before) {
                    Some(std::cmp::Ordering::Greater) => 1,
                    Some(std::cmp::Ordering::Less) => -1,
                    _ => 0,
                };
            }
        }
        let n = n as f64;
        let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        if (score as f64) < DEVIATIONS * deviation {
            return None;
        }
        Some(median(&mut slopes)).filter(|slope| *slope > 0.0 && self.is_clear(*slope))
    }

    /// Is what it grew by far more than what it strays?
    fn is_clear(&self, slope: f64) -> bool {
        let Some((first, _)) = self.readings.front() else {
            return false;
        };
        let seconds = |at: Time| at.since(*first).as_secs_f64();
        let level = |(at, value): &(Time, f64)| value - slope * seconds(*at);
        let mut off: Vec<f64> = self.readings.iter().map(level).collect();
        let centre = median(&mut off);
        off.iter_mut()
            .for_each(|level| *level = (*level - centre).abs());
        let whole = self.newest().map_or(0.0, |(at, _)| seconds(at));
        slope * whole >= CLEAR * median(&mut off)
    }

    /// How long until it is at `limit`, if it goes on like this.
    pub fn time_to(&self, limit: f64) -> Option<Duration> {
        let (_, newest) = self.newest()?;
        let seconds = (limit - newest).max(0.0) / self.growth()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    fn newest(&self) -> Option<(Time, f64)> {
        self.readings.back().copied()
    }

    fn leave(&mut self, gone: f64) {
        if self.peaks_max == 0 {
            return;
        }
        if self.left == 0 {
            if self.peaks.len() == self.peaks_max {
                self.peaks.pop_front();
            }
            self.peaks.push_back(gone);
        } else if let Some(peak) = self.peaks.back_mut() {
            *peak = peak.max(gone);
        }
        self.left = (self.left + 1) % READINGS;
    }
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    match values.is_empty() {
        true => 0.0,
        false => *values.select_nth_unstable_by(middle, f64::total_cmp).1,
    }
}
