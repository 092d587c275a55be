//! `phi` beside `fixed` on the same recorded day of beats: at equal detection time it must make fewer mistakes, because it learns
//! when the line is restless and waits longer only then.

use std::time::Duration;

use evenkeel_core::detect::{Detector, detector, qos::Network};
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::{Decimal, HeartbeatSettings};
use evenkeel_core::time::Time;

use super::{Report, arrival, fixed, sent};

/// Of `fixed`'s mistakes `phi` may make this share.
const SHARE_MAX: f64 = 0.75;

/// A beat that arrived: its number, when it was sent, and when it came.
type Beat = (u64, Time, Time);

pub(super) fn section(report: &mut Report) {
    report.line("\n## `phi` beside `fixed`\n");
    report.line(format!(
        "A recorded day of beats over a line that is quiet (no loss, 5 ms), then restless (1 % lost, 120 ms), half an hour each. `fixed` is given the time-out with which it \
         detects a crash as fast as `phi` on average. Bound: `phi` makes at most {} % of its mistakes.",
        SHARE_MAX * 100.0
    ));
    report.head(&[
        "threshold",
        "mean detection time",
        "mistakes of `phi`",
        "of `fixed`",
        "share",
    ]);
    let beats = day(11);
    for threshold in [1, 2, 4, 8, 12, 16] {
        let settings = HeartbeatSettings {
            threshold: Decimal::whole(threshold),
            ..HeartbeatSettings::default()
        };
        let phi = replay((detector("phi").make)(&settings, Time::ZERO), &beats);
        let fixed = fixed_as_fast(&beats, phi.1);
        let share = f64::from(phi.0) / f64::from(fixed.0.max(1));
        report.row(&[
            threshold.to_string(),
            format!("{:.3} s", phi.1),
            phi.0.to_string(),
            fixed.0.to_string(),
            format!("{:.0} %", share * 100.0),
        ]);
        report.must(phi.1 <= fixed.1 && share < SHARE_MAX, || {
            format!("phi with threshold {threshold}: {phi:?} beside fixed {fixed:?}")
        });
    }
}

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
