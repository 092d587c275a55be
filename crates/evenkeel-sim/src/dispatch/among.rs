//! `learned` beside `p2c` among fleets by lot ([`drawn`]): the page `bench/DRAWN.md`.
//!
//! Near saturation, and where tries time out, two runs of `p2c` itself are not alike. So each fleet is run under several seeds, under
//! each of which both policies meet the same requests; and `p2c` is run once more with other lots of its own, to show
//! how often chance alone makes "worse by 5 %".

use std::fmt::Write;
use std::ops::Range;

use super::beside::{CHANCE, WORSE, extra_errors};
use super::report::Report;
use super::{Outcome, drawn, run};

/// The fleets of the page.
pub const FLEETS: Range<u64> = 0..200;
/// Seeds of each.
const SEEDS: u64 = 4;
/// So many standard errors beyond the bound, and it is not chance.
const SURE: f64 = 2.0;
/// So many fleets were surely out of bounds when this was measured last; the aim is none, and more are a step back.
const BROKEN_MAX: usize = 1;

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
        let off = each.map(|(a, b)| (figure(a) - whole * figure(b)).powi(2));
        let n = these.len() as f64;
        let variance = off.sum::<f64>() / (n - 1.0).max(1.0) / n;
        Ratio {
            whole,
            doubt: variance.sqrt() * n / sum(those),
        }
    }

    /// Out of bounds?
    pub fn is_worse(&self) -> bool {
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
    /// Means of the time until a request was answered or had failed.
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
    /// `learned` in the fleet of this number.
    pub fn learned(fleet: u64, seeds: u64) -> Result<Among, String> {
        Ok(Among::of(
            &runs(fleet, "learned", seeds, 0)?,
            &runs(fleet, "p2c", seeds, 0)?,
        ))
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

    fn is_worse(&self) -> bool {
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

fn runs(fleet: u64, policy: &str, seeds: u64, choices: u32) -> Result<Vec<Outcome>, String> {
    let mut scenario = drawn::fleet(fleet)?;
    scenario.run.choices = choices;
    (1..=seeds)
        .map(|seed| run(&scenario, policy, seed, &|_| {}))
        .collect()
}

/// Computes the page for the fleets of these numbers; `told` hears which comes next.
pub fn report(fleets: Range<u64>, told: &dyn Fn(&str)) -> Result<Report, String> {
    let mut counts = [[0_usize; 2]; 2];
    let mut better = 0;
    let mut lines = Vec::new();
    for fleet in fleets.clone() {
        told(&format!("fleet {fleet}"));
        let plain = runs(fleet, "p2c", SEEDS, 0)?;
        let again = Among::of(&runs(fleet, "p2c", SEEDS, 1)?, &plain);
        let learned = Among::of(&runs(fleet, "learned", SEEDS, 0)?, &plain);
        for (of, counts) in [again, learned].iter().zip(&mut counts) {
            counts[0] += usize::from(of.is_worse());
            counts[1] += usize::from(of.is_surely_worse());
        }
        better += usize::from(learned.mean.whole < 1.0 / WORSE);
        if learned.is_worse() {
            lines.push(line(fleet, &learned));
        }
    }
    let [again, learned] = counts;
    let mut report = Report {
        text: head(fleets, again, learned, better),
        ..Report::default()
    };
    lines.iter().for_each(|line| {
        let _ = writeln!(report.text, "{line}");
    });
    if learned[1] > BROKEN_MAX {
        report.broken = lines;
    }
    Ok(report)
}

fn head(fleets: Range<u64>, again: [usize; 2], learned: [usize; 2], better: usize) -> String {
    let percent = (WORSE - 1.0) * 100.0;
    let Range { start, end } = fleets;
    let end = end.saturating_sub(1);
    let chance = CHANCE * 100.0;
    let [[some, sure], [its, its_sure]] = [again, learned];
    format!(
        "# Drawn fleets

Made by `cargo xtask score drawn`: `learned` beside `p2c` in fleets by lot, those numbered {start} to {end}, {SEEDS} seeds each, computed and the same on every machine. Worse is worse by more than
{percent:.0} % in the mean or p99 of the time until a request was answered or had failed in the end, or in the share that failed (and by more than {chance} points);
surely, if {SURE:.0} standard errors say so too. It fails where more than {BROKEN_MAX} are surely worse; the aim is none.

| beside `p2c` | worse | surely |
| --- | --- | --- |
| `p2c` with other lots | {some} | {sure} |
| `learned` | {its} | {its_sure} |

In {better} of them `learned` has a mean shorter by more than {percent:.0} %. Those in which it is worse
(`cargo run -p evenkeel-sim --example drawn -- NUMBER` writes one as a scenario):

| fleet | mean | p99 | p99 of what was answered | errors, `p2c`'s |
| --- | --- | --- | --- | --- |
"
    )
}

fn line(fleet: u64, of: &Among) -> String {
    let [its, plain] = of.errors;
    let sure = if of.is_surely_worse() { " surely" } else { "" };
    format!(
        "| {fleet}{sure} | {} | {} | {} | {its:.4}, {plain:.4} |",
        of.mean.text(),
        of.p99.text(),
        of.answered_p99.text()
    )
}
