//! The detectors against networks that lose and delay, over millions of beats: `fixed` as Chen et al. computed it, and
//! `phi` beside `fixed` on the same recorded beats.

use std::time::Duration;

use super::qos::{self, Network, Quality};
use super::{Detector, detector};
use crate::rng::Rng;
use crate::settings::{Decimal, HeartbeatSettings};
use crate::time::Time;

const SECOND: Duration = Duration::from_secs(1);
const CHEN: Network = Network {
    loss: 0.01,
    delay_mean: Duration::from_millis(20),
};

/// A number in (0, 1].
fn unit(rng: &mut Rng) -> f64 {
    ((rng.draw() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

fn exponential(rng: &mut Rng, mean: Duration) -> Duration {
    mean.mul_f64(-unit(rng).ln())
}

/// When the `number`-th beat is sent.
fn sent(number: u64) -> Time {
    Time::from_nanos(number * 1_000_000_000)
}

/// When it arrives, unless it is lost.
fn arrival(number: u64, network: &Network, rng: &mut Rng) -> Option<Time> {
    let lost = unit(rng) <= network.loss;
    (!lost).then(|| sent(number) + exponential(rng, network.delay_mean))
}

fn fixed(timeout: Duration) -> Box<dyn Detector> {
    let settings = HeartbeatSettings {
        timeout,
        ..HeartbeatSettings::default()
    };
    (detector("fixed").make)(&settings, Time::ZERO)
}

/// What was seen of a detector watching a sender that lives.
#[derive(Default, Debug)]
struct Seen {
    mistakes: f64,
    wrong_s: f64,
    elapsed_s: f64,
}

impl Seen {
    /// Everybody's own beats, one after another.
    fn plain(timeout: Duration, network: &Network, beats: u64, seed: u64) -> Seen {
        let (mut rng, mut d) = (Rng::new(seed), fixed(timeout));
        let mut seen = Seen::default();
        for number in 1..=beats {
            let Some(at) = arrival(number, network, &mut rng) else {
                continue;
            };
            let due = d.next_wakeup();
            if due < at {
                seen.mistakes += 1.0;
                seen.wrong_s += at.since(due).as_secs_f64();
            }
            d.beat(number, at);
        }
        seen.elapsed_s = beats as f64;
        seen
    }

    /// Where mistakes are rare: one beat in six is lost on purpose, and what then happens until the next one's freshness
    /// point is weighed with the probability of a loss. It is exact as long as a beat that is not lost arrives before
    /// its own freshness point, which fails once in e^25 for a time-out of 25 mean delays or more.
    fn stratified(timeout: Duration, network: &Network, trials: u64, seed: u64) -> Seen {
        assert!(timeout >= network.delay_mean * 25);
        let (mut rng, mut d) = (Rng::new(seed), fixed(timeout));
        let (mut seen, mut slot) = (Seen::default(), (Time::ZERO, Time::ZERO));
        for number in 1..=trials * 6 {
            let at = arrival(number, network, &mut rng);
            if number % 6 == 3 {
                slot = (sent(number) + timeout, sent(number + 1) + timeout);
                continue;
            }
            let Some(at) = at else { continue };
            let due = d.next_wakeup();
            if due < at && slot.0 < at {
                // The freshness point is estimated to a fraction of a millisecond.
                let begins = due + SECOND / 100 > slot.0;
                seen.mistakes += f64::from(u8::from(begins && due < slot.1));
                seen.wrong_s += at.min(slot.1).since(due.max(slot.0)).as_secs_f64();
            }
            if slot.0 < at {
                slot = (Time::NEVER, Time::NEVER);
            }
            d.beat(number, at);
        }
        seen.elapsed_s = trials as f64 / network.loss;
        seen
    }

    fn against(&self, wanted: &Quality) -> [f64; 3] {
        let off = |found: f64, wanted: f64| found / wanted - 1.0;
        [
            off(self.elapsed_s / self.mistakes, wanted.mistake_every_s),
            off(self.wrong_s / self.mistakes, wanted.mistake_lasts_s),
            // Of what it is wrong; P_A itself is near 1 whatever one does.
            off(self.wrong_s / self.elapsed_s, 1.0 - wanted.accuracy),
        ]
    }
}

#[test]
fn fixed_keeps_within_three_percent_of_what_chen_et_al_computed() {
    for (timeout_ms, n) in [
        (50, 300_000),
        (100, 800_000),
        (500, 60_000),
        (1000, 60_000),
        (1050, 200_000),
        (1500, 800_000),
    ] {
        let timeout = Duration::from_millis(timeout_ms);
        let wanted = qos::fixed(SECOND, timeout, &CHEN);
        let seen = match timeout_ms {
            ..500 => Seen::plain(timeout, &CHEN, n, 1),
            _ => Seen::stratified(timeout, &CHEN, n, 1),
        };
        let off = seen.against(&wanted);
        println!(
            "δ {timeout:?}: {wanted:?} off by {off:?} after {} mistakes",
            seen.mistakes
        );
        assert!(
            off.iter().all(|off| off.abs() < 0.03),
            "δ {timeout:?}: {off:?}"
        );
    }
}

/// A beat that arrived: its number, when it was sent, and when it came.
type Beat = (u64, Time, Time);

/// A day of beats over a path that is quiet, then restless, then quiet: half an hour each, as an office's line is.
fn day(seed: u64) -> Vec<Beat> {
    let mut rng = Rng::new(seed);
    let quiet = Network {
        loss: 0.0,
        delay_mean: Duration::from_millis(5),
    };
    let restless = Network {
        loss: 0.01,
        delay_mean: Duration::from_millis(120),
    };
    let network = |number: u64| match number / 1800 % 3 {
        1 => &restless,
        _ => &quiet,
    };
    (1..=86_400)
        .filter_map(|n| Some((n, sent(n), arrival(n, network(n), &mut rng)?)))
        .collect()
}

/// Mistakes on these beats, and the mean time until a crash right after a beat would be seen.
fn replay(mut d: Box<dyn Detector>, beats: &[Beat]) -> (u32, f64) {
    let (mut mistakes, mut detection_s) = (0, 0.0);
    for &(number, sent, at) in beats {
        mistakes += u32::from(d.next_wakeup() < at);
        d.beat(number, at);
        detection_s += d.next_wakeup().since(sent).as_secs_f64();
    }
    (mistakes, detection_s / beats.len() as f64)
}

/// `fixed` with the time-out that gives this mean detection time on these beats.
fn fixed_as_fast(beats: &[Beat], wanted_s: f64) -> (u32, f64) {
    let (mut low, mut high) = (0.0, 10.0);
    let mut best = (u32::MAX, f64::INFINITY);
    for _ in 0..12 {
        let timeout = f64::midpoint(low, high);
        let seen = replay(fixed(Duration::from_secs_f64(timeout)), beats);
        match seen.1 < wanted_s {
            true => low = timeout,
            false => (high, best) = (timeout, seen),
        }
    }
    best
}

#[test]
fn phi_makes_fewer_mistakes_than_fixed_at_the_same_detection_time() {
    let beats = day(11);
    for threshold in [1, 2, 4, 8, 12, 16] {
        let settings = HeartbeatSettings {
            threshold: Decimal::whole(threshold),
            ..HeartbeatSettings::default()
        };
        let phi = replay((detector("phi").make)(&settings, Time::ZERO), &beats);
        let fixed = fixed_as_fast(&beats, phi.1);
        println!("threshold {threshold}: phi {phi:?} fixed {fixed:?}");
        assert!(phi.1 <= fixed.1, "{phi:?} {fixed:?}");
        assert!(
            f64::from(phi.0) < 0.75 * f64::from(fixed.0),
            "{phi:?} {fixed:?}"
        );
    }
}
