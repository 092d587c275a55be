//! What evenkeel does on a service's own host: it reads facts (CPU, memory, disks, descriptors), keeps recovery points, and
//! carries out the recovery actions it is told to.
//!
//! The promise that shapes it: **an agent never decides.** It says what it sees and does what it is told, under the fence it was
//! told it with; which action fits which fault is the core's business, on the balancer's side. An agent that loses its
//! balancer goes on supervising and touches nothing else.
//!
//! It may know core (the words), schema (the protocol), probe (to look at its own services), tls (to speak to balancers) and keeper
//! (to hold their processes); nothing of proxy and control.
//!
//! It lives in two places: inside `evenkeel run` for the services of the same host, where the binary calls it; and as a process of
//! its own on another host (`serve`), where it supervises, and speaks with balancers over the network.

pub mod actions;
pub mod facts;
pub mod file;
mod files;
pub mod recovery;
pub mod serve;
