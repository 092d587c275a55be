//! The small parent of everything evenkeel runs: it opens listening sockets, starts, signals and reaps processes, and hands
//! the sockets to its one child, the balancer, which makes every decision.
//!
//! It is this small and this ignorant on purpose. What it holds (sockets, the services' processes) must outlive a crash of the
//! part that changes often, so it contains nothing that changes often: no async runtime, no configuration, no idea why anything is
//! started. It believes nothing its child says without checking.
//!
//! - The parent's side is [`run`]; the child's is [`Link`]; what they say to each other is in [`wire`].
//! - The program that calls [`run`] must route a hidden first argument ([`Settings::trampoline`]) to [`exec::main`].
//! - What is deliberately absent: the upgrade of a running keeper, and any restart policy for services.

mod allowance;
mod balancer;
mod cgroup;
mod children;
pub mod exec;
mod ignored;
mod keeper;
pub mod life;
mod link;
mod output;
mod services;
mod sockets;
pub mod wire;

pub use keeper::{Settings, run};
pub use link::{Link, Received};
pub use wire::{
    Address, Death, Ending, FromKeeper, Limited, Limits, LogFormat, Start, StartRefusal, ToKeeper,
};
