//! Without an argument: `learned` beside `p2c` in fleets by lot, as Markdown to standard output; ends with 1 where it is surely out of
//! bounds in one. With two numbers `200..400`: the same of these fleets. With a number: the fleet of that number, as a scenario.
//! Run by `cargo xtask score drawn`.

use std::io::Write;
use std::process::ExitCode;

use evenkeel_sim::dispatch::{among, drawn};

fn main() -> ExitCode {
    let told = |text: &str| {
        let _ = writeln!(std::io::stderr(), "{text}");
    };
    let mut fleets = among::FLEETS;
    if let Some(wanted) = std::env::args().nth(1) {
        if let Ok(number) = wanted.parse() {
            let written = std::io::stdout().write_all(drawn::text(number).as_bytes());
            return ExitCode::from(u8::from(written.is_err()));
        }
        let ends = wanted.split_once("..");
        let Some((Ok(from), Ok(to))) = ends.map(|(from, to)| (from.parse(), to.parse())) else {
            told(&format!(
                "`{wanted}`: wanted the number of a fleet, such as 17, or some fleets, such as 200..400"
            ));
            return ExitCode::from(2);
        };
        fleets = from..to;
    }
    let report = match among::report(fleets, &told) {
        Ok(report) => report,
        Err(wrong) => {
            told(&wrong);
            return ExitCode::FAILURE;
        }
    };
    let written = std::io::stdout().write_all(report.text.as_bytes());
    if report.broken.is_empty() && written.is_ok() {
        return ExitCode::SUCCESS;
    }
    told(&format!("out of bounds:\n{}", report.broken.join("\n")));
    ExitCode::FAILURE
}
