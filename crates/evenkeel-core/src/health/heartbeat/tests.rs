//! The promises of heartbeats, one endpoint at a time, and watchers that are paused themselves.

use super::*;
use crate::detect::Turns;
use crate::rng::Rng;

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    beats: Heartbeat,
    settings: HeartbeatSettings,
    check: CheckSettings,
    failover: FailoverSettings,
    sequence: u64,
}

fn bench(detector: &'static str) -> Bench {
    Bench {
        beats: Heartbeat::default(),
        settings: HeartbeatSettings {
            detector,
            ..HeartbeatSettings::default()
        },
        check: CheckSettings::default(),
        failover: FailoverSettings {
            hold: SECOND * 3,
            ..FailoverSettings::default()
        },
        sequence: 0,
    }
}

fn at(s: f64) -> Time {
    Time::ZERO + Duration::from_secs_f64(s)
}

impl Bench {
    fn rules(&self) -> Rules<'_> {
        Rules {
            settings: &self.settings,
            check: &self.check,
            failover: &self.failover,
            alone: false,
        }
    }

    fn beat(&mut self, s: f64) -> Heard {
        self.sequence += 1;
        let beat = Beat {
            sequence: self.sequence,
            ..Beat::default()
        };
        let mut beats = std::mem::take(&mut self.beats);
        let heard = beats.on(&beat, self.rules(), at(s), WallTime(0));
        self.beats = beats;
        heard
    }

    fn silent(&mut self, s: f64) -> Option<Turn> {
        let mut beats = std::mem::take(&mut self.beats);
        let turn = beats.silent(self.rules(), at(s));
        self.beats = beats;
        turn
    }
}

#[test]
fn nobody_who_never_beat_is_down_for_it() {
    let bench = bench("fixed");
    assert_eq!(bench.beats.verdict(), Verdict::Unknown);
    assert_eq!(bench.beats.next_wakeup(), Time::NEVER);
    assert_eq!(bench.beats.carried(), None);
}

#[test]
fn silence_takes_it_down_and_beats_bring_it_back_after_rise_and_hold() {
    let mut b = bench("fixed");
    for s in 1..=10 {
        assert_eq!(b.beat(f64::from(s)).news, s == 1);
    }
    assert_eq!(b.beats.next_wakeup(), at(13.0));
    assert!(b.silent(12.9).is_none());
    let turn = b.silent(13.0).unwrap();
    assert_eq!(turn.to, Verdict::Down);
    assert_eq!(
        turn.why,
        "no heartbeat for 3.0 s, one every 1s is expected (timeout 2s), the last was number 10"
    );
    assert_eq!(b.beats.next_wakeup(), Time::NEVER);
    // Beats again from 20 s on; the hold of 3 s ends at 23 s.
    let turns: Vec<_> = (20..=23).map(|s| b.beat(f64::from(s)).turn).collect();
    assert!(turns[..3].iter().all(Option::is_none), "{turns:?}");
    let turn = turns[3].as_ref().unwrap();
    assert_eq!((turn.to, turn.ramps), (Verdict::Up, true));
    assert_eq!(b.beats.view(at(23.0)).unwrap().mistakes, 1);
}

#[test]
fn a_silence_while_it_comes_back_begins_the_hold_anew() {
    let mut b = bench("fixed");
    b.beat(1.0);
    b.silent(4.0).unwrap();
    b.beat(10.0);
    b.beat(11.0);
    assert!(b.silent(14.0).is_none(), "it is down already");
    assert_eq!(b.beats.verdict(), Verdict::Down);
    b.beat(15.0);
    b.beat(16.0);
    b.beat(17.0);
    assert_eq!(b.beats.verdict(), Verdict::Down);
    assert!(b.beat(18.0).turn.is_some());
}

#[test]
fn a_sender_that_began_anew_was_no_mistake() {
    let mut b = bench("fixed");
    (1..=20).for_each(|s| drop(b.beat(f64::from(s))));
    b.silent(23.0).unwrap();
    b.sequence = 0;
    b.beat(30.0);
    assert_eq!(b.beats.view(at(30.0)).unwrap().mistakes, 0);
}

