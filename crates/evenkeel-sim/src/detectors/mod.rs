//! How good the detectors are, in figures: what they see, how soon, and how often they are wrong about one that is well.
//!
//! Everything in the report is computed here by the detectors themselves, on networks and traffic that are made by a seed; it is
//! the same on every machine. What must hold stands beside each table, and what does not is told in [`Report::broken`].
//!
//! - [`chen`]: `fixed` against the formulas of Chen, Toueg and Aguilera.
//! - [`phi`]: `phi` beside `fixed` on the same beats.
//! - [`paused`]: watchers that do not run for a while, with and without an eye on themselves.
//! - [`peers`]: who is found by comparison with the others, and who is found wrongly.

pub mod chen;
pub mod paused;
pub mod peers;
pub mod phi;

use std::time::Duration;

use evenkeel_core::detect::{Detector, detector, qos::Network};
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::HeartbeatSettings;
use evenkeel_core::time::Time;

/// How much is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What the figures are worth something with.
    Whole,
    /// A tenth of the traffic, for a test.
    Short,
}

/// Figures, as a page of Markdown, and what is out of its bounds.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The page.
    pub text: String,
    /// One line each; empty = all is well.
    pub broken: Vec<String>,
}

impl Report {
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// A table's row.
    fn row(&mut self, cells: &[String]) {
        self.line(format!("| {} |", cells.join(" | ")));
    }

    fn head(&mut self, cells: &[&str]) {
        self.line("");
        self.line(format!("| {} |", cells.join(" | ")));
        self.line(format!("|{}", " --- |".repeat(cells.len())));
    }

    /// Must hold.
    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }
}

/// All of it.
pub fn report(size: Size) -> Report {
    let mut report = Report::default();
    report.line("# Detectors");
    report.line("");
    report.line("Made by `cargo xtask score detectors`: computed by the detectors themselves on networks and traffic that a seed makes, the same everywhere. It fails where a bound is broken.");
    chen::section(&mut report);
    phi::section(&mut report);
    paused::section(&mut report, size);
    peers::section(&mut report, size);
    report
}

const SECOND: Duration = Duration::from_secs(1);

/// A number in (0, 1].
fn unit(rng: &mut Rng) -> f64 {
    ((rng.draw() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// When the `number`-th beat is sent.
fn sent(number: u64) -> Time {
    Time::from_nanos(number * 1_000_000_000)
}

/// When it arrives, unless it is lost.
fn arrival(number: u64, network: &Network, rng: &mut Rng) -> Option<Time> {
    let lost = unit(rng) <= network.loss;
    (!lost).then(|| sent(number) + network.delay_mean.mul_f64(-unit(rng).ln()))
}

fn fixed(timeout: Duration) -> Box<dyn Detector> {
    let settings = HeartbeatSettings {
        timeout,
        ..HeartbeatSettings::default()
    };
    (detector("fixed").make)(&settings, Time::ZERO)
}
