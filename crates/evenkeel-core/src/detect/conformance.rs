//! What every detector in the list must keep. A new line in [`DETECTORS`] is held to it without being mentioned here.

use std::time::Duration;

use super::{Arrival, DETECTORS, Detector};
use crate::rng::Rng;
use crate::settings::HeartbeatSettings;
use crate::time::Time;

const SECOND: Duration = Duration::from_secs(1);
const START: Time = Time::from_millis(1_000_000);

fn all() -> impl Iterator<Item = (&'static str, Box<dyn Detector>)> {
    let settings = HeartbeatSettings::default();
    DETECTORS
        .iter()
        .map(move |entry| (entry.part.name, (entry.make)(&settings, START)))
}

/// Beats number `from` to `to`, one a second with up to 50 ms of jitter; when the last one came.
fn beats(detector: &mut dyn Detector, from: u64, to: u64) -> Time {
    let mut rng = Rng::new(from);
    let mut at = START;
    for number in from..=to {
        at = START + SECOND * u32::try_from(number).unwrap() + Duration::from_millis(rng.below(50));
        detector.beat(number, at);
    }
    at
}

#[test]
fn silence_is_suspected_at_the_wakeup_and_not_before() {
    for (name, mut detector) in all() {
        let last = beats(&mut *detector, 1, 300);
        let due = detector.next_wakeup();
        assert!(detector.suspicion(last) < 0.5, "{name}");
        assert!(
            detector.suspicion(due - Duration::from_nanos(1)) < 1.0,
            "{name}"
        );
        assert!(detector.suspicion(due) >= 1.0, "{name}");
        assert!(due.since(last) <= detector.bound(), "{name}");
        assert!(due.since(last) >= SECOND, "{name}");
    }
}

#[test]
fn suspicion_never_falls_while_nothing_is_heard() {
    for (name, mut detector) in all() {
        let last = beats(&mut *detector, 1, 50);
        let levels: Vec<f64> = (0..20_000u64)
            .map(|ms| detector.suspicion(last + Duration::from_millis(ms)))
            .collect();
        assert!(levels.is_sorted(), "{name}");
        assert!(
            levels
                .iter()
                .all(|level| level.is_finite() && *level >= 0.0),
            "{name}"
        );
    }
}

#[test]
fn one_that_never_beats_is_suspected_too() {
    for (name, detector) in all() {
        let due = detector.next_wakeup();
        assert!(due > START + SECOND && due <= START + SECOND * 5, "{name}");
        assert!(detector.suspicion(due) >= 1.0, "{name}");
    }
}

#[test]
fn late_and_doubled_beats_put_nothing_off() {
    for (name, mut detector) in all() {
        let last = beats(&mut *detector, 1, 100);
        let due = detector.next_wakeup();
        for number in [100, 100, 99, 98] {
            let arrival = detector.beat(number, last + SECOND / 2);
            assert_eq!(arrival, Arrival::Late, "{name} {number}");
        }
        assert_eq!(detector.next_wakeup(), due, "{name}");
    }
}

#[test]
fn any_number_that_begins_anew_is_trusted_for_its_whole_time() {
    for (name, mut detector) in all() {
        let mut at = beats(&mut *detector, 1, 100);
        for number in [1, u64::MAX, 0, u64::MAX / 2, 7] {
            at = at + SECOND * 20;
            assert_eq!(detector.beat(number, at), Arrival::Began, "{name} {number}");
            assert!(detector.next_wakeup() >= at + SECOND, "{name} {number}");
            assert!(detector.next_wakeup() <= at + SECOND * 5, "{name} {number}");
        }
    }
}

#[test]
fn after_a_suspicion_the_next_beat_is_trusted() {
    for (name, mut detector) in all() {
        beats(&mut *detector, 1, 100);
        for number in [140, 141, 300] {
            let at = START + SECOND * number;
            assert!(number == 141 || detector.suspicion(at) >= 1.0, "{name}");
            detector.beat(u64::from(number), at);
            assert!(detector.suspicion(at) < 1.0, "{name}");
        }
    }
}

#[test]
fn an_excuse_puts_the_suspicion_off_by_its_length_and_once() {
    for (name, mut detector) in all() {
        let last = beats(&mut *detector, 1, 100);
        let due = detector.next_wakeup();
        detector.excuse(SECOND * 7);
        assert_eq!(detector.next_wakeup(), due + SECOND * 7, "{name}");
        let bound = detector.bound();
        let at = last + SECOND * 8;
        detector.beat(108, at);
        assert!(detector.next_wakeup().since(at) <= bound, "{name}");
    }
}

#[test]
fn another_interval_is_taken_at_the_senders_word() {
    for (name, mut detector) in all() {
        let last = beats(&mut *detector, 1, 100);
        detector.retime(SECOND * 10, last);
        assert!(detector.next_wakeup() > last + SECOND * 10, "{name}");
        detector.retime(SECOND / 10, last);
        let mut at = last;
        for number in 1..100 {
            at = last + SECOND / 10 * number;
            assert!(detector.suspicion(at) < 1.0, "{name}");
            detector.beat(u64::from(number), at);
        }
        assert!(detector.next_wakeup() < at + SECOND * 3, "{name}");
    }
}

#[test]
fn nothing_that_can_be_sent_makes_it_panic_or_forget_its_bound() {
    let mut rng = Rng::new(7);
    for (name, mut detector) in all() {
        let mut at = START;
        for _ in 0..20_000 {
            at = at + Duration::from_micros(rng.below(3_000_000));
            let number = match rng.below(4) {
                0 => rng.below(u64::MAX),
                1 => u64::MAX - rng.below(3),
                _ => rng.below(30),
            };
            let arrival = detector.beat(number, at);
            if rng.chance(1, 50) {
                detector.excuse(Duration::from_millis(rng.below(40_000)));
            }
            let level = detector.suspicion(at);
            assert!(level.is_finite(), "{name}");
            assert!(arrival == Arrival::Late || level < 1.0, "{name}");
        }
    }
}

#[test]
fn every_name_is_its_own_and_every_setting_has_its_reason() {
    let mut names: Vec<_> = DETECTORS.iter().map(|entry| entry.part.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DETECTORS.len());
    for entry in DETECTORS {
        assert!(entry.part.summary.ends_with('.'));
        assert!(entry.part.settings.iter().all(|s| !s.why.is_empty()));
        assert_eq!(super::detector(entry.part.name).part, entry.part);
    }
}
