//! Runs every shipped scenario that expects something and writes what came out as Markdown to standard output. Ends with 1 and the
//! reasons where an expectation is broken. Run by `cargo xtask score dispatch`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use evenkeel_sim::dispatch::report::report;

fn main() -> ExitCode {
    let began = Instant::now();
    let told = |name: &str| {
        let after = began.elapsed().as_secs_f64();
        let _ = writeln!(std::io::stderr(), "{after:7.1} s  {name}");
    };
    let report = match report(&told) {
        Ok(report) => report,
        Err(wrong) => {
            let _ = writeln!(std::io::stderr(), "{wrong}");
            return ExitCode::FAILURE;
        }
    };
    let written = std::io::stdout().write_all(report.text.as_bytes());
    told("done");
    if report.broken.is_empty() && written.is_ok() {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(
        std::io::stderr(),
        "out of bounds:\n{}",
        report.broken.join("\n")
    );
    ExitCode::FAILURE
}
