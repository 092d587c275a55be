//! The project's chores, one file per command. They are Rust and not shell, so that they run wherever the project builds
//! and are held to the same rules as the rest of it.
#![allow(
    clippy::print_stdout,
    reason = "a command line tool speaks to its user on standard output"
)]

mod bench;
mod check;
mod clients;
mod cpu;
mod faults;
mod fix;
mod fuzz;
mod load;
mod packages;
mod process;
mod readme;
mod score;
mod steps;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What went wrong, said for a person.
pub(crate) type Failure = String;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's chores")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold before a change is taken: formatting, lints, tests, docs, sizes, fuzzing.
    Test(test::Options),
    /// The quick part of `test`: formatting, lints, tidy.
    Check,
    /// Repair what can be repaired without thought: formatting and clippy's own suggestions.
    Fix,
    /// Real clients through the binary: part of `test`.
    Clients(clients::Options),
    /// What a request costs, beside HAProxy, nginx and a plain relay.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Figures that have a bound: attacks, many routes.
    #[command(subcommand)]
    Score(score::Score),
    /// Sizes of files and functions, arrows between crates, unfinished work, traces of one machine.
    Tidy,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Check => check::run(),
        Command::Fix => fix::run(),
        Command::Clients(options) => clients::run(&options),
        Command::Bench(bench) => bench::run(&bench),
        Command::Score(score) => score::run(&score),
        Command::Tidy => tidy::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}
