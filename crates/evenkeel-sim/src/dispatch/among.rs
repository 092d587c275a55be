//! `learned` beside `p2c` among fleets by lot ([`drawn`]): the page `bench/DRAWN.md`.
//!
//! Near saturation, and where tries time out, two runs of `p2c` itself are not alike. So each fleet is run under several seeds, under
//! each of which both policies meet the same requests; and where it looks worse under these, many others say whether it is:
//! looked at in the same runs, the unluckiest of hundreds would always seem to be. `p2c` with other lots of its own goes through the
//! same, to show what chance alone makes of it.

use std::fmt::Write;
use std::ops::{Range, RangeInclusive};

use super::beside::{CHANCE, WORSE, extra_errors};
use super::report::Report;
use super::{Outcome, drawn, run};

/// The fleets of the page.
pub const FLEETS: Range<u64> = 0..200;
/// Seeds of each, and of those that look worse.
pub(super) const SEEDS: RangeInclusive<u64> = 1..=4;
const SURE_SEEDS: RangeInclusive<u64> = 5..=24;
/// And of those that are so by these: of the few dozen that are asked after, one or two are by chance.
const LAST_SEEDS: RangeInclusive<u64> = 25..=84;
/// So many standard errors beyond the bound, and it is not chance.
const SURE: f64 = 2.0;

/// One figure of one policy, beside that of `p2c`.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// How many times as much, all seeds together.
    pub whole: f64,
    /// The standard error, from seed to seed.
    pub doubt: f64,
}

impl Ratio {
    fn of(these: &[Outcome], those: &[Outcome], figure: fn(&Outcome) -> f64) -> Ratio {
        let sum = |of: &[Outcome]| of.iter().map(figure).sum::<f64>();
        if sum(these) <= 0.0 || sum(those) <= 0.0 {
            return Ratio {
                whole: 1.0,
                doubt: 0.0,
            };
        }
        let whole = sum(these) / sum(those);
        let each = these.iter().zip(those);
        let off: Vec<f64> = each.map(|(a, b)| figure(a) - whole * figure(b)).collect();
        let [_, doubt] = mean_and_doubt(&off);
        Ratio {
            whole,
            doubt: doubt * these.len() as f64 / sum(those),
        }
    }

    /// Out of bounds?
    fn is_worse(&self) -> bool {
        self.whole > WORSE
    }

    fn is_surely_worse(&self) -> bool {
        self.whole - SURE * self.doubt > WORSE
    }

    fn text(&self) -> String {
        let (off, doubt) = ((self.whole - 1.0) * 100.0, self.doubt * 100.0);
        format!("{off:+.1} ± {doubt:.1} %")
    }
}

/// How a policy did in one fleet.
#[derive(Clone, Copy, Debug)]
pub struct Among {
    /// Means of the time until a request was answered or had failed, or the run was over.
    pub mean: Ratio,
    /// The slowest hundredth of it.
    pub p99: Ratio,
    /// The slowest hundredth of what was answered.
    pub answered_p99: Ratio,
    /// The share of errors, and that of `p2c`.
    pub errors: [f64; 2],
    /// How far the share is above what it may be, and the standard error of that.
    pub extra: [f64; 2],
}

impl Among {
    /// `policy` in the fleet of this number, with these lots of its own.
    pub fn run(
        fleet: u64,
        policy: &str,
        choices: u32,
        seeds: RangeInclusive<u64>,
    ) -> Result<Among, String> {
        let these = runs(fleet, policy, choices, seeds.clone())?;
        Ok(Among::of(&these, &runs(fleet, "p2c", 0, seeds)?))
    }

    fn of(these: &[Outcome], plain: &[Outcome]) -> Among {
        let errors =
            |of: &[Outcome]| of.iter().map(|o| o.error_share).sum::<f64>() / of.len() as f64;
        let pairs = these.iter().zip(plain);
        let extra = pairs.map(|(of, beside)| extra_errors(of, beside));
        Among {
            mean: Ratio::of(these, plain, |o| o.wait_mean_s),
            p99: Ratio::of(these, plain, |o| o.wait_p99_s),
            answered_p99: Ratio::of(these, plain, |o| o.p99_s),
            errors: [errors(these), errors(plain)],
            extra: mean_and_doubt(&extra.collect::<Vec<_>>()),
        }
    }

    fn is_surely_worse(&self) -> bool {
        let [extra, doubt] = self.extra;
        self.mean.is_surely_worse() || self.p99.is_surely_worse() || extra > SURE * doubt
    }

    /// Does it look worse?
    pub fn is_worse(&self) -> bool {
        self.mean.is_worse() || self.p99.is_worse() || self.extra[0] > 0.0
    }
}

