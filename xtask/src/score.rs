//! `cargo xtask score`: figures with a bound each, against the real binary; outside its bound, the command fails.

mod attacks;
mod computed;
mod faults;
mod picks;
mod routes;
mod sessions;
mod site;
mod wire;

use crate::{Failure, load};

/// What can be scored.
#[derive(clap::Subcommand)]
pub(crate) enum Score {
    /// Slow, silent and flooding clients, with an honest one beside them.
    Attacks(attacks::Options),
    /// Every drill, several times, under load: found, understood, healed, unnoticed; beside HAProxy.
    Faults(faults::Options),
    /// What failure detectors see, how soon, and how often they are wrong.
    Detectors(computed::Options),
    /// The policies on simulated fleets, beside what theory says.
    Dispatch(computed::Options),
    /// The policy `learned` beside its guard, in fleets by lot.
    Drawn(computed::Options),
    /// What a pick costs with each policy, among 10 and among 1,000 endpoints.
    Picks,
    /// What a request costs among 10,000 routes, beside one among 10.
    Routes(routes::Options),
    /// One of eight endpoints is ten times slow: what clients see behind each policy, and behind HAProxy, nginx and Envoy.
    Wire(wire::Options),
    /// 10,000 sessions through the kill, drain, reload, restart and return of what they go by.
    Sessions(sessions::Options),
}

/// Runs one of them on the release build.
pub(crate) fn run(score: &Score) -> Result<(), Failure> {
    let programs = match score {
        // Computed, not measured: no build of the real thing is needed.
        Score::Detectors(options) => return computed::run(options, "detectors", "DETECTORS.md"),
        Score::Dispatch(options) => return computed::run(options, "dispatch", "DISPATCH.md"),
        Score::Drawn(options) => return computed::run(options, "drawn", "DRAWN.md"),
        Score::Picks => return picks::run(),
        Score::Wire(options) => return wire::run(options),
        Score::Faults(options) if options.profile == "debug" => load::build_for_tests()?,
        Score::Sessions(sessions::Options {
            programs: Some(folder),
            ..
        }) => folder.clone(),
        Score::Sessions(options) if options.profile == "debug" => load::build_for_tests()?,
        _ => load::build_for_use(&["evenkeel", "evenkeel-bench"])?,
    };
    match score {
        Score::Faults(options) => faults::run(options, &programs),
        Score::Attacks(options) => attacks::run(options, &programs),
        Score::Routes(options) => routes::run(options, &programs),
        Score::Sessions(options) => sessions::run(options, &programs),
        Score::Detectors(_)
        | Score::Dispatch(_)
        | Score::Drawn(_)
        | Score::Picks
        | Score::Wire(_) => Ok(()),
    }
}

/// The attacks with fewer connections and shorter limits, on the debug build and with generous bounds.
pub(crate) fn smoke() -> Result<(), Failure> {
    attacks::smoke(&load::build_for_tests()?)
}

/// A slow endpoint behind every policy and every peer, for a moment each, on the debug build.
pub(crate) fn wire_smoke() -> Result<(), Failure> {
    // On a thread of its own: it goes onto one core, and who comes after it is to choose among all.
    std::thread::spawn(wire::smoke)
        .join()
        .unwrap_or_else(|_| Err("the short round of `score wire` panicked".to_owned()))
}
