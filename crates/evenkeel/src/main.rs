//! The `evenkeel` binary: arguments to command, and the only place that knows every crate.
//!
//! One executable plays several parts. `run` and `agent` are the keeper; it starts this same file again as the balancer or
//! the agent, as the trampoline of each supervised service, and, in the demo, as the sample services. Those parts have names that begin with
//! two underscores, are not shown by `--help`, and are told apart before the command line is parsed.

mod agent;
mod balancer;
mod cli;
mod client;
mod commands;
mod drill;
mod logging;
mod sample;
mod style;
mod user;

use std::process::ExitCode;

/// What every command returns: how it ended, for the shell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// 0: done.
    Done,
    /// 1: failed while running.
    Failed,
    /// 2: bad usage or bad configuration.
    Usage,
    /// 3: the admin API can't be reached.
    Unreachable,
    /// What the keeper ended with.
    Exit(ExitCode),
}

impl From<End> for ExitCode {
    fn from(end: End) -> ExitCode {
        match end {
            End::Done => ExitCode::SUCCESS,
            End::Failed => ExitCode::FAILURE,
            End::Usage => ExitCode::from(2),
            End::Unreachable => ExitCode::from(3),
            End::Exit(code) => code,
        }
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let part = args.next();
    match part.as_deref().and_then(|p| p.to_str()) {
        Some("__exec") => evenkeel_keeper::exec::main(args),
        Some("__balancer") => balancer::main(args).into(),
        Some("__agent") => agent::main(args).into(),
        Some("__sample") => sample::main(args).into(),
        _ => commands::dispatch(cli::parse()).into(),
    }
}
