//! `cargo xtask score sessions`: 10,000 sessions over five endpoints through all that can happen to a balancer and to one of its
//! endpoints, once with cookies and once with a token of the clients' own. After each step everybody asks; who is not where he was is
//! counted, and whether he had a reason.

mod clients;
mod report;
mod site;
mod steps;

use crate::Failure;
use report::Report;
use std::path::{Path, PathBuf};

/// What `cargo xtask score sessions` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sessions of each kind.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    sessions: u32,
    /// `debug`: the debug build, to develop on.
    #[arg(long, default_value = "release", value_parser = ["release", "debug"])]
    pub(super) profile: String,
    /// A folder with the binary, which is then not built.
    #[arg(long)]
    pub(super) programs: Option<PathBuf>,
    /// Write the tables to bench/SESSIONS.md.
    #[arg(long)]
    write: bool,
}

/// By what clients are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cookie,
    Token,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Cookie => "cookie",
            Kind::Token => "token",
        }
    }
}

/// Runs both, prints their tables, and refuses what is out of bounds.
pub(crate) fn run(options: &Options, programs: &Path) -> Result<(), Failure> {
    let mut report = Report::new(options.sessions, &options.profile);
    for kind in [Kind::Cookie, Kind::Token] {
        steps::run(kind, options.sessions, programs, &mut report)
            .map_err(|why| format!("{}: {why}", kind.name()))?;
    }
    if options.write {
        let file = crate::steps::root().join("bench/SESSIONS.md");
        std::fs::write(&file, report.page()).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    report.judge()
}
