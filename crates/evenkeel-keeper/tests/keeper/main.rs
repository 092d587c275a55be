//! The keeper with real processes, sockets and signals.
//!
//! This program plays every part: without a known first argument it is the tests; with one it is the keeper, the trampoline, the child
//! (a puppet that each test leads by a unix socket), or a service. So it has its own `main`: a keeper must run on the main thread
//! of a process that has no other, which the usual test harness cannot give.

// Everything here is a test, though no function is marked as one.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod roles;
mod tests;
mod world;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("__exec") => evenkeel_keeper::exec::main(args),
        Some("__keeper") => roles::keeper(args),
        Some("__child") => roles::child(args),
        Some("__service") => roles::service(args),
        _ => run_tests(),
    }
}

/// Understands what `cargo test` passes on: names to run, `--exact`, `--list`.
fn run_tests() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let exact = args.iter().any(|arg| arg == "--exact");
    let wanted = |name: &str| {
        names.is_empty()
            || names
                .iter()
                .any(|n| if exact { name == *n } else { name.contains(*n) })
    };
    let chosen: Vec<_> = tests::ALL.iter().filter(|(name, _)| wanted(name)).collect();
    if args.iter().any(|arg| arg == "--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let began = Instant::now();
        let verdict = if catch_unwind(test).is_ok() {
            "ok"
        } else {
            "FAILED"
        };
        println!(
            "test {name} ... {verdict} ({:.2} s)",
            began.elapsed().as_secs_f64()
        );
        if verdict == "FAILED" {
            failed.push(*name);
        }
    }
    println!(
        "\ntest result: {} passed; {} failed {failed:?}\n",
        chosen.len() - failed.len(),
        failed.len()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
