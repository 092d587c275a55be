//! `fixed` is NFD-S of Chen et al.: over hundreds of thousands of beats it must be wrong as often, for as long, and as much of
//! the time as their formulas say.

use std::time::Duration;

use evenkeel_core::detect::qos::{self, Network, Quality};
use evenkeel_core::rng::Rng;
use evenkeel_core::time::Time;

use super::{Report, SECOND, arrival, fixed, sent};

/// The network of the six cases: a beat a second, one in a hundred lost, 20 ms of delay on average.
const NETWORK: Network = Network {
    loss: 0.01,
    delay_mean: Duration::from_millis(20),
};
/// Time-outs, and beats enough to know rare mistakes to a percent.
const CASES: [(u64, u64); 6] = [
    (50, 300_000),
    (100, 800_000),
    (500, 60_000),
    (1000, 60_000),
    (1050, 200_000),
    (1500, 800_000),
];
/// So far may figures be from the formulas.
const OFF_MAX: f64 = 0.03;

/// What was seen of a detector watching a sender that lives.
#[derive(Default, Debug)]
struct Seen {
    mistakes: f64,
    wrong_s: f64,
    elapsed_s: f64,
}

pub(super) fn section(report: &mut Report) {
    report.line("\n## `fixed` against Chen's formulas (NFD-S)\n");
    report.line(format!(
        "A beat a second, delay exponential with mean {} ms, {} % lost. Bound: each figure within {} % of its formula.",
        NETWORK.delay_mean.as_millis(),
        NETWORK.loss * 100.0,
        OFF_MAX * 100.0
    ));
    report.head(&[
        "δ",
        "mistakes seen",
        "E(T_MR) formula",
        "simulated",
        "E(T_M) formula",
        "simulated",
        "1 − P_A formula",
        "simulated",
        "largest error",
    ]);
    for (timeout_ms, beats) in CASES {
        let timeout = Duration::from_millis(timeout_ms);
        let wanted = qos::fixed(SECOND, timeout, &NETWORK);
        let seen = match timeout_ms {
            ..500 => Seen::plain(timeout, beats, 1),
            _ => Seen::stratified(timeout, beats, 1),
        };
        let off = seen.against(&wanted);
        let worst = off.iter().fold(0.0f64, |worst, off| worst.max(off.abs()));
        report.row(&[
            format!("{:.2} s", timeout.as_secs_f64()),
            format!("{:.0}", seen.mistakes),
            format!("{:.5} s", wanted.mistake_every_s),
            format!("{:.5} s", seen.elapsed_s / seen.mistakes),
            format!("{:.5} s", wanted.mistake_lasts_s),
            format!("{:.5} s", seen.wrong_s / seen.mistakes),
            format!("{:.3e}", 1.0 - wanted.accuracy),
            format!("{:.3e}", seen.wrong_s / seen.elapsed_s),
            format!("{:.2} %", worst * 100.0),
        ]);
        report.must(worst <= OFF_MAX, || {
            format!(
                "fixed with δ {timeout:?} is {:.1} % off its formula",
                worst * 100.0
            )
        });
    }
}

impl Seen {
    /// Everybody's own beats, one after another.
    fn plain(timeout: Duration, beats: u64, seed: u64) -> Seen {
        let (mut rng, mut d) = (Rng::new(seed), fixed(timeout));
        let mut seen = Seen::default();
        for number in 1..=beats {
            let Some(at) = arrival(number, &NETWORK, &mut rng) else {
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
    fn stratified(timeout: Duration, trials: u64, seed: u64) -> Seen {
        let (mut rng, mut d) = (Rng::new(seed), fixed(timeout));
        let (mut seen, mut slot) = (Seen::default(), (Time::ZERO, Time::ZERO));
        for number in 1..=trials * 6 {
            let at = arrival(number, &NETWORK, &mut rng);
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
        seen.elapsed_s = trials as f64 / NETWORK.loss;
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
