//! Hostile HTTP/1: what is malformed or ambiguous gets its answer and goes no further, what is right arrives, on both sides of a real
//! proxy.
//!
//! Two readings of HTTP/1.1 meet here that share no code: the engine's, and a judge's over what reached the endpoint (`judge`) and
//! the client (`answers`). What a client sends is in `corpus`, what an endpoint answers in `replies`; `mutations` makes ten
//! thousand more of each by a seed that a failure prints.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test that cannot go on has failed; one that can says how much it tried

#[path = "../support/mod.rs"]
mod support;

mod answering;
mod answers;
mod corpus;
mod doubt;
mod judge;
mod mutate;
mod mutations;
mod random;
mod replies;
mod requests;
mod stage;

/// After so many faults a test has seen enough: each may have waited for its time to run out.
const ENOUGH: usize = 20;

/// Fails with what was found, if anything was.
fn report(faults: &[String]) {
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
