//! Hostile HTTP/1: what is malformed or ambiguous gets its answer and goes no further, what is right arrives, on both sides of a real
//! proxy.
//!
//! Two readings of HTTP/1.1 meet here that share no code: the engine's, and a judge's over what reached the endpoint (`judge`) and
//! the client (`answers`). What a client sends is in `corpus`, what an endpoint answers in `replies`; `mutations` makes ten
//! thousand more of each by a seed that a failure prints.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod corpus;
mod doubt;
mod judge;
mod mutate;
mod mutations;
mod random;
mod requests;
mod stage;
