//! TLS on real sockets: with clients, with endpoints, and passed through.
#![allow(unreachable_pub, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod certs;
mod clients;
mod endpoints;
mod passing;
