//! When an endpoint is probed next.
//!
//! In peace each endpoint has its own place within the interval, so that neither the endpoints' host nor we get all
//! probes of a large pool at one moment. While something may be changing the pace is fast and counted from the last
//! probe. A probe whose answer never comes is given up after its time-out and some grace, and another one is sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::Epoch;
use crate::settings::CheckSettings;
use crate::time::Time;

/// Beyond the check's own time-out: an answer that is later than this was lost on the way.
const GRACE: Duration = Duration::from_secs(1);

/// How urgent the next probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Nothing changes.
    Settled,
    /// Something may be changing.
    Fast,
    /// As soon as possible: something has just happened.
    Now,
    /// Not at all.
    Never,
}

/// When to probe one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Schedule {
    /// In thousandths of the interval.
    place: u32,
    due: Time,
    last: Option<Time>,
    /// The one under way: its fence, and when it is given up.
    under_way: Option<(Epoch, Time)>,
    /// Once it has ended, another one at once.
    again: bool,
}

impl Schedule {
    /// Probes at once, then in its `place` (in thousandths) of the interval.
    pub fn new(place: u32) -> Schedule {
        Schedule {
            place: place % 1000,
            due: Time::ZERO,
            last: None,
            under_way: None,
            again: false,
        }
    }

    /// Another place of the interval, from the next settled probe on.
    pub fn set_place(&mut self, place: u32) {
        self.place = place % 1000;
    }

    /// When something is to be done: a probe sent, or one given up.
    pub fn next_wakeup(&self) -> Time {
        self.under_way.map_or(self.due, |(_, lost)| lost)
    }

    /// The moment of the next probe, for people.
    pub fn due(&self) -> Time {
        self.due
    }

    /// When the last probe was sent.
    pub fn last(&self) -> Option<Time> {
        self.last
    }

    /// If one is due, sends it under this fence.
    pub fn send(
        &mut self,
        fence: impl FnOnce() -> Epoch,
        settings: &CheckSettings,
        now: Time,
    ) -> Option<Epoch> {
        if now < self.next_wakeup() {
            return None;
        }
        let epoch = fence();
        self.under_way = Some((epoch, now + settings.timeout + GRACE));
        self.last = Some(now);
        self.again = false;
        Some(epoch)
    }

    /// Does the answer with this fence belong to the probe under way? If so, that one has ended, after so long.
    pub fn ended(&mut self, epoch: Epoch, now: Time) -> Option<Duration> {
        self.under_way.take_if(|(fence, _)| *fence == epoch)?;
        Some(self.last.map_or(Duration::ZERO, |sent| now.since(sent)))
    }

    /// No probes until [`Schedule::set`] says otherwise.
    pub fn stop(&mut self) {
        self.under_way = None;
        self.due = Time::NEVER;
    }

    /// Probes at once, after [`Schedule::stop`].
    pub fn begin(&mut self) {
        self.due = Time::ZERO;
    }

    /// What is under way means nothing any more: its address is another one now.
    pub fn abandon(&mut self) {
        self.under_way = None;
    }

    /// Sets the next probe's time, counted from the last one.
    pub fn set(&mut self, pace: Pace, settings: &CheckSettings, now: Time) {
        let last = self.last.unwrap_or(now);
        let pace = match std::mem::take(&mut self.again) {
            true if pace != Pace::Never => Pace::Now,
            _ => pace,
        };
        self.due = match pace {
            Pace::Now => now,
            Pace::Fast => now.max(last + settings.fast_interval),
            Pace::Settled => self.in_place(last, settings.interval),
            Pace::Never => Time::NEVER,
        };
    }

    /// Something happened: brings the next probe forward, never back.
    pub fn hurry(&mut self, pace: Pace, settings: &CheckSettings, now: Time) {
        if self.due == Time::NEVER {
            return;
        }
        if self.under_way.is_some() {
            self.again |= pace == Pace::Now;
            return;
        }
        let before = self.due;
        self.set(pace, settings, now);
        self.due = self.due.min(before);
    }

    /// The first time in its place of the interval that is at least half an interval after `last`: never more than one
    /// and a half, and exactly one once it is in step.
    fn in_place(&self, last: Time, interval: Duration) -> Time {
        let interval_ns = (interval.as_nanos() as u64).max(1_000_000);
        let offset = interval_ns / 1000 * u64::from(self.place);
        let earliest = last.as_nanos().saturating_add(interval_ns / 2);
        let into = (earliest + interval_ns - offset % interval_ns) % interval_ns;
        let wait = (interval_ns - into) % interval_ns;
        Time::from_nanos(earliest.saturating_add(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settled_probes_come_once_an_interval_each_in_its_own_place() {
        let settings = CheckSettings::default();
        for place in [0, 250, 999] {
            let mut schedule = Schedule::new(place);
            let mut at = Time::from_millis(12_345);
            let mut gaps = Vec::new();
            for n in 0..10 {
                let epoch = schedule.send(|| Epoch(n), &settings, at).unwrap();
                assert!(schedule.ended(epoch, at).is_some());
                schedule.set(Pace::Settled, &settings, at);
                let next = schedule.next_wakeup();
                gaps.push(next.since(at));
                at = next;
            }
            assert!(gaps[0] >= settings.interval / 2 && gaps[0] <= settings.interval * 3 / 2);
            assert!(
                gaps[1..].iter().all(|&gap| gap == settings.interval),
                "{gaps:?}"
            );
            let into = at.as_nanos() % 2_000_000_000;
            assert_eq!(into, u64::from(place) * 2_000_000);
        }
    }

    #[test]
    fn a_lost_probe_is_sent_again_and_its_late_answer_is_refused() {
        let settings = CheckSettings::default();
        let mut schedule = Schedule::new(0);
        assert_eq!(
            schedule.send(|| Epoch(1), &settings, Time::ZERO),
            Some(Epoch(1))
        );
        assert_eq!(
            schedule.send(|| Epoch(2), &settings, Time::from_millis(1_999)),
            None
        );
        let late = Time::from_millis(2_000);
        assert_eq!(schedule.send(|| Epoch(2), &settings, late), Some(Epoch(2)));
        assert_eq!(schedule.ended(Epoch(1), late), None);
        let answered = Time::from_millis(2_007);
        let took = Some(Duration::from_millis(7));
        assert_eq!(schedule.ended(Epoch(2), answered), took);
        assert_eq!(schedule.ended(Epoch(2), answered), None);
    }

    #[test]
    fn haste_brings_a_probe_forward_but_not_closer_than_the_fast_interval() {
        let settings = CheckSettings::default();
        let mut schedule = Schedule::new(0);
        let start = Time::from_millis(10_000);
        let epoch = schedule.send(|| Epoch(1), &settings, start).unwrap();
        // While one is under way, an event asks for another right after it.
        schedule.hurry(Pace::Now, &settings, start);
        assert!(schedule.ended(epoch, start).is_some());
        schedule.set(Pace::Settled, &settings, Time::from_millis(10_010));
        assert_eq!(schedule.next_wakeup(), Time::from_millis(10_010));
        let epoch = schedule
            .send(|| Epoch(2), &settings, Time::from_millis(10_010))
            .unwrap();
        assert!(schedule.ended(epoch, start).is_some());
        schedule.set(Pace::Settled, &settings, Time::from_millis(10_020));
        schedule.hurry(Pace::Fast, &settings, Time::from_millis(10_030));
        assert_eq!(schedule.next_wakeup(), Time::from_millis(10_510));
    }
}
