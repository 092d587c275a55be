//! Writes the figures of all detectors as Markdown to standard output. Ends with 1 and the reasons where a bound is broken. Run
//! by `cargo xtask score detectors`.

use std::io::Write;
use std::process::ExitCode;

use evenkeel_sim::detectors::{Size, report};

fn main() -> ExitCode {
    let report = report(Size::Whole);
    let written = std::io::stdout().write_all(report.text.as_bytes());
    let reasons = report.broken.join("\n");
    if report.broken.is_empty() && written.is_ok() {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(std::io::stderr(), "out of bounds:\n{reasons}");
    ExitCode::FAILURE
}
