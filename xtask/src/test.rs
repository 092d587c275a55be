//! `cargo xtask test`: everything that must hold before a change is taken, in the order in which it fails fastest.
//! All cargo steps share the default profile and flags, so that nothing is compiled twice.

use crate::{
    Failure, bench, check, clients, faults, fuzz, packages, readme, score, steps, steps::Steps,
};
use clap::{Args, ValueEnum};

/// How much to run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// All that needs nothing but Rust and a C compiler.
    Basic,
    /// Also what needs Debian packages.
    Full,
}

/// What `cargo xtask test` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// `basic` leaves out what needs Debian packages.
    #[arg(long, value_enum, default_value = "full")]
    tier: Tier,
}

/// Runs all steps of the tier.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut steps = Steps::default();
    if options.tier == Tier::Full {
        steps.step("Debian packages", packages::ensure);
    }
    check::add_to(&mut steps);
    steps.step(
        "tests: unit, conformance, simulation seeds, end to end, documentation",
        || {
            // One call for all of them: cargo then builds once, and its own closing lines stay the record.
            steps::run(steps::cargo(&["test", "--workspace", "--no-fail-fast"]))
        },
    );
    steps.step("documentation builds without warnings", || {
        let mut command = steps::cargo(&["doc", "--workspace", "--no-deps"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        steps::run(command)
    });
    steps.step("the README's configuration is accepted", readme::check);
    steps.step("fuzz smoke", fuzz::smoke);
    steps.step("slow and hostile clients do no harm", score::smoke);
    if options.tier == Tier::Full {
        clients::add_to(&mut steps);
        faults::add_to(&mut steps);
        steps.step(
            "every policy and peer answers right before a slow endpoint",
            score::wire_smoke,
        );
        steps.step("every proxy of the benchmark answers right", bench::smoke);
    }
    steps.finish()
}
