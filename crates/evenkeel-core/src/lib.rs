//! Every decision evenkeel takes, and nothing else.
//!
//! The shells (proxy, control, keeper, agent) hand events and the time in and carry out what comes back. There is no
//! clock, no socket, no file, no thread and no randomness of its own in here, so a recorded run replays to the same
//! decisions and a test of a ten-minute outage takes microseconds.

pub mod account;
pub mod address;
pub mod balance;
pub mod counters;
pub mod detect;
pub mod diagnose;
pub mod engine;
pub mod facts;
pub mod failover;
pub mod health;
pub mod id;
pub mod incident;
mod keep;
pub mod notify;
pub mod observe;
pub mod prevent;
pub mod recover;
pub mod registry;
pub mod remote;
pub mod retry;
pub mod rng;
pub mod route;
pub mod session;
pub mod settings;
pub mod supervise;
pub mod table;
pub mod time;
pub mod times;
pub mod used;