#[test]
fn known_to_beat_before_a_restart_its_silence_counts_after_it() {
    let carried = CarriedBeats {
        interval: SECOND,
        down: false,
        says: Says::Ready,
    };
    for detector in ["fixed", "phi"] {
        let mut b = bench(detector);
        b.beats = Heartbeat::restored(carried, &b.settings, true, at(100.0));
        assert_eq!(b.beats.verdict(), Verdict::Up);
        let due = b.beats.next_wakeup();
        assert!(due > at(101.0) && due < at(104.0), "{detector}");
        assert!(b.silent(104.0).is_some(), "{detector}");
        // Down before: one beat is enough, as one check is.
        let down = CarriedBeats {
            down: true,
            ..carried
        };
        b.beats = Heartbeat::restored(down, &b.settings, true, at(200.0));
        assert_eq!(b.beats.verdict(), Verdict::Down);
        assert_eq!(b.beats.next_wakeup(), Time::NEVER);
        b.sequence = 900;
        assert_eq!(b.beat(201.0).turn.unwrap().to, Verdict::Up);
        assert_eq!(b.beats.carried(), Some(carried));
    }
}

#[test]
fn what_the_listener_slept_through_is_no_silence() {
    for detector in ["fixed", "phi"] {
        let mut b = bench(detector);
        (1..=10).for_each(|s| drop(b.beat(f64::from(s))));
        b.beats.excuse(SECOND * 20, at(36.0));
        assert!(b.silent(31.0).is_none(), "{detector}");
        assert!(b.silent(35.9).is_none(), "{detector}");
        assert!(b.silent(36.0).is_some(), "{detector}");
    }
}

/// Watchers that hear five senders each for ten minutes. Returns suspicions of senders, all of which live; no beat is lost
/// but those that a sender could not hand over to a paused watcher.
fn suspicions(detector: &'static str, guarded: bool) -> u32 {
    let mut suspected = 0;
    for watcher in 0..100u64 {
        let mut rng = Rng::new(watcher);
        // One watcher in ten is paused a few times, for 1 to 30 s each.
        let pauses: Vec<(u64, u64)> = match watcher % 10 {
            0 => (0..5)
                .map(|n| (n * 120_000 + rng.below(60_000), 1_000 + rng.below(29_000)))
                .collect(),
            _ => Vec::new(),
        };
        let mut senders: Vec<_> = (0..5).map(|_| (bench(detector), rng.below(1000))).collect();
        let mut turns = Turns::new(Duration::from_millis(100));
        let (mut ms, mut before) = (0, 0);
        while ms < 600_000 {
            let now = Time::from_millis(ms);
            if let Some(pause) = turns.on(now).filter(|_| guarded) {
                for (sender, _) in &mut senders {
                    sender.beats.excuse(pause.length, pause.quiet_until);
                }
            }
            for (sender, phase) in &mut senders {
                // Woken it looks at its timers first, and reads what waits after that.
                suspected += u32::from(sender.silent(ms as f64 / 1000.0).is_some());
                let first = (before + 1000 - *phase) / 1000 * 1000 + *phase;
                for beat in (first..=ms).step_by(1000) {
                    // What could not be handed over within a second is gone.
                    if ms - beat <= 1000 {
                        sender.sequence = beat / 1000;
                        sender.beat(ms as f64 / 1000.0);
                    }
                }
            }
            let paused = pauses
                .iter()
                .find(|(from, _)| (before..=ms).contains(from) && ms > 0);
            before = ms;
            ms += paused.map_or(100, |(_, length)| *length);
        }
    }
    suspected
}

#[test]
fn paused_watchers_suspect_twenty_times_less_with_an_eye_on_themselves() {
    for detector in ["fixed", "phi"] {
        let (without, with) = (suspicions(detector, false), suspicions(detector, true));
        println!("{detector}: {without} without, {with} with");
        assert!(without >= 100, "{detector}: {without}");
        assert!(with * 20 <= without, "{detector}: {with} of {without}");
    }
}
