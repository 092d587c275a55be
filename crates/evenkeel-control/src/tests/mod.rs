//! The whole control plane over real sockets and real files, with a made-up data plane and keeper.

mod admin;
mod config;
mod endpoints;
mod garbage;
mod life;
mod rig;
mod tls;