/// With the standard error.
fn mean_and_doubt(of: &[f64]) -> [f64; 2] {
    let n = of.len() as f64;
    let mean = of.iter().sum::<f64>() / n;
    let off: f64 = of.iter().map(|x| (x - mean).powi(2)).sum();
    [mean, (off / (n - 1.0).max(1.0) / n).sqrt()]
}

fn runs(
    fleet: u64,
    policy: &str,
    choices: u32,
    seeds: RangeInclusive<u64>,
) -> Result<Vec<Outcome>, String> {
    let mut scenario = drawn::fleet(fleet)?;
    scenario.run.choices = choices;
    seeds
        .map(|seed| run(&scenario, policy, seed, &|_| {}))
        .collect()
}

/// A policy among the fleets.
struct Tried {
    policy: &'static str,
    /// Its own lots.
    choices: u32,
    /// Fleets in which its mean is shorter, and those in which it looks worse and is.
    better: usize,
    worse: usize,
    surely: usize,
    lines: Vec<String>,
}

impl Tried {
    fn new(policy: &'static str, choices: u32) -> Tried {
        Tried {
            policy,
            choices,
            better: 0,
            worse: 0,
            surely: 0,
            lines: Vec::new(),
        }
    }

    fn fleet(&mut self, fleet: u64, plain: &[Outcome]) -> Result<(), String> {
        let these = runs(fleet, self.policy, self.choices, SEEDS)?;
        let first = Among::of(&these, plain);
        self.better += usize::from(first.mean.whole < 1.0 / WORSE);
        if first.is_worse() {
            self.worse += 1;
            let seen = |seeds| Among::run(fleet, self.policy, self.choices, seeds);
            let mut sure = seen(SURE_SEEDS)?;
            if sure.is_surely_worse() {
                sure = seen(LAST_SEEDS)?;
            }
            self.surely += usize::from(sure.is_surely_worse());
            self.lines.push(line(fleet, &first, &sure));
        }
        Ok(())
    }
}

/// Computes the page for the fleets of these numbers; `told` hears which comes next.
pub fn report(fleets: Range<u64>, told: &dyn Fn(&str)) -> Result<Report, String> {
    let mut again = Tried::new("p2c", 1);
    let mut learned = Tried::new("learned", 0);
    for fleet in fleets.clone() {
        told(&format!("fleet {fleet}"));
        let plain = runs(fleet, "p2c", 0, SEEDS)?;
        again.fleet(fleet, &plain)?;
        learned.fleet(fleet, &plain)?;
    }
    let mut report = Report {
        text: head(fleets, &again, &learned),
        ..Report::default()
    };
    learned.lines.iter().for_each(|line| {
        let _ = writeln!(report.text, "{line}");
    });
    if learned.surely > 0 {
        report.broken = learned.lines;
    }
    Ok(report)
}

fn head(fleets: Range<u64>, again: &Tried, learned: &Tried) -> String {
    let percent = (WORSE - 1.0) * 100.0;
    let chance = CHANCE * 100.0;
    let Range { start, end } = fleets;
    let end = end.saturating_sub(1);
    let [seeds, sure_seeds, last_seeds] = [SEEDS, SURE_SEEDS, LAST_SEEDS].map(Iterator::count);
    format!(
        "# Drawn fleets

Made by `cargo xtask score drawn`: `learned` beside `p2c` in fleets by lot, those numbered {start} to {end}, {seeds} seeds each, computed and the same on every machine. Worse is worse by more
than {percent:.0} % in the mean or p99 of the time until a request was answered or had failed in the end (or the run was over), or in the share that failed (and by more than {chance} points);
surely, if {sure_seeds} other seeds say so by {SURE:.0} standard errors, and {last_seeds} more say it again, which are shown then. It fails where one is.

| beside `p2c` | looks worse | surely |
| --- | --- | --- |
| `p2c` with other lots | {} | {} |
| `learned` | {} | {} |

In {} of them `learned` has a mean shorter by more than {percent:.0} %. Those in which it looks worse, and what the other seeds say
(`cargo run -p evenkeel-sim --example drawn -- NUMBER` writes one as a scenario):

| fleet | mean | p99 | p99 of what was answered | errors, `p2c`'s |
| --- | --- | --- | --- | --- |
",
        again.worse, again.surely, learned.worse, learned.surely, learned.better
    )
}

fn line(fleet: u64, first: &Among, sure: &Among) -> String {
    let both = |of: fn(&Among) -> String| format!("{}; {}", of(first), of(sure));
    format!(
        "| {fleet}{} | {} | {} | {} | {} |",
        if sure.is_surely_worse() {
            " surely"
        } else {
            ""
        },
        both(|of| of.mean.text()),
        both(|of| of.p99.text()),
        both(|of| of.answered_p99.text()),
        both(|of| {
            let [its, plain] = of.errors;
            format!("{its:.4}, {plain:.4}")
        })
    )
}
